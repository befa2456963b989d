// Builds the page of `seawall report`: one HTML file with its program and its style inside. The file is committed,
// so that a build of Seawall needs no Node; `web/test/run` builds it again and compares the bytes.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const here = (path) => new URL(path, import.meta.url);
const target = process.argv[2] ?? here("../sim/assets/report.html");

const bundle = async (entry, loader) => {
  const result = await build({
    entryPoints: [here(entry).pathname],
    bundle: true,
    minify: true,
    write: false,
    target: "es2022",
    format: "iife",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    charset: "utf8",
    loader,
  });
  return result.outputFiles[0].text.trim();
};

const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const LIBRARIES = ["preact", "d3-axis", "d3-scale", "d3-selection", "d3-zoom", "uplot"];
const notice = (name) => {
  const { version, license } = JSON.parse(readFileSync(here(`node_modules/${name}/package.json`)));
  const text = readFileSync(here(`node_modules/${name}/LICENSE`), "utf8").trim();
  return `${name} ${version} (${license})\n\n${text}`;
};
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

const script = await bundle("src/main.tsx", {});
const style = await bundle("src/style.css", {});
const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; base-uri 'none'; form-action 'none'`;
const page = readFileSync(here("src/page.html"), "utf8")
  .replace("{{policy}}", () => policy)
  .replace("{{licences}}", () => LIBRARIES.map(notice).map(escape).join("\n\n\n"))
  .replace("{{style}}", () => style)
  .replace("{{script}}", () => script);
writeFileSync(target, page);
console.log(`${(page.length / 1000).toFixed(0)} kB`);
