// The HTML report in a real Chromium: it opens without an error, the cursor moves, filters filter, keys work, and it says
// what `run --json` says.
//
// `npm test` in this folder, after `npm ci`. BACKFIRE is the binary (target/release/backfire), CHROMIUM the browser.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BACKFIRE = path.resolve(ROOT, process.env.BACKFIRE ?? "target/release/backfire");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** Nothing that a browser does on its own account. */
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

let folder;
let browser;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "backfire-report-"));
  browser = await chromium.launchPersistentContext(path.join(folder, "profile"), {
    executablePath: CHROMIUM,
    headless: true,
    args: QUIET,
    viewport: { width: 1440, height: 900 },
  });
});

after(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Plays a scenario, given as a file of the repository or as an object, and gives its page and its summary. */
async function play(scenario, seed = 0) {
  let file = scenario;
  if (typeof scenario === "object") {
    file = path.join(folder, "scenario.json");
    await writeFile(file, JSON.stringify({ why: "It is played by a test of the report.", ...scenario }));
  }
  const page = path.join(folder, "page.html");
  const stdout = await new Promise((resolve, reject) => {
    const options = { cwd: ROOT, maxBuffer: 1 << 28 };
    execFile(BACKFIRE, ["run", file, "--seed", String(seed), "--json", "--report", page], options, (error, stdout, stderr) =>
      // The exit code tells how the run ended; without a summary it is no run.
      stdout === "" ? reject(new Error(`${error?.message}\n${stderr}`)) : resolve(stdout),
    );
  });
  return { page, summary: JSON.parse(stdout) };
}

/** Opens a page; what the browser complains of, or tries to load, is collected. */
async function open(file, use) {
  const tab = await browser.newPage();
  const complaints = [];
  tab.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  tab.on("pageerror", (error) => complaints.push(error.stack));
  tab.on("dialog", (dialog) => complaints.push(`dialog: ${dialog.message()}`) && dialog.dismiss());
  tab.on("request", (request) => request.url() === pathToFileURL(file).href || complaints.push(`loads ${request.url()}`));
  await tab.goto(pathToFileURL(file).href);
  try {
    await use(tab);
    assert.deepEqual(complaints, []);
  } finally {
    await tab.close();
  }
}

/** The numbers of the table of servers, in the form of `run --json`. */
const standings = (tab) =>
  tab.$$eval("#standing tbody tr", (lines) =>
    Object.fromEntries(
      lines.map((line) => {
        const number = (name) => Number(line.querySelector(`[data-count=${name}]`).textContent);
        return [line.dataset.server, {
          events: Number(line.dataset.events),
          accepted: number("accepted"),
          rejected: number("rejected"),
          soft_failed: number("soft_failed"),
          missing: number("missing"),
          forward: number("forward"),
        }];
      }),
    ),
  );

const requests = (tab) =>
  tab.$$eval("#traffic tbody tr", (lines) => Object.fromEntries(lines.map((line) => [line.dataset.endpoint, Number(line.dataset.requests)])));

const moment = (tab) => tab.textContent("#moment");
const place = async (tab) => Number((await moment(tab)).match(/row (\d+) of/)[1]);
const rows = async (tab) => Number((await moment(tab)).match(/of (\d+)/)[1]);
const filter = (name, value) => `[data-filter=${name}] input[value=${value}]`;

/** Moves the cursor on until something is so. */
async function goDown(tab, isThere) {
  for (let left = await rows(tab); left > 0; left -= 1) {
    if (await isThere()) return;
    await tab.keyboard.press("ArrowDown");
  }
  assert.fail("no row is as it should be");
}

function expected({ servers }) {
  const numbers = ({ events, accepted, rejected, soft_failed, missing, forward_extremities: tips }) =>
    ({ events, accepted, rejected, soft_failed, missing, forward: tips.length });
  return Object.fromEntries(Object.entries(servers).map(([name, server]) => [name, numbers(server)]));
}

// Gaps, forks, crashes, bans, joins, an imported room, a server that lies, soft failures, many extremities.
const KNOWN = [
  "scenarios/partition-heal.json",
  "scenarios/long-partition.json",
  "scenarios/three-way-split.json",
  "scenarios/restart-in-recovery.json",
  "scenarios/membership.json",
  "scenarios/imported-room.json",
  "scenarios/liar-fills-a-gap.json",
  "scenarios/every-disturbance.json",
  "scenarios/peers/ob-9-unsigned-event-in-backfill.json",
  "scenarios/peers/sf-4-extremities-over-soft-failed-forks.json",
  "scenarios/peers/fx-3-many-extremities.json",
  "scenarios/peers/og-9-state-at-the-break.json",
];

for (const scenario of KNOWN) {
  test(`${scenario}: the page says what --json says`, async () => {
    const { page, summary } = await play(scenario);
    await open(page, async (tab) => {
      assert.equal((await tab.textContent("#badge")).toLowerCase().replace(" ", "_"), summary.verdict);
      assert.equal(await tab.textContent("#replay"), summary.replay);
      assert.deepEqual(await requests(tab), summary.requests);
      assert.deepEqual(await standings(tab), expected(summary));
      // At the last row the servers speak for themselves; one row before it is what the page replayed.
      await tab.keyboard.press("ArrowUp");
      assert.deepEqual(await standings(tab), expected(summary));
    });
  });
}

test("the cursor moves by keyboard, mouse and slider, and plays", async () => {
  const { page } = await play("scenarios/partition-heal.json");
  await open(page, async (tab) => {
    const all = await rows(tab);
    assert.equal(await place(tab), all);
    await tab.keyboard.press("Home");
    assert.equal(await place(tab), 1);
    for (const key of ["ArrowDown", "j", "j", "k"]) await tab.keyboard.press(key);
    assert.equal(await place(tab), 3);
    await tab.keyboard.press("PageDown");
    assert.equal(await place(tab), 23);
    await tab.click("#forth");
    assert.equal(await place(tab), 24);
    await tab.locator("#slider").fill("9");
    assert.equal(await place(tab), 10);
    await tab.locator("#sequence .scroller").click({ position: { x: 300, y: 30 } });
    assert.notEqual(await place(tab), 10);

    await tab.keyboard.press("Home");
    await tab.keyboard.press("n");
    assert.match(await tab.textContent("#details h2"), /partition/);
    assert.equal(await tab.getAttribute("#sequence .scroller", "aria-activedescendant"), await tab.getAttribute("#sequence [aria-selected=true]", "id"));

    await tab.keyboard.press("Space");
    await tab.waitForFunction(() => /row [1-9]\d /.test(document.getElementById("moment").textContent));
    await tab.keyboard.press("Space");
    const paused = await moment(tab);
    await tab.waitForTimeout(600);
    assert.equal(await moment(tab), paused);
  });
});

test("the graph follows the cursor: holes open and close", async () => {
  const { page } = await play("scenarios/partition-heal.json");
  await open(page, async (tab) => {
    await tab.keyboard.press("Home");
    const seen = { missing: 0, waiting: 0, differs: 0 };
    for (let left = await rows(tab); left > 1; left -= 1) {
      await tab.keyboard.press("ArrowDown");
      seen.missing += await tab.locator(".graph [data-standing=missing]").count();
      seen.waiting += await tab.locator(".graph [data-standing=waiting]").count();
      seen.differs += await tab.locator(".graph .differs").count();
    }
    assert.ok(seen.missing > 0 && seen.waiting > 0 && seen.differs > 0, JSON.stringify(seen));
    assert.equal(await tab.locator(".graph .differs").count(), 0);
    assert.match(await tab.textContent("#agreement"), /All have the same history. And the same state./);
  });
});

test("filters filter", async () => {
  const { page, summary } = await play("scenarios/membership.json");
  await open(page, async (tab) => {
    const all = await rows(tab);
    const said = () => tab.$$eval("#sequence .said", (texts) => texts.map((text) => text.textContent));
    await tab.click(filter("endpoints", "send"));
    assert.ok((await rows(tab)) < all);
    assert.ok((await said()).every((text) => !/ (→|←) . send\b|'s send\b/.test(text)));
    await tab.click(filter("endpoints", "send"));
    assert.equal(await rows(tab), all);

    await tab.click(filter("servers", "d"));
    assert.deepEqual(await tab.$$eval("#standing tbody tr", (lines) => lines.map((line) => line.dataset.server)), ["a", "b", "c"]);
    assert.deepEqual(await tab.$$eval("#sequence .columns b", (names) => names.map((name) => name.textContent)), ["a", "b", "c"]);
    await tab.click(filter("servers", "d"));

    await tab.click(filter("more", "showSetUp"));
    assert.ok((await rows(tab)) > all);
    await tab.keyboard.press("Home");
    assert.match(await moment(tab), /^−/);
    // Nothing that is filtered changes the numbers.
    assert.deepEqual(await requests(tab), summary.requests);
    assert.equal(await tab.locator("[data-filter=room]").count(), 0, "there is one room");
  });
});

test("rooms can be told apart where there are several", async () => {
  const { page } = await play("scenarios/peers/ib-2-backfill-knows-its-room.json");
  await open(page, async (tab) => {
    const all = await rows(tab);
    const room = await tab.$eval("[data-filter=room] select", (select) => select.options[2].value);
    await tab.selectOption("[data-filter=room] select", room);
    assert.ok((await rows(tab)) < all);
  });
});

test("a row tells of its request, its answer and their events", async () => {
  const { page } = await play("scenarios/partition-heal.json");
  await open(page, async (tab) => {
    for (const endpoint of ["send", "key"]) await tab.click(filter("endpoints", endpoint));
    await tab.keyboard.press("Home");
    await goDown(tab, async () => /get_missing_events/.test(await tab.textContent("#details h2")));
    const details = await tab.textContent("#details");
    for (const part of ["POST /_matrix/federation/v1/get_missing_events/", "gap at $", "answer", "limit", "earliest"]) assert.ok(details.includes(part), part);

    await tab.locator("#sequence [aria-selected=true] .said").hover();
    assert.match(await tab.textContent("#tip"), /names \$.*answer 200 after 40 ms.*: \$/);

    await tab.locator("#details button.event").first().click();
    const picked = await tab.textContent("#selected");
    assert.match(picked, /^\$.{43}$/);
    assert.equal(await tab.locator(".graph .selected").getAttribute("data-event"), picked);
    await tab.keyboard.press("Escape");
    assert.equal(await tab.locator("#selected").count(), 0);
  });
});

test("a row leads to what it follows from", async () => {
  const { page } = await play("scenarios/partition-heal.json");
  await open(page, async (tab) => {
    await tab.keyboard.press("Home");
    await goDown(tab, async () => (await tab.locator("#details .cause").count()) > 0);
    const text = await tab.textContent("#details .cause");
    await tab.click("#details .cause");
    assert.match(await tab.textContent("#details"), text.startsWith("step") ? /message/ : new RegExp(`number ${text.split(" ")[1]}`));
  });
});

test("lies are shown where they are told", async () => {
  const { page } = await play("scenarios/liar-fills-a-gap.json");
  await open(page, async (tab) => {
    await tab.keyboard.press("Home");
    await goDown(tab, async () => /lies: /.test(await tab.textContent("#sequence [aria-selected=true] .said")));
    assert.match(await tab.textContent("#details"), /missing-event|wrong-hash|forged-sender|shuffled|other-event/);
    assert.ok((await tab.locator("#sequence .shade.lie").count()) > 0);
    assert.ok((await tab.locator("#sequence .arrow.lie").count()) > 0);
  });
});

test("faults are shown for as long as they hold, and where", async () => {
  const { page } = await play("scenarios/faults-overlap.json");
  await open(page, async (tab) => {
    const active = async () => ((await tab.locator("#details .active").count()) > 0 ? tab.textContent("#details .active") : "");
    const goTo = (words) => goDown(tab, async () => (await tab.textContent("#details h2")).includes(words));
    await tab.keyboard.press("Home");
    await goTo("cut a → b");
    assert.match(await active(), /partition a \| b \| c .*latency a → b .*cut a → b/);
    // The end of one fault of a link leaves the others, and what heals two servers leaves the third cut off from both.
    await goTo("+5.000s a: message");
    assert.equal((await active()).trim(), "partition a | b | c");
    await goTo("+8.000s heal");
    assert.match(await active(), /partition/);
    await goTo("+9.000s heal");
    assert.equal(await active(), "");
    const shades = await tab.$$eval("#sequence .shade.break", (shades) => shades.map((shade) => [Number(shade.getAttribute("x")), Number(shade.getAttribute("height"))]));
    assert.ok(shades.length >= 3, JSON.stringify(shades));
    const [[, a], ...others] = shades.sort(([one], [other]) => one - other);
    for (const [, height] of others) assert.ok(height > a, `a is healed first: ${JSON.stringify(shades)}`);
  });
});

test("long runs of events are folded and unfold", async () => {
  const { page } = await play("scenarios/long-partition.json");
  await open(page, async (tab) => {
    const folds = tab.locator(".graph [data-fold]");
    assert.ok((await folds.count()) > 0);
    const before = await tab.locator(".graph [data-event]").count();
    assert.ok(before < 40, `${before} events are drawn one by one`);
    await folds.last().click();
    assert.ok((await tab.locator(".graph [data-event]").count()) > before);
  });
});

test("a violated run says what, where and which event, and leads there", async () => {
  const { page, summary } = await play({
    servers: { a: {}, b: {} },
    room: { created_by: "a" },
    timeline: [
      { at: "0ms", message: { by: "a" }, as: "m1" },
      { at: "1s", ask: { from: "b", to: "a", endpoint: "event", events: ["m1"], expect: { status: 404 } } },
      { at: "2s", ask: { from: "b", to: "a", endpoint: "backfill", events: ["m1"], limit: 5, expect: { lacks: ["m1"] } } },
    ],
  });
  assert.equal(summary.verdict, "violated");
  await open(page, async (tab) => {
    assert.equal(await tab.textContent("#badge"), "Violated");
    assert.match(await tab.textContent("#sentence"), /^Invariant expectations does not hold on b\.$/);
    const items = await tab.$$eval("#violations li", (items) => items.map((item) => item.textContent));
    assert.equal(items.length, summary.violations.length);
    for (const [nth, { message }] of summary.violations.entries()) assert.ok(items[nth].includes(message.split(/[$"]/)[0]), items[nth]);
    await tab.locator("#violations .show").first().click();
    assert.match(await tab.textContent("#details h2"), /b ← a event/);
    assert.ok(await tab.locator("#sequence [aria-selected=true] .said").isVisible());
  });
});

test("a planted bug is shown with the command that explains it and the states that differ", async () => {
  const { page, summary } = await play("scenarios/zoo/frontier-trusts-new-snapshot.json");
  await open(page, async (tab) => {
    const { event_id: id, server } = summary.violations[0];
    const command = `${summary.replay} --journal run.ndjson; backfire explain run.ndjson '${id}' ${server}`;
    assert.equal(await tab.textContent("#why"), command);
    assert.ok(await tab.locator("#agreement li").first().isVisible(), "what differs is in sight");
    assert.match(await tab.textContent("#agreement li"), /m\.room\.name a: .* b: nothing/);
    assert.equal(await tab.locator(".graph .suspect").count(), 1);
  });
});

test("texts end where their pane does", async () => {
  const { page } = await play("scenarios/liar-fills-a-gap.json");
  await open(page, async (tab) => {
    await tab.setViewportSize({ width: 1000, height: 800 });
    await tab.waitForTimeout(100);
    await tab.keyboard.press("Home");
    await tab.keyboard.press("n");
    const ends = await tab.$$eval("#sequence .said", (texts) => texts.map((text) => text.getBoundingClientRect().right));
    const edge = await tab.$eval("#sequence .sheet", (sheet) => sheet.getBoundingClientRect().right);
    assert.ok(ends.length > 10 && ends.every((end) => end <= edge), `${Math.max(...ends)} > ${edge}`);
    assert.ok((await tab.$$eval("#sequence .said", (texts) => texts.filter((text) => text.textContent.endsWith("…")).length)) > 0);
  });
});

test("a run that did not recover says so", async () => {
  const { page, summary } = await play({
    servers: { a: {}, b: {} },
    room: { created_by: "a" },
    timeline: [
      { at: "0ms", partition: { groups: [["a"], ["b"]], for: "3s" } },
      { at: "1s", message: { by: "a", count: 30, every: "10ms" } },
      { at: "4s", message: { by: "a" } },
    ],
    expect: { within: "1ms" },
  });
  assert.equal(summary.verdict, "not_recovered");
  await open(page, async (tab) => {
    assert.equal(await tab.textContent("#badge"), "Not recovered");
    assert.match(await tab.textContent("#violations"), /recovered-in-time/);
  });
});

test("a journal that was cut short opens at every place", async () => {
  const { page } = await play("scenarios/crash-during-partition.json");
  const whole = await readFile(page, "utf8");
  const [, json] = whole.match(/id="journal">(.*?)<\/script>/s);
  const data = JSON.parse(json);
  for (const part of [0, 0.02, 0.3, 0.6, 0.9, 0.999]) {
    const records = data.records.slice(0, 1 + Math.floor((data.records.length - 1) * part));
    const faults = data.faults.filter(({ first }) => first < records.length);
    const cut = path.join(folder, "cut.html");
    await writeFile(cut, whole.replace(json, () => JSON.stringify({ ...data, records, faults }).replaceAll("<", "\\u003c")));
    await open(cut, async (tab) => {
      assert.equal(await tab.textContent("#badge"), "Cut short", `${part}`);
      await tab.keyboard.press("Home");
      await tab.keyboard.press("End");
    });
  }
});

test("no text of an event becomes markup", async () => {
  const evil = "</script><img src=x onerror=alert(1)><svg onload=alert(2)>\u202e{{script}}";
  const { page } = await play({
    why: evil,
    servers: { a: {}, b: {} },
    room: { created_by: "a" },
    timeline: [
      { at: "0ms", topic: { by: "a", text: evil }, note: evil },
      { at: "1s", craft: { by: "b", type: evil, content: { body: evil, constructor: evil, [evil]: evil } }, as: "evil" },
      { at: "2s", push: { from: "b", to: "a", events: ["evil"] } },
    ],
  });
  await open(page, async (tab) => {
    assert.equal(await tab.textContent(".why"), evil);
    await tab.keyboard.press("Home");
    for (let left = await rows(tab); left > 1; left -= 1) await tab.keyboard.press("ArrowDown");
    await tab.locator(".graph [data-event]").last().click();
    await tab.locator("#sequence .scroller").hover({ position: { x: 300, y: 50 } });
    assert.equal(await tab.locator("img").count(), 0);
    assert.equal(await tab.locator("script").count(), 2);
  });
});

test("five hundred events stay quick to open and to walk through", async () => {
  const { page } = await play({
    servers: { a: {}, b: {}, c: {} },
    room: { created_by: "a" },
    timeline: [
      { at: "0ms", message: { by: "a", count: 170, every: "100ms" } },
      { at: "1ms", message: { by: "b", count: 170, every: "101ms" } },
      { at: "2s", partition: { groups: [["a"], ["b"], ["c"]], for: "10s" } },
      { at: "2001ms", message: { by: "c", count: 170, every: "90ms" } },
    ],
  });
  await open(page, async (tab) => {
    const started = performance.now();
    await tab.keyboard.press("Home");
    for (let step = 0; step < 40; step += 1) await tab.keyboard.press("PageDown");
    const each = (performance.now() - started) / 41;
    assert.ok(each < 400, `a step takes ${each.toFixed(0)} ms`);
    await tab.keyboard.press("End");
    assert.ok((await tab.locator("#sequence .row").count()) < 200, "rows out of sight are not drawn");
    const folds = await tab.$$eval(".graph [data-fold]", (folds) => folds.map((fold) => Number(fold.dataset.fold)));
    assert.ok(Math.max(...folds) > 50, `folded: ${folds}`);
    assert.equal(await tab.$eval("#room .scroller", (pane) => pane.scrollHeight <= 60 * 20), true, "the graph is no longer than two screens");
  });
});

for (const scheme of ["light", "dark"]) {
  test(`text is readable in ${scheme}`, async () => {
    const { page } = await play("scenarios/partition-heal.json");
    await open(page, async (tab) => {
      await tab.emulateMedia({ colorScheme: scheme });
      const faint = await tab.$eval(".faint", contrast);
      const plain = await tab.$eval("#sentence", contrast);
      assert.ok(faint >= 4.5 && plain >= 10, `contrast ${faint.toFixed(1)} and ${plain.toFixed(1)}`);
    });
  });
}

/** The contrast of an element's text with the page, as WCAG defines it. */
function contrast(element) {
  const luminance = (color) => {
    const [red, green, blue] = color.match(/[\d.]+/g).map((part) => {
      const value = Number(part) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [one, other] = [getComputedStyle(element).color, getComputedStyle(document.body).backgroundColor].map(luminance);
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}

test("a narrow window needs no scrolling sideways", async () => {
  const { page } = await play("scenarios/membership.json");
  await open(page, async (tab) => {
    await tab.setViewportSize({ width: 420, height: 800 });
    await tab.waitForTimeout(100);
    assert.equal(await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
    assert.ok((await tab.locator("#sequence .said").count()) > 0);
  });
});
