// The space–time diagram: lanes from top to bottom, time from left to right.

import { axisBottom } from "d3-axis";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { zoom, zoomIdentity, type D3ZoomEvent, type ZoomBehavior, type ZoomTransform } from "d3-zoom";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { MOST_IN_ORDER, Positions } from "./axis";
import { MOST_ELEMENTS, colourOf, paint } from "./canvas";
import { Curve } from "./curve";
import { Fate, type Level, type Model, span, time } from "./data";
import { type Arrow, type Dot, type Marks, TALL, type Window, lanesOf, legsOf, marksOf, xOf, yOf } from "./scene";
import { cut, widthOf, wrap } from "./text";
import type { View } from "./view";

/** The height of the axis of time. */
const AXIS = 34;
/** A diagram of more lanes than fit is scrolled. */
const MOST_HEIGHT = 640;
/** Room on either side of the first and the last event. */
const MARGIN = 34;

interface Props {
  model: Model;
  view: View;
  change: (change: Partial<View>) => void;
}

export function Diagram({ model, view, change }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const svg = useRef<SVGSVGElement>(null);
  const behaviour = useRef<ZoomBehavior<SVGSVGElement, unknown> | null>(null);
  const [width, setWidth] = useState(0);
  const [top, setTop] = useState(0);
  const [moved, setMoved] = useState<ZoomTransform>(zoomIdentity);

  const events = useMemo(() => model.events(view.level), [model, view.level]);
  const axis = events.length > MOST_IN_ORDER ? "clock" : view.axis;
  const lanes = useMemo(() => lanesOf(model, events), [model, events]);
  const gutter = useMemo(() => gutterOf(model, lanes.rows.map((row) => row.lane)), [model, lanes]);
  const room = Math.max(240, width - gutter - 2 * MARGIN);
  const positions = useMemo(() => Positions.of(model, events, axis, room), [model, events, axis, axis === "clock" ? room : 0]);
  const whole = lanes.rows.length * lanes.height;
  const height = Math.min(whole, MOST_HEIGHT);

  useLayoutEffect(() => {
    const element = box.current as HTMLDivElement;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (width === 0 || !svg.current) return;
    const element = select(svg.current);
    const fit = room / Math.max(1, positions.width);
    behaviour.current = zoom<SVGSVGElement, unknown>()
      .scaleExtent([Math.min(fit, 1) * 0.9, Math.max(40, fit * 4000)])
      .translateExtent([[-MARGIN, 0], [positions.width + MARGIN / Math.max(0.2, Math.min(1, fit)), 0]])
      .extent([[0, 0], [width - gutter, height]])
      // The wheel alone scrolls the page.
      .filter((event: MouseEvent) => (event.type === "wheel" ? event.ctrlKey || event.metaKey : !event.button))
      .on("zoom", (event: D3ZoomEvent<SVGSVGElement, unknown>) => setMoved(event.transform));
    element.call(behaviour.current).on("dblclick.zoom", null);
    element.call(behaviour.current.transform, opening(model, positions, room));
    return () => void element.on(".zoom", null);
  }, [model, positions, width, gutter, height]);

  const window: Window = { positions, lanes, scale: moved.k, left: gutter + moved.x, width, top, height };
  const marks = marksOf(model, window);
  const isDrawn = marks.arrows.length + marks.dots.length <= MOST_ELEMENTS;

  // A chosen event is brought into view.
  useEffect(() => {
    if (view.event === null || !svg.current || !behaviour.current || width === 0) return;
    if (!model.has(view.event, view.level)) return;
    const x = xOf(window, positions.of(view.event));
    if (x < gutter + 20 || x > width - 60) {
      select(svg.current).call(behaviour.current.translateTo, positions.of(view.event), 0);
    }
    const y = yOf(window, model.lane(view.event));
    if (y < 0 || y > height) scroller.current?.scrollTo({ top: top + y - height / 2 });
  }, [view.event, positions]);

  const scaleBy = (factor: number) => {
    if (svg.current && behaviour.current) select(svg.current).call(behaviour.current.scaleBy, factor);
  };
  const fitAll = () => {
    const k = room / Math.max(1, positions.width);
    if (svg.current && behaviour.current) {
      select(svg.current).call(behaviour.current.transform, zoomIdentity.translate(MARGIN, 0).scale(k));
    }
  };

  return (
    <div class="diagram" ref={box}>
      <Toolbar model={model} view={view} change={change} isLarge={events.length > MOST_IN_ORDER} scaleBy={scaleBy} fit={fitAll} />
      <div class="scroller" ref={scroller} style={{ height: `${height}px` }} tabIndex={0} role="region" aria-label="Space–time diagram"
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
        <div style={{ height: `${whole}px` }}>
          <div class="stage" style={{ height: `${height}px` }}>
            {!isDrawn && <Canvas marks={marks} width={width} height={height} />}
            <svg ref={svg} width={width} height={height} role="img" data-marks={marks.arrows.length + marks.dots.length} data-scale={moved.k.toFixed(4)}
              aria-label={`${events.length} events of ${lanes.rows.length} hosts. The same events are in the table below the diagram.`}
              onClick={(event) => !isDrawn && pick(event, marks, (chosen) => change({ event: chosen }))}>
              <Patterns />
              <defs><clipPath id="inside"><rect x={gutter} y={0} width={Math.max(0, width - gutter)} height={height} /></clipPath></defs>
              <g clip-path="url(#inside)">
                <Lines model={model} window={window} />
                <Bands model={model} window={window} gutter={gutter} />
                {isDrawn && <Elements marks={marks} choose={(event) => change({ event })} model={model} />}
                <Way model={model} window={window} />
                <Stops model={model} window={window} chosen={view.event} choose={(event) => change({ event })} />
                <Chosen model={model} window={window} event={view.event} />
              </g>
              <Names model={model} window={window} gutter={gutter} />
            </svg>
          </div>
        </div>
      </div>
      <Clock window={window} gutter={gutter} model={model} />
      <Curve model={model} window={window} gutter={gutter} />
    </div>
  );
}

