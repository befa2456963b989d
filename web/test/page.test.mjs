// The page of `seawall report` in Chromium, from a file and offline.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { chromium } from "playwright-core";

const ROOT = new URL("../..", import.meta.url).pathname;
const AXE = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const folder = mkdtempSync(join(tmpdir(), "seawall-page-"));
let browser;

before(async () => {
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

/** Runs the program from the root of the repository; a violation is no failure. */
function seawall(...args) {
  const [program, ...first] = process.env.SEAWALL ? [process.env.SEAWALL] : ["cargo", "run", "--quiet", "--release", "--"];
  const ran = spawnSync(program, [...first, ...args], { cwd: ROOT, encoding: "utf8", env: { ...process.env, COLUMNS: "160" } });
  assert.ok([0, 1].includes(ran.status), `seawall ${args.join(" ")}: ${ran.stderr}`);
  return ran.stdout;
}

/** The page of a run, written once. */
const written = new Map();
function pageOf(...args) {
  const key = args.join(" ");
  if (!written.has(key)) {
    const file = join(folder, `${written.size}.html`);
    seawall("report", ...args, "--quick", "-o", file);
    written.set(key, file);
  }
  return written.get(key);
}
const deepSync = () => pageOf("deep-sync-001", "--seed", "0", "--flaw", "DEEP-SYNC-001");

/** Opens a file offline. Any request that is not for a file, and any error, fails the test. */
async function open(file, { hash = "", ...options } = {}, use) {
  const context = await browser.newContext({ offline: true, viewport: { width: 1280, height: 900 }, ...options });
  const errors = [];
  const page = await context.newPage();
  page.on("request", (request) => request.url().startsWith("file:") || errors.push(`request: ${request.url()}`));
  page.on("pageerror", (error) => errors.push(error.stack));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
  await page.goto(pathToFileURL(file).href + hash);
  await page.waitForSelector("html[data-ready]", { timeout: 20_000 });
  await use(page);
  await context.close();
  assert.deepEqual(errors, []);
}

const words = (text) => text.replace(/\s+/g, " ").trim();
const textOf = async (page, selector) => words(await page.locator(selector).innerText());
const chosen = (page, event) => page.waitForFunction((event) => new URLSearchParams(location.hash.slice(1)).get("event") === event, event === null ? null : String(event), { timeout: 5000 });
const marks = async (page) => Number(await page.locator(".stage svg").getAttribute("data-marks"));
const scale = async (page) => Number(await page.locator(".stage svg").getAttribute("data-scale"));
const dataOf = (file) => JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(readFileSync(file, "utf8"))[1]);

test("a page without a run has less than 250 kB", () => {
  const { size } = statSync(join(ROOT, "sim/assets/report.html"));
  assert.ok(size < 250_000, `${size} bytes`);
});

test("the verdict and its evidence are those of the command line", async () => {
  const incidents = [
    ["deep-sync-001", "DEEP-SYNC-001"], ["deep-sync-002", "DEEP-SYNC-002"], ["deep-sync-003", "DEEP-SYNC-003"],
    ["issue-42", "I42-RMW"], ["vaultfs-82445", "VF-BATCH-HALF"],
  ];
  for (const [scenario, flaw] of incidents) {
    const told = words(seawall("run", scenario, "--seed", "0", "--flaw", flaw, "--out", folder));
    await open(pageOf(scenario, "--seed", "0", "--flaw", flaw), {}, async (page) => {
      assert.ok(told.includes(`${await textOf(page, "#invariant")} ${await textOf(page, "#verdict")}`), scenario);
      const proof = await page.locator("#lineage li[data-proof]").all();
      assert.ok(proof.length > 0, scenario);
      let rest = told;
      for (const item of proof) {
        const [at, host, text] = await Promise.all([".at", ".host", ".text"].map((part) => item.locator(part).innerText()));
        const line = words(`${at} ${host} ${text.replace(/ lost here$/, "")}`);
        assert.ok(rest.includes(line), `${scenario}: ${line}`);
        rest = rest.slice(rest.indexOf(line) + line.length);
      }
    });
  }
});

test("arrow keys and buttons step along the way of the write", async () => {
  const { lineage } = dataOf(deepSync());
  await open(deepSync(), {}, async (page) => {
    for (const [place, stop] of lineage.entries()) {
      await page.keyboard.press("ArrowRight");
      await chosen(page, stop);
      assert.equal(await textOf(page, "#stop"), `${place + 1} of ${lineage.length}`);
      assert.ok(await page.locator(`.stop.chosen[data-stop="${place + 1}"]`).isVisible());
      const shown = await page.locator("#lineage li[aria-current=step] .text").innerText();
      assert.ok((await textOf(page, "#detail")).includes(words(shown.replace(/ lost here$/, ""))));
    }
    await page.click("#previous");
    await chosen(page, lineage.at(-2));
    await page.keyboard.press("Escape");
    await chosen(page, null);
    await page.click("#next");
    await chosen(page, lineage[0]);
  });
});

test("the diagram zooms, moves and shows more context", async () => {
  await open(deepSync(), {}, async (page) => {
    const first = await scale(page);
    await page.click("#zoom-in");
    assert.ok((await scale(page)) > first);
    await page.click("#zoom-fit");
    const fit = await scale(page);
    await page.locator(".stage svg").hover({ position: { x: 600, y: 200 } });
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, -300);
    await page.keyboard.up("Control");
    await page.waitForFunction((before) => Number(document.querySelector(".stage svg").dataset.scale) > before, fit);
    await page.keyboard.press("ArrowRight");
    const place = () => page.locator('.stop[data-stop="1"] circle').boundingBox();
    const [before, box] = [await place(), await page.locator(".stage svg").boundingBox()];
    await page.mouse.move(box.x + 700, box.y + 290);
    await page.mouse.down();
    await page.mouse.move(box.x + 620, box.y + 290, { steps: 4 });
    await page.mouse.up();
    assert.ok(Math.abs((await place()).x - before.x + 80) < 4, "it moves with the pointer");
    const sizes = [];
    for (const level of ["record", "device", "all"]) {
      await page.click(`[data-level=${level}]`);
      await page.click("#zoom-fit");
      sizes.push(await marks(page));
    }
    assert.ok(sizes[0] < sizes[1] && sizes[1] <= sizes[2], String(sizes));
    await page.click("[data-axis=clock]");
    assert.ok((await page.locator(".axis .ticks text").count()) > 2);
  });
});

