// How likely the violation was, under the axis of the diagram.

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

import { type Model, time } from "./data";
import { type Window, xOf } from "./scene";
import { cut } from "./text";

const HEIGHT = 130;

export function Curve({ model, window, gutter }: { model: Model; window: Window; gutter: number }) {
  const curve = model.data.cause?.curve ?? [];
  const jumps = [...(model.data.cause?.jumps ?? [])];
  const end = model.data.cause?.no_return;
  if (end && jumps.every(({ at_ms }) => at_ms !== end.at_ms)) jumps.push({ at_ms: end.at_ms, text: `nothing prevents it after this: ${end.text}` });
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(window);
  latest.current = window;
  // A line along the top says no more than its sentence.
  const isDecided = curve.every(({ failing, of }) => failing === of);
  const isThere = !isDecided && window.width > 0;

  useEffect(() => {
    if (!isThere || !box.current) return;
    const style = getComputedStyle(box.current);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const drawJumps = (drawn: uPlot) => {
      const { ctx } = drawn;
      const ratio = uPlot.pxRatio;
      ctx.save();
      ctx.font = `${11 * ratio}px system-ui, sans-serif`;
      ctx.textAlign = "left";
      ctx.textBaseline = "alphabetic";
      ctx.fillStyle = colour("--ink");
      ctx.strokeStyle = colour("--way");
      ctx.setLineDash([4 * ratio, 3 * ratio]);
      jumps.forEach(({ at_ms, text }, place) => {
        const x = xOf(latest.current, latest.current.positions.ofTime(at_ms)) * ratio;
        if (x < drawn.bbox.left || x > drawn.bbox.left + drawn.bbox.width) return;
        ctx.beginPath();
        ctx.moveTo(x, drawn.bbox.top);
        ctx.lineTo(x, drawn.bbox.top + drawn.bbox.height);
        ctx.stroke();
        const room = (drawn.bbox.left + drawn.bbox.width - x) / ratio - 12;
        ctx.fillText(cut(text, Math.min(260, room), 11), x + 6 * ratio, drawn.bbox.top + (12 + 14 * (place % 4)) * ratio);
      });
      ctx.restore();
    };
    const grid = { stroke: colour("--edge"), width: 1 };
    plot.current = new uPlot(
      {
        width: latest.current.width,
        height: HEIGHT,
        padding: [10, 0, 10, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, auto: false }, y: { range: [0, 100] } },
        axes: [
          { show: false },
          { size: gutter, splits: () => [0, 50, 100], values: (_, all) => all.map((it) => `${it} %`), stroke: colour("--soft"), grid, ticks: { show: false }, font: "11px system-ui, sans-serif" },
        ],
        series: [{}, { stroke: colour("--way"), width: 2, fill: colour("--way-ground"), paths: uPlot.paths.stepped?.({ align: 1 }), points: { show: true, size: 4 } }],
        hooks: { draw: [drawJumps] },
      },
      [[], []],
      box.current,
    );
    return () => {
      plot.current?.destroy();
      plot.current = null;
    };
  }, [isThere, gutter, window.width, model]);

  useLayoutEffect(() => {
    if (!plot.current) return;
    const { positions, scale, left, width } = window;
    const xs = curve.map((point) => positions.ofTime(point.at_ms));
    plot.current.setData([xs, curve.map((point) => (100 * point.failing) / point.of)], false);
    plot.current.setScale("x", { min: (gutter - left) / scale, max: (width - left) / scale });
  });

  if (curve.length === 0) return null;
  const most = curve.reduce((high, point) => (point.failing / point.of > high.failing / high.of ? point : high));
  return (
    <figure class="curve" id="curve">
      <figcaption>
        How often it happens if all that comes after a moment is drawn again ({curve[0].of} runs a point): {isDecided
          ? "the script alone decides it, it happens whatever is drawn"
          : `most often from ${time(most.at_ms)} on, in ${most.failing} of ${most.of}`}
      </figcaption>
      {!isDecided && <div ref={box} role="img" aria-label={jumps.map(({ at_ms, text }) => `jump at ${time(at_ms)}: ${text}`).join("; ") || "a curve without jumps"} />}
    </figure>
  );
}