/** What is seen at first: all of it if that is legible, else the way of the write. */
function opening(model: Model, positions: Positions, room: number): ZoomTransform {
  const fit = room / Math.max(1, positions.width);
  if (positions.axis === "clock" || fit >= 0.8) return zoomIdentity.translate(MARGIN, 0).scale(Math.min(fit, 2));
  const stops = model.data.lineage.map((event) => positions.of(event));
  const [low, high] = [Math.min(...stops, positions.width), Math.max(...stops, 0)];
  const scale = Math.min(1.2, Math.max(0.62, room / Math.max(1, high - low + 190)));
  return zoomIdentity.translate(MARGIN - Math.max(0, low - 20) * scale, 0).scale(scale);
}

function gutterOf(model: Model, lanes: number[]): number {
  const names = lanes.map((lane) => widthOf(model.laneName(lane), 13, 600));
  return Math.min(190, Math.max(84, ...names) + 28);
}

const LEVEL_NAMES: [Level, string, string][] = [
  ["record", "What touches it", "Events that happened before the violation and touch what it is about"],
  ["device", "These hosts", "All events of the hosts above"],
  ["all", "Everything", "All events of the run"],
];

interface Tools extends Props {
  isLarge: boolean;
  scaleBy: (factor: number) => void;
  fit: () => void;
}

function Toolbar({ model, view, change, isLarge, scaleBy, fit }: Tools) {
  const { lineage } = model.data;
  const stop = view.event === null ? 0 : (model.stop.get(view.event) ?? 0);
  return (
    <div class="toolbar">
      <fieldset>
        <legend>Show</legend>
        {LEVEL_NAMES.map(([level, name, title]) => (
          <button type="button" key={level} data-level={level} title={title} aria-pressed={view.level === level}
            disabled={level === "record" && model.data.cone.length === 0}
            onClick={() => change({ level })}>{name}</button>
        ))}
      </fieldset>
      <fieldset>
        <legend>Time</legend>
        <button type="button" data-axis="order" aria-pressed={view.axis === "order" && !isLarge} disabled={isLarge}
          title={isLarge ? "Too many events for a column each" : "Each event has room; pauses are shortened"} onClick={() => change({ axis: "order" })}>in order</button>
        <button type="button" data-axis="clock" aria-pressed={view.axis === "clock" || isLarge}
          title="A second is as wide everywhere" onClick={() => change({ axis: "clock" })}>by the clock</button>
      </fieldset>
      <fieldset>
        <legend>Zoom</legend>
        <button type="button" id="zoom-out" aria-label="Zoom out" onClick={() => scaleBy(1 / 1.6)}>−</button>
        <button type="button" id="zoom-in" aria-label="Zoom in" title="Also: Ctrl and the wheel; drag to move" onClick={() => scaleBy(1.6)}>+</button>
        <button type="button" id="zoom-fit" onClick={fit}>fit</button>
      </fieldset>
      {lineage.length > 0 && (
        <fieldset class="stepper">
          <legend>{model.data.verdict?.label ? `The way of ${model.data.verdict.label}` : "The evidence"}</legend>
          <button type="button" id="previous" aria-label="Previous stop" title="Key: ←" onClick={() => change({ event: step(model, view.event, -1) })}>←</button>
          <span id="stop">{stop > 0 ? stop : "–"} of {lineage.length}</span>
          <button type="button" id="next" aria-label="Next stop" title="Key: →" onClick={() => change({ event: step(model, view.event, 1) })}>→</button>
        </fieldset>
      )}
    </div>
  );
}

