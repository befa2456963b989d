// Marks on a canvas: for more of them than a browser draws well as elements.

import { Fate } from "./data";
import type { Arrow, Marks } from "./scene";

/** More marks than this go to a canvas. */
export const MOST_ELEMENTS = 1500;

export function paint(canvas: HTMLCanvasElement, marks: Marks, width: number, height: number): void {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d") as CanvasRenderingContext2D;
  pen.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  // One path for each kind: a path for each arrow would be a hundred times as slow.
  for (const [kind, arrows] of groups(marks.arrows)) {
    pen.strokeStyle = colour(`--${kind}`);
    pen.globalAlpha = arrows.length > 3000 ? 0.25 : 0.6;
    pen.beginPath();
    for (const { from, to } of arrows) {
      pen.moveTo(...from);
      pen.lineTo(...to);
    }
    pen.stroke();
  }
  pen.globalAlpha = 1;
  pen.strokeStyle = colour("--bad");
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (const { to: [x, y], fate } of marks.arrows) {
    if (fate !== Fate.Lost) continue;
    pen.moveTo(x - 3, y - 3);
    pen.lineTo(x + 3, y + 3);
    pen.moveTo(x + 3, y - 3);
    pen.lineTo(x - 3, y + 3);
  }
  pen.stroke();
  pen.fillStyle = colour("--ink");
  for (const { x, y } of marks.dots) pen.fillRect(x - 1, y - 1, 2, 2);
}

function groups(arrows: Arrow[]): Map<string, Arrow[]> {
  const found = new Map<string, Arrow[]>();
  for (const arrow of arrows) {
    const colour = colourOf(arrow.kind);
    const group = found.get(colour);
    if (group) group.push(arrow);
    else found.set(colour, [arrow]);
  }
  return found;
}

/** The colour of a kind of message. */
export function colourOf(kind: string): "push" | "pull" | "hint" | "server" {
  switch (kind) {
    case "push":
    case "hint":
      return kind;
    case "pull":
    case "fetch":
    case "request":
      return "pull";
    default:
      return "server";
  }
}