test("events are filtered by host, record, kind and words", async () => {
  const { events, lanes } = dataOf(deepSync());
  await open(deepSync(), {}, async (page) => {
    const found = async () => Number((await textOf(page, "#found")).split(" ")[0].replaceAll(",", ""));
    assert.equal(await found(), events.at.length);
    await page.selectOption("#filter-lane", "tablet");
    const tablet = lanes.findIndex(({ name }) => name === "tablet");
    assert.equal(await found(), events.lane.filter((lane) => lane === tablet).length);
    await page.selectOption("#filter-kind", "commit");
    const commits = await found();
    await page.selectOption("#filter-row", "meal/42");
    assert.ok((await found()) > 0 && (await found()) < commits);
    await page.click("#filter-none");
    await page.keyboard.press("/");
    await page.keyboard.type("stores meal/42 tablet");
    assert.equal(await found(), 1);
    await page.locator(".list .row").first().click();
    assert.equal(await textOf(page, "#detail .text"), "stores meal/42 = {given} from tablet");
    assert.equal(await textOf(page, "#detail .at"), await textOf(page, ".list .row .at"));
    assert.ok(await page.locator(".stage .choice").isVisible(), "the diagram shows the chosen event");
    await page.click("#filter-none");
    const dot = page.locator(".stage .dot[data-event]").nth(5);
    const event = await dot.getAttribute("data-event");
    await dot.dispatchEvent("click");
    await page.waitForSelector(`#event-${event}[aria-selected=true]`);
    await page.locator(".list").press("ArrowDown");
    await chosen(page, Number(event) + 1);
  });
});