/** The stop before or after an event. */
export function step(model: Model, event: number | null, by: 1 | -1): number | null {
  const { lineage } = model.data;
  if (lineage.length === 0) return event;
  if (event === null) return by > 0 ? lineage[0] : lineage[lineage.length - 1];
  const next = by > 0 ? lineage.find((stop) => stop > event) : lineage.findLast((stop) => stop < event);
  return next ?? event;
}

function Canvas({ marks, width, height }: { marks: Marks; width: number; height: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => paint(canvas.current as HTMLCanvasElement, marks, width, height));
  return <canvas ref={canvas} style={{ width: `${width}px`, height: `${height}px` }} aria-hidden="true" />;
}

/** The event of the mark that is nearest to the pointer. */
function pick(event: MouseEvent, { dots }: Marks, choose: (event: number) => void): void {
  const target = event.currentTarget as SVGSVGElement;
  const { left, top } = target.getBoundingClientRect();
  const [x, y] = [event.clientX - left, event.clientY - top];
  let [nearest, distance] = [-1, 12];
  for (const dot of dots) {
    const far = Math.hypot(dot.x - x, dot.y - y);
    if (far < distance) [nearest, distance] = [dot.event, far];
  }
  if (nearest >= 0) choose(nearest);
}

function Patterns() {
  const hatch = (id: string, name: string) => (
    <pattern id={id} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
      <rect width="6" height="6" class={`${name}-ground`} />
      <rect width="1.6" height="6" class={`${name}-line`} />
    </pattern>
  );
  return <defs>{hatch("down", "down")}{hatch("fault", "fault")}</defs>;
}

interface Part {
  model: Model;
  window: Window;
}

/** The line of each host, from where it first runs. */
function Lines({ model, window }: Part) {
  return (
    <>
      {window.lanes.rows.map(({ lane, group }, row) => {
        const y = yOf(window, lane);
        const start = model.firstStart.get(lane);
        const x = start === undefined ? 0 : Math.max(0, xOf(window, window.positions.of(start)));
        const edge = row * window.lanes.height - window.top;
        return (
          <g key={lane}>
            {row > 0 && <line x1={0} x2={window.width} y1={edge} y2={edge} class={group ? "group-edge" : "lane-edge"} />}
            {start !== undefined && <line x1={0} x2={x} y1={y} y2={y} class="lane-before" />}
            <line x1={x} x2={window.width} y1={y} y2={y} class={window.lanes.height >= 40 ? "lane" : "lane thin"} />
          </g>
        );
      })}
    </>
  );
}

/** The names of hosts, and of their groups. */
function Names({ model, window, gutter }: Part & { gutter: number }) {
  const isTall = window.lanes.height === TALL;
  return (
    <g class="names">
      <rect x={0} y={0} width={gutter} height={window.height} class="gutter" />
      <line x1={gutter - 0.5} x2={gutter - 0.5} y1={0} y2={window.height} class="group-edge" />
      {window.lanes.rows.map(({ lane, group }, row) => {
        const edge = row * window.lanes.height - window.top;
        return (
          <g key={lane}>
            {row > 0 && group && <line x1={0} x2={gutter} y1={edge} y2={edge} class="group-edge" />}
            {group && isTall && <text x={14} y={edge + 16} class="group">{cut(group, gutter - 20, 10)}</text>}
            <text x={14} y={yOf(window, lane) + 4} class={window.lanes.height >= 40 ? "name" : "name small"}>
              {cut(model.laneName(lane), gutter - 20, 13)}
            </text>
          </g>
        );
      })}
    </g>
  );
}

