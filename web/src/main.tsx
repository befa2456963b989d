// The page: reads the run that is in it, and shows how it failed.

import { render } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";

import { Model, load } from "./data";
import { Diagram, step } from "./diagram";
import { EventList } from "./list";
import { About, Detail, Header, Legend, Script, Shrunk, Story, Table, Versions } from "./sections";
import { type View, read, write } from "./view";

function Page({ model }: { model: Model }) {
  const [view, setView] = useState<View>(() => read(location.hash, model));
  const change = useCallback((part: Partial<View>) => {
    setView((before) => {
      const view = { ...before, ...part };
      // An event outside of what is shown widens the diagram.
      if (part.event != null && !model.has(part.event, view.level)) view.level = model.has(part.event, "device") ? "device" : "all";
      return view;
    });
  }, [model]);

  useEffect(() => {
    const hash = write(view, model);
    if (location.hash.replace(/^#/, "") !== hash) history.replaceState(null, "", hash === "" ? location.pathname : `#${hash}`);
  }, [view]);
  useEffect(() => {
    const onHash = () => setView(read(location.hash, model));
    window.addEventListener("hashchange", onHash);
    return () => window.removeEventListener("hashchange", onHash);
  }, []);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isTyping = (event.target as Element).matches("input, select, textarea");
      if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "/") {
        event.preventDefault();
        document.getElementById("filter-text")?.focus();
      } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
        event.preventDefault();
        const by = event.key === "ArrowRight" ? 1 : -1;
        setView((before) => ({ ...before, event: step(model, before.event, by) }));
      } else if (event.key === "Escape") {
        change({ event: null });
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  return (
    <>
      <Header model={model} />
      <main>
        <section aria-label="Diagram">
          <Diagram model={model} view={view} change={change} />
          <Legend model={model} />
          <Detail model={model} view={view} />
          <Table model={model} change={change} />
        </section>
        <Story model={model} view={view} change={change} />
        <Versions model={model} view={view} change={change} />
        <EventList model={model} view={view} change={change} />
        <Script model={model} />
        <Shrunk model={model} />
        <About model={model} />
      </main>
    </>
  );
}

const page = document.getElementById("page") as HTMLElement;
load().then((data) => {
  page.replaceChildren();
  render(<Page model={new Model(data)} />, page);
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
});