test("a link leads to the same view", async () => {
  let hash;
  await open(deepSync(), {}, async (page) => {
    await page.click("[data-level=device]");
    await page.selectOption("#filter-lane", "cloudkit");
    await page.fill("#filter-text", "meal/42");
    await page.locator(".list .row").nth(2).click();
    hash = await page.evaluate(() => location.hash);
    assert.match(hash, /event=\d+&level=device&lane=cloudkit&text=meal/);
    const detail = await textOf(page, "#detail");
    await page.reload();
    await page.waitForSelector("html[data-ready]");
    assert.equal(await textOf(page, "#detail"), detail);
    assert.equal(await page.inputValue("#filter-lane"), "cloudkit");
    assert.equal(await page.locator("[data-level=device]").getAttribute("aria-pressed"), "true");
  });
  await open(deepSync(), { hash }, async (page) => {
    assert.equal(await page.inputValue("#filter-text"), "meal/42");
    assert.equal(await page.evaluate(() => location.hash), hash);
  });
  await open(deepSync(), { hash: "#event=99999999&level=none&axis=x" }, async (page) => {
    assert.equal(await page.locator("[data-level=record]").getAttribute("aria-pressed"), "true");
  });
});

test("the record's history shows the merge that loses the write, and the plan its lines", async () => {
  await open(pageOf("deep-sync-003", "--seed", "0", "--flaw", "DEEP-SYNC-003"), {}, async (page) => {
    const row = page.locator("#versions tr.loses").first();
    assert.match(words(await row.innerText()), /tablet supabase/);
    assert.equal(await row.locator(".cell.lost").count(), 1, "only the local side holds it");
    const strong = await page.locator("#scenario .line.strong").allInnerTexts();
    assert.ok(strong.length === 1 && strong[0].includes('do = "edit"'), String(strong));
    assert.ok((await page.locator("#scenario .line.marked").count()) > 0);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy: reproduce" }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await page.locator(".commands code").first().innerText());
  });
});

test("what is known of the cause is shown, with the curve below the diagram", async () => {
  const data = dataOf(deepSync());
  data.cause = {
    sentence: "w1 is lost because the tablet wrote back the older page.",
    curve: data.cone.map((event) => ({ at_ms: data.events.at[event], failing: data.events.at[event] < 20_000 ? 3 : 62, of: 64 })),
    jumps: [{ at_ms: 20_598, text: "the page of supabase arrives last" }],
    no_return: { at_ms: 21_390, text: "commits no. 5" },
    matters: ["the delay of the key: it happens in 3 of 8 runs"], needed: ["slow-link of tablet"], not_needed: ["the edit of laptop"],
  };
  const file = join(folder, "cause.html");
  const page = readFileSync(deepSync(), "utf8").replace(/(id="data">).*?(<\/script>)/s, (_, open, close) => open + JSON.stringify(data).replaceAll("<", "\\u003c") + close);
  writeFileSync(file, page);
  await open(file, {}, async (page) => {
    assert.equal(await textOf(page, "#sentence"), data.cause.sentence);
    assert.ok((await page.locator("#curve canvas").boundingBox()).height > 100);
    assert.match(await page.locator("#curve [role=img]").getAttribute("aria-label"), /jump at 20\.598s: the page of supabase/);
    const inked = await page.locator("#curve canvas").evaluate((canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0));
    assert.ok(inked, "the curve is drawn");
    assert.match(await textOf(page, ".aside"), /Needed .*slow-link of tablet Matters .*in 3 of 8 runs Not needed .*the edit of laptop/);
  });
});