/** What was wrong with a host, and for how long. */
function Bands({ model, window, gutter }: Part & { gutter: number }) {
  const { positions, lanes } = window;
  const isTall = lanes.height === TALL;
  const ends = new Map<number, number[]>();
  const last = positions.events[positions.events.length - 1] ?? -1;
  const shown = model.data.bands.filter(({ lane, begin }) => lanes.row[lane] >= 0 && begin <= last);
  return (
    <>
      {shown.map(({ lane, begin, end, word, lasts }) => {
        const from = xOf(window, positions.of(begin));
        const to = end === null ? window.width + 10 : Math.max(from + 3, xOf(window, positions.of(end)));
        const y = yOf(window, lane);
        if ((lasts ? to : from) < gutter || from > window.width || y < -lanes.height || y > window.height + lanes.height) return null;
        const text = model.text(begin);
        if (word === "down") {
          const half = Math.min(9, lanes.height * 0.3);
          return <rect key={`${begin}`} x={from} width={to - from} y={y - half} height={2 * half} class="down"><title>{`${model.laneName(lane)} does not run: ${text}`}</title></rect>;
        }
        // Faults at the same time are above each other.
        const rows = ends.get(lane) ?? ends.set(lane, []).get(lane)!;
        const free = rows.findIndex((until) => until <= from);
        const row = Math.min(1, free < 0 ? rows.length : free);
        rows[row] = Math.max(rows[row] ?? -Infinity, to);
        const [high, at] = isTall ? [13, y - 41 + row * 15] : [4, y - lanes.height * 0.42 + row * 5];
        const left = Math.max(from, gutter);
        const room = (lasts ? Math.min(to, window.width) - left : 170) - 10;
        const label = !isTall ? "" : room > 70 || widthOf(text, 10) <= room ? cut(text, room, 10) : widthOf(word, 10) <= room ? word : "";
        return (
          <g key={`${begin}`}>
            {lasts
              ? <rect x={from} width={to - from} y={at} height={high} rx={2} class="fault"><title>{text}</title></rect>
              : <path d={`M${from} ${at}l5 6l-5 6l-5-6z`} class="fault-moment"><title>{text}</title></path>}
            {label && <text x={left + (lasts ? 5 : 9)} y={at + 10} class="fault-name">{label}</text>}
          </g>
        );
      })}
    </>
  );
}

/** Marks as elements of the SVG. */
function Elements({ marks, choose, model }: { marks: Marks; choose: (event: number) => void; model: Model }) {
  // A stop has its number, and a fault its band.
  const dots = marks.dots.filter(({ event, kind }) => !model.stop.has(event) && kind !== "fault");
  return (
    <>
      {marks.arrows.map((arrow, place) => <ArrowMark key={place} arrow={arrow} model={model} choose={choose} />)}
      {dots.map((dot) => <DotMark key={dot.event} dot={dot} model={model} choose={choose} />)}
    </>
  );
}

function head([fx, fy]: [number, number], [x, y]: [number, number], size = 6): string {
  const angle = Math.atan2(y - fy, x - fx);
  const corner = (turn: number) => `${x - size * Math.cos(angle + turn)},${y - size * Math.sin(angle + turn)}`;
  return `${x},${y} ${corner(0.42)} ${corner(-0.42)}`;
}

function ArrowMark({ arrow, model, choose }: { arrow: Arrow; model: Model; choose: (event: number) => void }) {
  const { from, to, fate, kind, sent } = arrow;
  const [x, y] = to;
  const arrives = fate === Fate.Delivered || fate === Fate.Duplicate;
  const fates = ["arrives", "is lost", "arrives once more", "is under way at the end"];
  return (
    <g class={`arrow ${colourOf(kind)} ${fate === Fate.Duplicate ? "again" : ""}`} onClick={() => choose(arrow.end ?? sent)}>
      <title>{`${model.host(sent)} ${model.text(sent)}: ${fates[fate]}`}</title>
      <line x1={from[0]} y1={from[1]} x2={x} y2={y} class="reach" />
      <line x1={from[0]} y1={from[1]} x2={x} y2={y} class={arrives ? "shaft" : "shaft cut-short"} />
      {arrives && <polygon points={head(from, to)} />}
      {fate === Fate.Lost && <path d={`M${x - 4} ${y - 4}l8 8m0-8l-8 8`} class="lost" />}
    </g>
  );
}

