// Where the moments of a run are drawn. By the clock, a second is as wide everywhere, and a story of milliseconds
// within a minute is a blot. By order, each event has room, and a pause is as wide as it is long only in its logarithm.

import type { Model } from "./data";

export type Axis = "order" | "clock";

/** More events than this are drawn by the clock: each of them would be a column. */
export const MOST_IN_ORDER = 2000;

/** Room between two events, and after a stop that has a caption. */
const STEP = 11;
const BADGE = 26;
const CAPTION = 126;

/** Positions of events, rising with their order, in pixels before any zoom. */
export class Positions {
  readonly width: number;

  private constructor(
    readonly events: number[],
    private readonly model: Model,
    private readonly x: Float64Array,
    readonly axis: Axis,
  ) {
    const last = events.length - 1;
    const hasCaption = axis === "order" && model.stop.has(events[last]);
    this.width = last < 0 ? 0 : x[last] + (hasCaption ? CAPTION : 0);
  }

  static of(model: Model, events: number[], axis: Axis, room: number): Positions {
    const x = new Float64Array(events.length);
    if (axis === "clock") {
      const [first, last] = [model.at(events[0] ?? 0), model.at(events[events.length - 1] ?? 0)];
      const scale = room / Math.max(1, last - first);
      events.forEach((event, place) => (x[place] = (model.at(event) - first) * scale));
      return new Positions(events, model, x, axis);
    }
    const captions = new Map<number, number>();
    for (let place = 1; place < events.length; place++) {
      const [before, event] = [events[place - 1], events[place]];
      const pause = model.at(event) - model.at(before);
      const wait = pause === 0 ? 0 : 6 * Math.log2(1 + pause / 20);
      const isNearStop = model.stop.has(event) || model.stop.has(before);
      let at = x[place - 1] + wait + (isNearStop ? BADGE : STEP);
      if (model.stop.has(before)) captions.set(model.lane(before), x[place - 1]);
      const caption = captions.get(model.lane(event));
      if (model.stop.has(event) && caption !== undefined) at = Math.max(at, caption + CAPTION);
      x[place] = at;
    }
    return new Positions(events, model, x, axis);
  }

  /** The place of the first event at or after this one. */
  placeOf(event: number): number {
    return lowerBound(this.events.length, (place) => this.events[place] >= event);
  }

  /** Where an event is, or the next one that is shown. */
  of(event: number): number {
    const place = this.placeOf(event);
    return place < this.x.length ? this.x[place] : this.width;
  }

  at(place: number): number {
    return this.x[place];
  }

  /** Where a moment is: between the events around it. */
  ofTime(ms: number): number {
    const { events, model, x } = this;
    const next = lowerBound(events.length, (place) => model.at(events[place]) >= ms);
    if (next === 0) return 0;
    if (next === events.length) return this.width;
    const [low, high] = [model.at(events[next - 1]), model.at(events[next])];
    return x[next - 1] + ((x[next] - x[next - 1]) * (ms - low)) / Math.max(1, high - low);
  }

  /** The places of the events between two positions. */
  between(low: number, high: number): [number, number] {
    const first = lowerBound(this.x.length, (place) => this.x[place] >= low);
    return [first, lowerBound(this.x.length, (place) => this.x[place] > high)];
  }
}

/** The first of `0..length` that is as asked; they are so from some place on. */
function lowerBound(length: number, is: (place: number) => boolean): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (is(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
