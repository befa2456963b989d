// What stands around the diagram: the verdict above it, and below it the history of the record and the plan.

import { useState } from "preact/hooks";

import { type Model, type State, type Version, time } from "./data";
import type { View } from "./view";

interface Props {
  model: Model;
  view: View;
  change: (change: Partial<View>) => void;
}

export function Header({ model }: { model: Model }) {
  const { run, verdict, cause, commands } = model.data;
  return (
    <header>
      <p class="kicker">
        <b>Seawall</b> <span>{run.scenario}</span> <span>seed {run.seed}</span>
        {run.flaws.map((flaw) => <span key={flaw} class="flaw">with {flaw}</span>)}
      </p>
      {run.title && <p class="title">{run.title}</p>}
      {verdict ? (
        <>
          <h1><span class="sign" aria-hidden="true">✕</span> <span id="invariant">{verdict.invariant}</span> is violated</h1>
          <p id="verdict">{verdict.message}</p>
          {cause && <p id="sentence">{cause.sentence}</p>}
          <p id="expected"><b>Expected</b> {verdict.meaning}</p>
          {verdict.also.length > 0 && (
            <p id="also"><b>Also violated</b> {verdict.also.map(([name, times]) => `${name} × ${times}`).join(" · ")}</p>
          )}
        </>
      ) : <h1 class="good">All invariants hold</h1>}
      <dl class="commands">
        {commands.map(([label, command]) => (
          <div key={label}><dt>{label}</dt><dd><code>{command}</code><Copy text={command} what={label} /></dd></div>
        ))}
      </dl>
    </header>
  );
}