function DotMark({ dot, model, choose }: { dot: Dot; model: Model; choose: (event: number) => void }) {
  const { event, kind, x, y } = dot;
  return (
    <g class={`dot k-${kind.replace(/ /g, "-")}`} data-event={event} onClick={() => choose(event)}>
      <title>{`${time(model.at(event))}  ${model.text(event)}`}</title>
      <circle cx={x} cy={y} r={9} class="reach" />
      <Shape kind={kind} x={x} y={y} />
    </g>
  );
}

function Shape({ kind, x, y }: { kind: string; x: number; y: number }) {
  switch (kind) {
    case "request":
      return <circle cx={x} cy={y} r={4} />;
    case "answer":
      return <circle cx={x} cy={y} r={3.2} class="hollow" />;
    case "commit":
    case "row stored":
    case "server commit":
      return <rect x={x - 3.5} y={y - 3.5} width={7} height={7} rx={1} />;
    case "page served":
    case "row found":
      return <rect x={x - 3} y={y - 3} width={6} height={6} rx={1} class="hollow" />;
    case "phase":
      return <path d={`M${x} ${y - 5}l4 5l-4 5l-4-5z`} />;
    case "crash":
    case "error":
      return <path d={`M${x - 4} ${y - 4}l8 8m0-8l-8 8`} class="cross" />;
    case "start":
      return <path d={`M${x - 3} ${y - 5}l8 5l-8 5z`} />;
    default:
      return <circle cx={x} cy={y} r={2} />;
  }
}

/** The way of the write, strong. */
function Way({ model, window }: Part) {
  return (
    <g class="way">
      {legsOf(model, window).map(({ points, isMessage, isHeld }, place) => {
        const isJump = !isMessage && points[0][1] !== points[1][1];
        return (
          <g key={place} class={isJump ? "jump" : isHeld ? "held" : "other"}>
            <polyline points={points.map((point) => point.join(",")).join(" ")} />
            {isMessage && <polygon points={head(points[1], points[2], 9)} />}
          </g>
        );
      })}
    </g>
  );
}

/** The stops of the write, numbered. */
function Stops({ model, window, chosen, choose }: Part & { chosen: number | null; choose: (event: number) => void }) {
  const { positions, lanes } = window;
  const stops = model.data.lineage.filter((event) => positions.events[positions.placeOf(event)] === event);
  const isTall = lanes.height === TALL;
  return (
    <>
      {stops.map((event, place) => {
        const [x, y] = [xOf(window, positions.of(event)), yOf(window, model.lane(event))];
        if (x < -200 || x > window.width + 40 || y < -60 || y > window.height + 60) return null;
        const next = stops.slice(place + 1).find((other) => model.lane(other) === model.lane(event));
        const room = (next === undefined ? Infinity : xOf(window, positions.of(next)) - x) - 14;
        const isLoss = event === model.loss;
        const width = Math.min(room, 190, Math.max(60, window.width - x));
        const lines = isTall && width > 50 ? wrap(caption(model, event), width, 11, 3) : [];
        return (
          <g key={event} class={`stop ${isLoss ? "loss" : ""} ${event === chosen ? "chosen" : ""}`} data-stop={model.stop.get(event)} onClick={() => choose(event)}>
            <title>{`${time(model.at(event))}  ${model.host(event)}  ${model.text(event)}`}</title>
            {isLoss && <circle cx={x} cy={y} r={13} class="ring" />}
            <circle cx={x} cy={y} r={9} />
            <text x={x} y={y + 4} class="number">{model.stop.get(event)}</text>
            {lines.map((line, row) => <text key={row} x={x - 8} y={y + 24 + row * 12.5} class="caption">{line}</text>)}
          </g>
        );
      })}
    </>
  );
}

