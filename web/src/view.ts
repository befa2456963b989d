// What a reader has chosen, and its copy in the address, so that a link leads to the same view.

import type { Axis } from "./axis";
import type { Level, Model } from "./data";

export interface Filter {
  lane: string;
  record: string;
  kind: string;
  text: string;
}

export interface View {
  event: number | null;
  level: Level;
  axis: Axis;
  filter: Filter;
}

export const NO_FILTER: Filter = { lane: "", record: "", kind: "", text: "" };

const LEVELS: Level[] = ["record", "device", "all"];

/** The view that an address asks for. */
export function read(hash: string, model: Model): View {
  const asked = new URLSearchParams(hash.replace(/^#/, ""));
  const text = (key: string) => asked.get(key) ?? "";
  const event = Number(asked.get("event") ?? NaN);
  const level = LEVELS.find((it) => it === asked.get("level"));
  return {
    event: Number.isInteger(event) && event >= 0 && event < model.size ? event : null,
    level: level && !(level === "record" && model.data.cone.length === 0) ? level : model.firstLevel,
    axis: asked.get("axis") === "clock" ? "clock" : "order",
    filter: { lane: text("lane"), record: text("row"), kind: text("kind"), text: text("text") },
  };
}

/** The address of a view; what is as usual is left out. */
export function write(view: View, model: Model): string {
  const { filter } = view;
  const all: [string, string][] = [
    ["event", view.event === null ? "" : String(view.event)],
    ["level", view.level === model.firstLevel ? "" : view.level],
    ["axis", view.axis === "order" ? "" : view.axis],
    ["lane", filter.lane],
    ["row", filter.record],
    ["kind", filter.kind],
    ["text", filter.text],
  ];
  return new URLSearchParams(all.filter(([, value]) => value !== "")).toString();
}
