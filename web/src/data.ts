// What `sim/src/report/html.rs` writes into the page, and what follows from it.

export interface Data {
  run: {
    scenario: string;
    title: string;
    seed: string;
    flaws: string[];
    source: string;
    replayed: string | null;
    digest: string;
    simulated_ms: number;
  };
  verdict: Verdict | null;
  lanes: { name: string; group: string }[];
  events: {
    at: number[];
    lane: number[];
    kind: number[];
    text: number[];
    records: number[][];
    kinds: string[];
    texts: string[];
    names: string[];
  };
  messages: [sent: number, end: number | null, fate: Fate][];
  bands: Band[];
  proof: number[];
  lineage: number[];
  loss: number | null;
  cone: number[];
  versions: { rows: Version[]; states: State[] };
  copies: { of: string; held: [place: string, value: string][] }[];
  script: { lines: string[]; lineage: number[]; cone: number[] };
  commands: [label: string, command: string][];
  cause: Cause | null;
  origin: Origin | null;
}

/** What the plan was before it was shrunk. */
export interface Origin {
  sizes: [what: string, before: number, after: number][];
  writes: [here: string, there: string][];
  digest: string;
}

export interface Moment {
  at_ms: number;
  text: string;
}

/** Why the run fails. */
export interface Cause {
  sentence: string;
  curve: { at_ms: number; failing: number; of: number }[];
  jumps: Moment[];
  no_return: Moment | null;
  needed: string[];
  matters: string[];
  not_needed: string[];
}

export interface Verdict {
  invariant: string;
  meaning: string;
  message: string;
  label: string | null;
  object: string | null;
  at_ms: number;
  lane: number | null;
  also: [name: string, times: number][];
}

export interface Band {
  lane: number;
  begin: number;
  end: number | null;
  word: string;
  lasts: boolean;
}

export interface State {
  word: string | null;
  cells: { field: string; label: string; value: string | null }[];
}

export interface Version {
  event: number;
  lane: number;
  with: number | null;
  base: number | null;
  local: number | null;
  remote: number | null;
  result: number;
  loses: boolean;
}

export const enum Fate {
  Delivered = 0,
  Lost = 1,
  Duplicate = 2,
  UnderWay = 3,
}

/** A place holds the lost write from one event to another, or to the end. */
export interface Holding {
  lane: number;
  from: number;
  to: number | null;
}

/** Where the lost write is, and for how long: until a change without it, or until its host is gone. */
function holdings({ verdict, versions, bands, lineage, events }: Data): Holding[] {
  const found: Holding[] = [];
  if (!verdict?.label) return found;
  const open = new Map<number, Holding>();
  for (const { event, lane, result } of versions.rows) {
    const holds = versions.states[result].cells.some((cell) => cell.label === verdict.label);
    const now = open.get(lane);
    if (holds && !now) {
      const holding = { lane, from: event, to: null };
      found.push(holding);
      open.set(lane, holding);
    } else if (!holds && now) {
      now.to = event;
      open.delete(lane);
    }
  }
  for (const holding of open.values()) {
    const gone = bands.find(({ lane, begin, end, word }) => lane === holding.lane && word === "down" && end === null && begin > holding.from);
    holding.to = gone ? gone.begin : null;
  }
  // It begins where the write is asked for.
  const [first] = found;
  if (first) first.from = lineage.find((event) => event < first.from && events.lane[event] === first.lane) ?? first.from;
  return found;
}

/** How much of the run the diagram shows. */
export type Level = "record" | "device" | "all";

/** The data, with what is looked up often. */
export class Model {
  /** The number of a stop on the way of the write, from 1. */
  readonly stop = new Map<number, number>();
  readonly holdings: Holding[];
  /** The lane to which each message goes. */
  readonly receivers: Int32Array;
  /** By the lane: the event with which its host first runs; none of hosts that run from before the start. */
  readonly firstStart = new Map<number, number>();
  private readonly inCone: Set<number>;
  private readonly coneLanes: Set<number>;

  constructor(readonly data: Data) {
    data.lineage.forEach((event, place) => this.stop.set(event, place + 1));
    this.inCone = new Set(data.cone);
    this.coneLanes = new Set(data.cone.map((event) => data.events.lane[event]));
    this.holdings = holdings(data);
    const lanes = new Map(data.lanes.map(({ name }, lane) => [name, lane]));
    this.receivers = Int32Array.from(data.messages, ([sent, end, fate]) => {
      if (end !== null && fate !== Fate.Lost) return this.lane(end);
      // The sentence of a message that does not arrive names its receiver.
      const name = /^→ (.+?) {3}/.exec(this.text(sent))?.[1] ?? "";
      return lanes.get(name) ?? -1;
    });
    const start = data.events.kinds.indexOf("start");
    data.events.kind.forEach((kind, event) => {
      if (kind === start && !this.firstStart.has(this.lane(event))) this.firstStart.set(this.lane(event), event);
    });
  }

  /** The stop at which the write is lost. */
  get loss(): number | null {
    return this.data.loss;
  }

  get size(): number {
    return this.data.events.at.length;
  }

  at(event: number): number {
    return this.data.events.at[event];
  }

  lane(event: number): number {
    return this.data.events.lane[event];
  }

  laneName(lane: number): string {
    return this.data.lanes[lane].name;
  }

  host(event: number): string {
    return this.laneName(this.lane(event));
  }

  text(event: number): string {
    return this.data.events.texts[this.data.events.text[event]];
  }

  kind(event: number): string {
    return this.data.events.kinds[this.data.events.kind[event]];
  }

  records(event: number): string[] {
    return this.data.events.records[event].map((name) => this.data.events.names[name]);
  }

  /** Does the host of an event hold the lost write just after it? */
  holds(event: number): boolean {
    const lane = this.lane(event);
    return this.holdings.some((it) => it.lane === lane && it.from <= event && (it.to === null || event < it.to));
  }

  /** Is the event part of the diagram at this level? */
  has(event: number, level: Level): boolean {
    switch (level) {
      case "record":
        return this.inCone.has(event);
      case "device":
        return this.coneLanes.has(this.lane(event));
      case "all":
        return true;
    }
  }

  /** The level on which the page opens: without a violation there is no cone. */
  get firstLevel(): Level {
    return this.data.cone.length > 0 ? "record" : "all";
  }

  /** All events of a level, in order. */
  events(level: Level): number[] {
    if (level === "record") return this.data.cone;
    const events: number[] = [];
    for (let event = 0; event < this.size; event++) if (this.has(event, level)) events.push(event);
    return events;
  }
}

/** A moment as the command line writes it: `2.444s`. */
export function time(ms: number): string {
  return `${Math.floor(ms / 1000)}.${String(ms % 1000).padStart(3, "0")}s`;
}

/** A span of time, short. */
export function span(ms: number): string {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 86_400_000 ? `${(ms / 3_600_000).toFixed(1)} h` : `${(ms / 86_400_000).toFixed(1)} d`;
}

/** Reads the data of the page. */
export async function load(): Promise<Data> {
  const element = document.getElementById("data") as HTMLScriptElement;
  const text = element.textContent ?? "";
  if (element.type !== "application/gzip") return JSON.parse(text);
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length);
  for (let at = 0; at < packed.length; at++) bytes[at] = packed.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}