/** The sentence of a stop, without what the diagram says already. */
function caption(model: Model, event: number): string {
  const object = model.data.verdict?.object ?? "";
  const text = model.text(event).replace(/\s+/g, " ").split("; ")[0].replace(/ from the start/, "");
  const isCommit = text.startsWith("commits no. ") && model.kind(event) === "commit";
  let short = text.replace(/^commits no\. \d+(, without waiting for the disk)?: /, "");
  if (object !== "") {
    if (isCommit && short.startsWith(`${object} = `)) short = `holds ${short.slice(object.length + 3)}`;
    short = short.replace(`${object} = `, "").replace(`sees ${object}: `, "sees ").replace(new RegExp(`^(\\w+) ${object} `), "$1 ");
  }
  return event === model.loss ? `lost: ${short}` : short;
}

/** The chosen event: a line through all lanes. */
function Chosen({ model, window, event }: Part & { event: number | null }) {
  if (event === null || window.positions.events[window.positions.placeOf(event)] !== event) return null;
  const [x, y] = [xOf(window, window.positions.of(event)), yOf(window, model.lane(event))];
  return (
    <g class="choice" pointer-events="none">
      <line x1={x} x2={x} y1={0} y2={window.height} />
      <circle cx={x} cy={y} r={12.5} />
    </g>
  );
}

/** The axis of time below the lanes. */
function Clock({ model, window, gutter }: Part & { gutter: number }) {
  const axis = useRef<SVGGElement>(null);
  const { positions, scale, left, width } = window;
  const isByClock = positions.axis === "clock";
  useLayoutEffect(() => {
    if (!isByClock || !axis.current || positions.events.length === 0) return;
    const first = model.at(positions.events[0]);
    const last = model.at(positions.events[positions.events.length - 1]);
    const perMs = (positions.width / Math.max(1, last - first)) * scale;
    const at = (x: number) => first + (x - left) / perMs;
    const clock = scaleLinear().domain([at(gutter), at(width)]).range([gutter, width]);
    const every = at(width) - at(gutter);
    const format = (ms: number) => (every < 4000 ? time(Math.round(ms)) : `${+(ms / 1000).toFixed(1)} s`);
    select(axis.current).call(axisBottom<number>(clock as never).ticks(Math.max(2, (width - gutter) / 110)).tickFormat((ms) => (Number(ms) < 0 ? "" : format(Number(ms)))).tickSizeOuter(0) as never);
  });
  let text: ComponentChildren = null;
  if (isByClock) text = <g ref={axis} class="ticks" font-size="11" />;
  else text = <Ticks model={model} window={window} gutter={gutter} />;
  return (
    <svg width={width} height={AXIS} class="axis" aria-hidden="true">
      <clipPath id="under"><rect x={gutter} y={0} width={Math.max(0, width - gutter)} height={AXIS} /></clipPath>
      <line x1={gutter} x2={width} y1={0.5} y2={0.5} class="group-edge" />
      <g clip-path="url(#under)">{text}</g>
    </svg>
  );
}

/** Moments of events where there is room, stops first, and the pauses between them. */
function Ticks({ model, window, gutter }: Part & { gutter: number }) {
  const { positions, width } = window;
  const [low, high] = [gutter, width].map((x) => (x - window.left) / window.scale);
  const [first, end] = positions.between(low, high);
  const seen = positions.events.slice(first, end).map((event, place) => ({ event, x: xOf(window, positions.at(first + place)) }));
  const isStop = ({ event }: { event: number }) => model.stop.has(event);
  const ticks: { event: number; x: number }[] = [];
  for (const tick of [...seen.filter(isStop), ...seen.filter((it) => !isStop(it))]) {
    const isClear = ticks.every(({ event, x }) => Math.abs(x - tick.x) > 62 && model.at(event) !== model.at(tick.event));
    if (tick.x + 52 < width && isClear) ticks.push(tick);
  }
  ticks.sort((one, other) => one.x - other.x);
  return (
    <>
      {ticks.map(({ event, x }, place) => {
        const next = ticks[place + 1];
        const pause = next ? model.at(next.event) - model.at(event) : 0;
        const room = next ? next.x - x - 58 : 0;
        const text = `+ ${span(pause)}`;
        return (
          <g key={event}>
            <line x1={x} x2={x} y1={0} y2={6} class="notch" />
            <text x={x - 4} y={19} class="tick-name">{time(model.at(event))}</text>
            {pause >= 1000 && widthOf(text, 10) < room && <text x={(x + next.x) / 2 + 21} y={18} class="pause">{text}</text>}
          </g>
        );
      })}
    </>
  );
}
