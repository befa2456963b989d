// Texts on a diagram: how wide they are, and how they are broken.

const pen = document.createElement("canvas").getContext("2d") as CanvasRenderingContext2D;

export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif";

export function widthOf(text: string, size: number, weight = 400): number {
  pen.font = `${weight} ${size}px ${FONT}`;
  return pen.measureText(text).width;
}

/** The text, cut so that it fits. */
export function cut(text: string, width: number, size: number): string {
  if (widthOf(text, size) <= width) return text;
  let end = text.length;
  while (end > 0 && widthOf(`${text.slice(0, end)}…`, size) > width) end--;
  return end > 1 ? `${text.slice(0, end).trimEnd()}…` : "";
}

/** Lines of a text, at most so many; the last one is cut. */
export function wrap(text: string, width: number, size: number, most: number): string[] {
  const words = text.split(/\s+/);
  const lines: string[] = [];
  let line = "";
  while (words.length > 0) {
    const word = words[0];
    const longer = line === "" ? word : `${line} ${word}`;
    if (widthOf(longer, size) <= width) {
      line = longer;
      words.shift();
    } else if (lines.length === most - 1) {
      lines.push(cut([line, ...words].join(" ").trim(), width, size));
      return lines;
    } else if (line === "") {
      lines.push(cut(word, width, size));
      words.shift();
    } else {
      lines.push(line);
      line = "";
    }
  }
  if (line !== "") lines.push(line);
  return lines;
}
