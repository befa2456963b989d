// What is drawn of a part of a run: lanes, and marks with their places on the screen. How they are drawn is decided by
// the painter, as SVG or on a canvas.

import type { Positions } from "./axis";
import { Fate, type Model } from "./data";

/** The vertical order of lanes. */
export interface Lanes {
  /** By the row of the diagram: the lane, and the group if it begins there. */
  rows: { lane: number; group: string | null }[];
  /** By the lane: its row, or -1. */
  row: Int32Array;
  height: number;
}

/** A lane with this height or more has room for captions and for the names of faults. */
export const TALL = 98;
const MIDDLE = 40;
const LOW = 20;

export function lanesOf(model: Model, events: number[]): Lanes {
  const used = new Set(events.map((event) => model.lane(event)));
  const row = new Int32Array(model.data.lanes.length).fill(-1);
  const rows: Lanes["rows"] = [];
  let before: string | null = null;
  model.data.lanes.forEach(({ group }, lane) => {
    if (!used.has(lane)) return;
    row[lane] = rows.length;
    rows.push({ lane, group: group === before ? null : group });
    before = group;
  });
  const height = rows.length <= 9 ? TALL : rows.length <= 24 ? MIDDLE : LOW;
  return { rows, row, height };
}

/** From the chosen part of the run to the screen. */
export interface Window {
  positions: Positions;
  lanes: Lanes;
  /** Screen position = `left + scale × position`. */
  scale: number;
  left: number;
  /** The part of the screen that is seen, below the position of the first lane. */
  width: number;
  top: number;
  height: number;
}

export function xOf(window: Window, position: number): number {
  return window.left + window.scale * position;
}

/** The height of a lane's line. Faults are above it, captions below. */
export function yOf({ lanes, top }: Window, lane: number): number {
  const inLane = lanes.height === TALL ? 44 : lanes.height * 0.6;
  return lanes.row[lane] * lanes.height + inLane - top;
}

export interface Arrow {
  sent: number;
  end: number | null;
  fate: Fate;
  kind: string;
  from: [number, number];
  to: [number, number];
}

export interface Dot {
  event: number;
  kind: string;
  x: number;
  y: number;
}

export interface Marks {
  arrows: Arrow[];
  dots: Dot[];
}

/** How far a message that does not arrive is drawn. */
const LOST = 0.5;

/** The marks within a window. */
export function marksOf(model: Model, window: Window): Marks {
  const { positions, lanes } = window;
  const [low, high] = [-40, window.width + 40].map((x) => (x - window.left) / window.scale);
  const [first, end] = positions.between(low, high);
  const isSeen = (y: number) => y > -lanes.height && y < window.height + lanes.height;
  const dots: Dot[] = [];
  for (let place = first; place < end; place++) {
    const event = positions.events[place];
    const y = yOf(window, model.lane(event));
    if (isSeen(y)) dots.push({ event, kind: model.kind(event), x: xOf(window, positions.at(place)), y });
  }
  const arrows: Arrow[] = [];
  const last = positions.events[end - 1] ?? -1;
  const begin = positions.events[first] ?? Infinity;
  model.data.messages.forEach(([sent, ending, fate], place) => {
    if (sent > last || (ending ?? sent) < begin) return;
    const from = model.lane(sent);
    const to = model.receivers[place];
    if (to < 0 || lanes.row[from] < 0 || lanes.row[to] < 0) return;
    if (!isShown(positions, sent)) return;
    const start: [number, number] = [xOf(window, positions.of(sent)), yOf(window, from)];
    const isThere = fate === Fate.Delivered || fate === Fate.Duplicate;
    const goal: [number, number] = [xOf(window, positions.of(ending ?? sent)), yOf(window, to)];
    if (!isThere) {
      goal[0] = start[0] + Math.max(16, (goal[0] - start[0]) * LOST);
      goal[1] = start[1] + (goal[1] - start[1]) * LOST;
    }
    if (!isSeen(start[1]) && !isSeen(goal[1])) return;
    arrows.push({ sent, end: ending, fate, kind: model.kind(sent), from: start, to: goal });
  });
  return { arrows, dots };
}

function isShown(positions: Positions, event: number): boolean {
  return positions.events[positions.placeOf(event)] === event;
}

/** A line through the diagram: where the lost write is or goes, or else from one stop to the next. */
export interface Leg {
  points: [number, number][];
  /** Does a message carry it? */
  isMessage: boolean;
  /** Is the write there? Without a write that can be followed, all of the evidence is. */
  isHeld: boolean;
}

/** The way of the write: the places that hold it, and the lines between its stops. */
export function legsOf(model: Model, window: Window): Leg[] {
  const { positions, lanes } = window;
  const point = (event: number): [number, number] => [
    xOf(window, positions.of(event)),
    yOf(window, model.lane(event)),
  ];
  const held = model.holdings.filter(({ lane }) => lanes.row[lane] >= 0);
  const places = held.map(({ from, to, lane }): Leg => {
    const end = to === null ? window.width : xOf(window, positions.of(to));
    return { points: [point(from), [end, yOf(window, lane)]], isMessage: false, isHeld: true };
  });
  const stops = model.data.lineage.filter((event) => isShown(positions, event));
  const between = stops.slice(1).flatMap((to, place): Leg[] => {
    const from = stops[place];
    const carrier = carrierOf(model, positions, from, to);
    if (carrier) {
      const [sent, end] = carrier;
      const points = [point(from), point(sent), point(end), point(to)];
      return [{ points, isMessage: true, isHeld: held.length === 0 || model.holds(sent) }];
    }
    // Where the write is known to be, lines that nothing goes along would only distract.
    if (held.length > 0 && (model.lane(from) !== model.lane(to) || model.holds(from))) return [];
    return [{ points: [point(from), point(to)], isMessage: false, isHeld: held.length === 0 }];
  });
  return [...between, ...places];
}

/** The message that leads from one stop to the next on another host, if one does. */
function carrierOf(model: Model, positions: Positions, from: number, to: number): [number, number] | null {
  if (model.lane(from) === model.lane(to)) return null;
  const found = model.data.messages.findLast(
    ([sent, end, fate]) =>
      end !== null &&
      fate === Fate.Delivered &&
      end <= to &&
      sent >= from &&
      model.lane(sent) === model.lane(from) &&
      model.lane(end) === model.lane(to) &&
      isShown(positions, sent),
  );
  return found ? [found[0], found[1] as number] : null;
}