test("no rule of accessibility is seriously broken, in light and dark, and printing leaves the story", async () => {
  for (const colorScheme of ["light", "dark"]) {
    await open(deepSync(), { colorScheme, hash: "#event=143" }, async (page) => {
      await page.click("#table summary");
      // A browser tells that an element was opened only after it has answered the click.
      await page.locator("#table tbody tr").first().waitFor();
      assert.equal(await page.locator("#table tbody tr").count(), dataOf(deepSync()).cone.length);
      await page.click("#licences summary");
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
      assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`), [], colorScheme);
      await page.emulateMedia({ media: "print" });
      assert.ok(await page.locator("#lineage").isVisible());
      assert.ok(await page.locator(".toolbar").isHidden());
    });
  }
});

test("texts of a scenario are no markup", async () => {
  const file = join(folder, "hostile.toml");
  const title = `</script><img src=x onerror=alert(1)> & "quotes"`;
  const scenario = readFileSync(join(ROOT, "scenarios/incidents/deep-sync-001.toml"), "utf8");
  writeFileSync(file, scenario.replace(/^title .*$/m, () => `title = '${title}'`));
  await open(pageOf(file, "--seed", "0", "--flaw", "DEEP-SYNC-001"), {}, async (page) => {
    assert.equal(await textOf(page, ".title"), title);
    assert.equal(await page.locator("img").count(), 0);
  });
});

test("from a sweep to its capsule to the write that is lost", async () => {
  const capsules = join(folder, "capsules");
  seawall("sweep", "deep-sync-003", "--seed", "0", "--flaw", "DEEP-SYNC-003", "--no-shrink", "--out", capsules);
  const capsule = readdirSync(capsules).find((name) => name.startsWith("lost-"));
  seawall("report", join(capsules, capsule));
  const why = words(seawall("explain", join(capsules, capsule), "--quick"));
  await open(join(capsules, capsule.replace(".toml", ".html")), {}, async (page) => {
    assert.match(await textOf(page, "#lineage .loss"), /tablet .* lost here$/);
    assert.ok(why.includes(await textOf(page, "#sentence")), why);
    assert.ok(await page.locator("#curve figcaption").isVisible());
    assert.match(await textOf(page, ".aside"), /Needed .*DEEP-SYNC-003/);
    assert.match(await textOf(page, ".about"), /exact as recorded/);
    assert.match(await textOf(page, ".commands"), /seawall shrink /);
  });
});

test("a shrunk plan stands beside what it was shrunk from", async () => {
  const capsules = join(folder, "whole");
  seawall("sweep", "deep-sync-003", "--seed", "0", "--flaw", "DEEP-SYNC-003", "--no-shrink", "--out", capsules);
  const whole = join(capsules, readdirSync(capsules).find((name) => name.startsWith("lost-")));
  const [, small] = seawall("shrink", whole).match(/seawall replay (\S+)/);
  await open(pageOf(whole), {}, async (page) => assert.equal(await page.locator("#shrunk").count(), 0));
  await open(pageOf(small), {}, async (page) => {
    const rows = await page.locator("#shrunk tbody tr").allInnerTexts();
    const [before, after] = rows[0].match(/\d+/g).map(Number);
    assert.match(rows[0], /^steps/);
    assert.ok(after < before, rows[0]);
    assert.match(await textOf(page, "#shrunk"), /The digest of that run is [0-9a-f]{32}\./);
  });
});

test("a page of 100,000 events can be used within two seconds", async () => {
  const file = join(folder, "large.toml");
  const scenario = readFileSync(join(ROOT, "scenarios/scale/hundred-vaults.toml"), "utf8");
  writeFileSync(file, scenario.replace("count = 400, users = 100", "count = 480, users = 120"));
  await open(pageOf(file, "--seed", "2", "--flaw", "DEEP-SYNC-003"), {}, async (page) => {
    const ready = Number(await page.evaluate(() => document.documentElement.dataset.ready));
    const all = Number((await textOf(page, "#found")).split(" ").at(-1).replaceAll(",", ""));
    assert.ok(all >= 100_000, `${all} events`);
    const timed = async (act, until) => {
      const start = Date.now();
      await act();
      await until();
      return Date.now() - start;
    };
    const everything = await timed(() => page.click("[data-level=all]"), () => page.waitForSelector(".stage canvas"));
    const search = await timed(() => page.fill("#filter-text", "is saved"), () => page.waitForFunction((all) => !document.querySelector("#found").textContent.startsWith(all), all.toLocaleString("en")));
    console.log(`# ${all} events: ready after ${ready} ms, everything drawn in ${everything} ms, searched in ${search} ms`);
    assert.ok(ready < 2000, `${ready} ms`);
    assert.ok(everything < 2000 && search < 1000, `${everything} ms, ${search} ms`);
  });
});
