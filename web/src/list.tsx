// All events of the run, of which only those on the screen are elements.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { type Model, time } from "./data";
import { type Filter, NO_FILTER, type View } from "./view";

const ROW = 26;
const ROWS = 16;

/** The events that a filter lets through. */
function matching(model: Model, filter: Filter): number[] {
  const { events, lanes, messages } = model.data;
  const lane = lanes.findIndex(({ name }) => name === filter.lane);
  const kind = events.kinds.indexOf(filter.kind);
  const record = events.names.indexOf(filter.record);
  const words = filter.text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const hits = events.texts.map((text) => words.every((word) => text.toLowerCase().includes(word)));
  const of = new Set<number>();
  if (record >= 0) {
    events.records.forEach((records, event) => records.includes(record) && of.add(event));
    // The arrival of a message is about what its sending is about.
    for (const [sent, end] of messages) if (end !== null && of.has(sent)) of.add(end);
  }
  const found: number[] = [];
  for (let event = 0; event < events.at.length; event++) {
    const isIn =
      (filter.lane === "" || events.lane[event] === lane) &&
      (filter.kind === "" || events.kind[event] === kind) &&
      (filter.record === "" || of.has(event)) &&
      hits[events.text[event]];
    if (isIn) found.push(event);
  }
  return found;
}

interface Props {
  model: Model;
  view: View;
  change: (change: Partial<View>) => void;
}

export function EventList({ model, view, change }: Props) {
  const { filter } = view;
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const found = useMemo(() => matching(model, filter), [model, filter]);
  const first = Math.max(0, Math.floor(top / ROW) - 4);
  const rows = found.slice(first, first + ROWS + 10);
  const place = view.event === null ? -1 : found.indexOf(view.event);

  useEffect(() => {
    const element = box.current as HTMLDivElement;
    const at = place * ROW;
    if (place >= 0 && (at < element.scrollTop || at > element.scrollTop + (ROWS - 1) * ROW)) {
      element.scrollTop = at - (ROWS / 2) * ROW;
    }
  }, [view.event, found]);

  const set = (part: Partial<Filter>) => change({ filter: { ...filter, ...part } });
  const onKey = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: ROWS, PageUp: -ROWS }[event.key];
    if (by === undefined || found.length === 0) return;
    event.preventDefault();
    change({ event: found[Math.min(found.length - 1, Math.max(0, place + by))] });
  };

  return (
    <section id="events" aria-labelledby="events-title">
      <h2 id="events-title">All events</h2>
      <div class="filters" role="search">
        <label>Host<Choice id="filter-lane" value={filter.lane} all={model.data.lanes.map((lane) => lane.name)} choose={(lane) => set({ lane })} /></label>
        <label>Record<Choice id="filter-row" value={filter.record} all={[...model.data.events.names].sort(natural)} choose={(record) => set({ record })} /></label>
        <label>Kind<Choice id="filter-kind" value={filter.kind} all={[...model.data.events.kinds].sort()} choose={(kind) => set({ kind })} /></label>
        <label class="wide">Text <kbd>/</kbd><input id="filter-text" type="search" value={filter.text} placeholder="words of a sentence" onInput={(event) => set({ text: event.currentTarget.value })} /></label>
        <button type="button" id="filter-none" disabled={Object.values(filter).every((it) => it === "")} onClick={() => change({ filter: NO_FILTER })}>clear</button>
        <output id="found" aria-live="polite">{found.length.toLocaleString("en")} of {model.size.toLocaleString("en")}</output>
      </div>
      <div class="list" ref={box} tabIndex={0} role="listbox" aria-label="Events" aria-activedescendant={place >= first && place < first + rows.length ? `event-${view.event}` : undefined}
        style={{ height: `${Math.min(ROWS, Math.max(1, found.length)) * ROW}px` }} onScroll={(event) => setTop(event.currentTarget.scrollTop)} onKeyDown={onKey}>
        <div role="presentation" style={{ height: `${found.length * ROW}px` }}>
          <div role="presentation" style={{ transform: `translateY(${first * ROW}px)` }}>
            {rows.map((event, at) => (
              <div key={event} id={`event-${event}`} role="option" class="row" aria-selected={event === view.event} aria-setsize={found.length} aria-posinset={first + at + 1} onClick={() => change({ event })}>
                <span class="mono at">{time(model.at(event))}</span>
                <span class="host">{model.host(event)}</span>
                <span class="kind">{model.kind(event)}</span>
                <span class="text" title={model.text(event)}>{model.stop.has(event) && <b class="badge">{model.stop.get(event)}</b>}{model.text(event)}</span>
              </div>
            ))}
          </div>
        </div>
      </div>
    </section>
  );
}

function natural(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}

function Choice({ id, value, all, choose }: { id: string; value: string; all: string[]; choose: (value: string) => void }) {
  return (
    <select id={id} value={value} onChange={(event) => choose(event.currentTarget.value)}>
      <option value="">any</option>
      {all.map((it) => <option key={it} value={it}>{it}</option>)}
    </select>
  );
}