function Copy({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState("copy");
  const copy = async () => {
    // A browser that keeps the clipboard from files lets nothing be copied by a program.
    const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    setDone(copied ? "copied" : "select and copy it by hand");
    setTimeout(() => setDone("copy"), 1500);
  };
  return <button type="button" class="copy" aria-label={`Copy: ${what}`} onClick={copy}>{done}</button>;
}

/** The chosen event in words. */
export function Detail({ model, view }: { model: Model; view: View }) {
  const { event } = view;
  const stop = event === null ? undefined : model.stop.get(event);
  return (
    <output id="detail" aria-live="polite">
      {event === null
        ? <span class="soft">Choose an event, or follow the numbers with ← and →.</span>
        : <>
            {stop && <b class="badge">{stop}</b>}
            <span class="mono at">{time(model.at(event))}</span> <b>{model.host(event)}</b> <span class="text">{model.text(event)}</span>
          </>}
    </output>
  );
}

/** The stops of the write, or the evidence, as a list. */
export function Story({ model, view, change }: Props) {
  const { lineage, proof, verdict, copies, cause } = model.data;
  if (lineage.length === 0) return null;
  const proves = new Set(proof);
  return (
    <section class="story" aria-labelledby="story-title">
      <div>
        <h2 id="story-title">{verdict?.label ? `What became of ${verdict.label}` : "The evidence"}</h2>
        <ol id="lineage">
          {lineage.map((event) => (
            <li key={event} class={event === model.loss ? "loss" : ""} data-proof={proves.has(event) ? "" : undefined} aria-current={event === view.event ? "step" : undefined}>
              <button type="button" onClick={() => change({ event })}>
                <b class="badge">{model.stop.get(event)}</b>
                <span class="mono at">{time(model.at(event))}</span>
                <span class="host">{model.host(event)}</span>
                <span class="text">{model.text(event)}{event === model.loss && <em> lost here</em>}</span>
              </button>
            </li>
          ))}
        </ol>
      </div>
      <div class="aside">
        {copies.map(({ of, held }) => (
          <div key={of}>
            <h2>{of} at the end</h2>
            <table class="copies"><tbody>
              {grouped(held).map(([value, places]) => <tr key={value}><th scope="row">{places.join(", ")}</th><td>{value}</td></tr>)}
            </tbody></table>
          </div>
        ))}
        <Reasons title="Needed" note="without any one of these it does not happen" all={cause?.needed} />
        <Reasons title="Matters" note="otherwise it happens in some runs only" all={cause?.matters} />
        <Reasons title="Not needed" note="without it, or with it otherwise, it still happens" all={cause?.not_needed} />
      </div>
    </section>
  );
}

function Reasons({ title, note, all = [] }: { title: string; note: string; all?: string[] }) {
  if (all.length === 0) return null;
  return <div><h2>{title} <small>{note}</small></h2><ul>{all.map((it) => <li key={it}>{it}</li>)}</ul></div>;
}

/** Equal copies in one line, as at the command line. */
function grouped(held: [string, string][]): [string, string[]][] {
  const found = new Map<string, string[]>();
  for (const [place, value] of held) found.set(value, [...(found.get(value) ?? []), place]);
  return [...found];
}

/** So many versions are shown at first. */
const SOME = 40;

/** The history of the record at each place. */
export function Versions({ model, view, change }: Props) {
  const { rows, states } = model.data.versions;
  const [all, setAll] = useState(false);
  if (rows.length === 0) return null;
  const object = model.data.verdict?.object ?? "the record";
  const fields = varying(states);
  const shown = all ? rows : around(rows, model.loss);
  const state = (at: number | null) => (at === null ? <td class="none">–</td> : <td><Cells state={states[at]} fields={fields} lost={model.data.verdict?.label ?? null} /></td>);
  return (
    <section id="versions" aria-labelledby="versions-title">
      <h2 id="versions-title">{object}, place by place</h2>
      <p class="soft">Each change of a copy. A merge has three sides: what the device last knew of the remote (base), what it had itself (local), and what it was given (remote).</p>
      <div class="wide-table" tabIndex={0} role="region" aria-label={`The history of ${object}`}>
        <table>
          <thead><tr><th scope="col">Time</th><th scope="col">Place</th><th scope="col">With</th><th scope="col">Base</th><th scope="col">Local</th><th scope="col">Remote</th><th scope="col">Result</th></tr></thead>
          <tbody>
            {shown.map((row) => (
              <tr key={row.event} class={`${row.loses ? "loses" : ""} ${row.event === view.event ? "chosen" : ""}`} onClick={() => change({ event: row.event })}>
                <td class="mono at"><button type="button" class="link">{time(model.at(row.event))}</button></td>
                <td>{model.laneName(row.lane)}</td>
                <td class="soft">{row.with === null ? "" : model.laneName(row.with) === "world" ? "the start" : model.laneName(row.with)}</td>
                {state(row.base)}{state(row.local)}{state(row.remote)}{state(row.result)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < rows.length && <button type="button" onClick={() => setAll(true)}>Show all {rows.length} changes</button>}
    </section>
  );
}

/** The versions around the loss, or the first ones. */
function around(rows: Version[], loss: number | null): Version[] {
  const at = loss === null ? 0 : rows.findIndex((row) => row.event === loss);
  const begin = Math.max(0, Math.min(at - SOME / 2, rows.length - SOME));
  return rows.slice(begin, begin + SOME);
}

/** The fields that are not the same in all states, or all fields. */
function varying(states: State[]): Set<string> {
  const labels = new Map<string, Set<string>>();
  const full = states.filter((state) => state.cells.length > 0);
  for (const { cells } of full) {
    for (const { field, label } of cells) (labels.get(field) ?? labels.set(field, new Set()).get(field)!).add(label);
  }
  const of = (field: string) => full.filter((state) => state.cells.some((cell) => cell.field === field)).length;
  const changing = [...labels].filter(([field, known]) => known.size > 1 || of(field) < full.length);
  return new Set((changing.length > 0 ? changing : [...labels]).map(([field]) => field));
}

function Cells({ state, fields, lost }: { state: State; fields: Set<string>; lost: string | null }) {
  const shown = state.cells.filter((cell) => fields.has(cell.field));
  if (shown.length === 0) return <span class="soft">{state.word ?? "as before"}</span>;
  return (
    <>
      {state.word && <span class="word">{state.word}</span>}
      {shown.map(({ field, label, value }) => (
        <span key={`${field} ${label}`} class={`cell ${label === lost ? "lost" : ""}`}>
          <span class="field">{field}</span>{value !== null && ` ${value}`} <span class={label === "given" ? "label soft" : "label"}>{label}</span>
        </span>
      ))}
    </>
  );
}

/** The events of the diagram as a table. */
export function Table({ model, change }: Omit<Props, "view">) {
  const [open, setOpen] = useState(false);
  const { cone } = model.data;
  if (cone.length === 0) return null;
  return (
    <details id="table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>The diagram as a table ({cone.length} events that happened before the violation and touch what it is about)</summary>
      {open && (
        <table>
          <thead><tr><th scope="col">Stop</th><th scope="col">Time</th><th scope="col">Host</th><th scope="col">Kind</th><th scope="col">Event</th></tr></thead>
          <tbody>
            {cone.map((event) => (
              <tr key={event}>
                <td>{model.stop.get(event) ?? ""}</td>
                <td class="mono at"><button type="button" class="link" onClick={() => change({ event })}>{time(model.at(event))}</button></td>
                <td>{model.host(event)}</td><td>{model.kind(event)}</td><td>{model.text(event)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </details>
  );
}

/** The plan, with the lines that mattered. */
export function Script({ model }: { model: Model }) {
  const { lines, lineage, cone } = model.data.script;
  const [strong, marked] = [new Set(lineage), new Set(cone)];
  const begin = lines.indexOf("[script]");
  const [whole, setWhole] = useState(begin < 0);
  const end = lines.findIndex((line, at) => at > begin && line === "]");
  const shown = whole ? lines.map((line, at) => ({ line, at })) : lines.map((line, at) => ({ line, at })).slice(begin, end + 1);
  const mark = (at: number) => (strong.has(at) ? "strong" : marked.has(at) ? "marked" : "");
  return (
    <section id="scenario" aria-labelledby="scenario-title">
      <h2 id="scenario-title">The plan that ran</h2>
      <p class="soft"><b class="gutter-mark strong">●</b> steps on the way of the write <b class="gutter-mark">○</b> other steps and faults in its past. <Copy text={lines.join("\n")} what="the whole plan" /> {begin >= 0 && <button type="button" class="copy" aria-pressed={whole} onClick={() => setWhole(!whole)}>{whole ? "only the script" : "the whole file"}</button>}</p>
      <pre tabIndex={0} aria-label="The plan">
        {shown.map(({ line, at }) => (
          <span key={at} class={`line ${mark(at)}`}><span class="gutter-mark" aria-hidden="true">{mark(at) === "strong" ? "●" : mark(at) === "marked" ? "○" : " "}</span><span class="number" aria-hidden="true">{at + 1}</span>{line}</span>
        ))}
      </pre>
    </section>
  );
}

/** The plan beside what it was shrunk from. */
export function Shrunk({ model }: { model: Model }) {
  const { origin } = model.data;
  if (!origin) return null;
  const renamed = origin.writes.filter(([here, there]) => here !== there);
  return (
    <section id="shrunk" aria-labelledby="shrunk-title">
      <h2 id="shrunk-title">Shrunk from a larger plan</h2>
      <table>
        <thead><tr><th scope="col">Of it</th><th scope="col">were</th><th scope="col">are left</th></tr></thead>
        <tbody>
          {origin.sizes.map(([what, before, after]) => (
            <tr key={what}><th scope="row">{what}</th><td class="mono">{before.toLocaleString("en")}</td><td class="mono">{after.toLocaleString("en")}</td></tr>
          ))}
        </tbody>
      </table>
      {renamed.length > 0 && <p>Writes had other names there: {renamed.map(([here, there]) => `${here} was ${there}`).join(", ")}.</p>}
      <p class="soft">The digest of that run is <code>{origin.digest}</code>.</p>
    </section>
  );
}

export function About({ model }: { model: Model }) {
  const { run } = model.data;
  return (
    <section class="about">
      <p>{run.source}. {model.size.toLocaleString("en")} facts in {time(run.simulated_ms)} of simulated time. Digest <code>{run.digest}</code>{run.replayed && `, ${run.replayed} as recorded`}.</p>
    </section>
  );
}

const KINDS: [string, string][] = [
  ["push", "push"], ["pull", "pull, fetch"], ["server", "sync server"], ["hint", "hint"],
];

export function Legend({ model }: { model: Model }) {
  const label = model.holdings.length > 0 ? model.data.verdict?.label : null;
  const line = (name: string, extra: string) => <svg width="26" height="10" aria-hidden="true" class={`arrow ${name}`}><line x1="1" y1="5" x2="25" y2="5" class={`shaft ${extra}`} /></svg>;
  return (
    <ul class="legend" aria-label="Legend">
      {KINDS.map(([name, text]) => <li key={name}>{line(name, "")} {text}</li>)}
      <li><svg width="26" height="10" aria-hidden="true" class="arrow push"><line x1="1" y1="5" x2="18" y2="5" class="shaft cut-short" /><path d="M15 1l8 8m0-8l-8 8" class="lost" /></svg> lost message</li>
      <li><svg width="26" height="10" aria-hidden="true" class="way"><polyline points="1,5 25,5" /></svg> {label ? `${label} is here` : "the evidence, in order"}</li>
      {label && <li><svg width="26" height="10" aria-hidden="true" class="way"><g class="other"><polyline points="1,5 25,5" /></g></svg> what comes without {label}</li>}
      <li><i class="swatch fault" /> fault</li>
      <li><i class="swatch down" /> not running</li>
    </ul>
  );
}
