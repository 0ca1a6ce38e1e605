/** The log page: followed, searched, scrolled through and opened in a browser. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { LogEntry } from "#src/protocol/log.ts";
import { type Agent, type TestHub, crash, entry, startHub } from "#test/hub/kit/hub.ts";
import { until } from "#test/kit/wait.ts";

import { type Browser, chromium, openBrowser, signIn } from "./browser.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const hostile = `</span><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;

describe.skipIf(chromium === undefined)("the log page in a browser (needs Chromium)", () => {
  let hub: TestHub;
  let agent: Agent;
  let browser: Browser;
  let seq = 0;
  const begin = Date.now() - 60_000;

  /** Lines of the last minute, ten milliseconds apart. */
  const write = (messages: readonly string[], rest: Partial<LogEntry> = {}) =>
    agent.logs(
      messages.map((message) => entry(++seq, { at: new Date(begin + seq * 10).toISOString(), message, ...rest })),
    );
  const messages = () => browser.texts(".lines.all .slot .line .message");
  const key = (name: string) =>
    browser.run(
      `document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: ${JSON.stringify(name)}, bubbles: true }))`,
    );
  const scroll = (script: string) =>
    browser.run(`((box) => { ${script}; return 1; })(document.querySelector(".lines"))`);
  const open = async (address: string, first: string) => {
    await browser.go(`${hub.url}${address}`);
    await browser.see(".lines .message", first);
  };

  beforeAll(async () => {
    hub = await startHub();
    agent = await hub.agent("web-1");
    await agent.beat();
    browser = await openBrowser();
    await signIn(browser, hub.url, (await hub.owner()).email);
  });
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await hub?.[Symbol.asyncDispose]();
  });

  test("without lines says so, and shows them as they come", async () => {
    await browser.go(`${hub.url}/logs`);
    await browser.see(".edge", "No lines in the last hour.");
    await write(["first line"]);
    await browser.see(".lines .message", "first line");
    await browser.see(".histogram .said", "1 line");
    // Before, the room below a few lines looked as if there were more, and gave way with each line that came
    expect(
      await browser.run<number>(
        `[...document.querySelectorAll(".beyond")].reduce((sum, one) => sum + one.clientHeight, 0)`,
      ),
    ).toBe(0);
  });

  test("stands still for who scrolls up, counts what is new, and follows again", async () => {
    await write(Array.from({ length: 900 }, (_, i) => `filler ${i}`));
    await browser.see(".lines .message", "filler 899");
    await scroll("box.scrollTop -= 500");
    await until(() => browser.offers("Follow"), "a way to follow again");
    await write(["new one", "new two"]);
    await browser.see(".over", "2 new lines");
    expect((await messages()).includes("new two")).toBe(false);
    await browser.press("↓ 2 new lines");
    await browser.see(".lines .message", "new two");
    await write(["new three"]);
    await browser.see(".lines .message", "new three");
  });

  test("draws only what is in sight, and leads back to the first line", async () => {
    expect((await messages()).length).toBeLessThan(120);
    await until(async () => {
      await scroll("box.scrollTop = 0");
      return (await messages())[0] === "first line";
    }, "the first line");
    await browser.see(".edge", "No earlier lines in the last hour.");
    expect((await messages()).length).toBeLessThan(120);
    await key("End");
    await browser.see(".lines .message", "new three");
  });

  test("searches as one types, marks what is found, and keeps it in the address", async () => {
    await browser.fill("Search messages", "filler -89");
    await browser.see(".lines mark", "filler");
    await until(async () => !(await messages()).some((text) => text.includes("89")), "lines without 89");
    expect(await browser.place()).toBe("/logs?q=filler+-89");
    await write(["hay", "filler late"]);
    await browser.see(".lines .message", "filler late");
    expect((await messages()).includes("hay")).toBe(false);
  });

  test("says what can't be read, and where, and searches nothing meanwhile", async () => {
    await browser.fill("Search messages", 'a "b');
    await browser.see(".search .wrong", "column 3: the quote is not closed");
    expect(await browser.texts(".search .wrong u")).toEqual(['"b']);
    expect(await browser.place()).toBe("/logs?q=filler+-89");
    await browser.fill("Search messages", "late");
    await browser.gone(".search", "column");
    await until(async () => (await messages()).join() === "filler late", "the one line");
  });

  test("goes back to what was before by the browser's own button", async () => {
    await open("/logs", "filler late");
    await write(["bad one"], { level: "error" });
    await browser.choose("Least level", "error");
    await until(async () => (await messages()).join() === "bad one", "errors only");
    await browser.run("history.back()");
    await browser.see(".lines .message", "filler late");
    expect(await browser.run<string>(`document.querySelector("[aria-label='Least level']").value`)).toBe("");
  });

  test("shows a mix of sources", async () => {
    await write(["from a"], { source: "a" });
    await write(["from b"], { source: "b" });
    await open("/logs?source=a&source=b", "from b");
    await until(async () => (await messages()).join() === "from a,from b", "lines of both");
    await browser.press("Sources: a + 1");
    await browser.see(".pick label", "api");
    await browser.run(`document.querySelector(".pick label:has(input:checked) input").click()`);
    await until(async () => (await messages()).length === 1, "one source");
  });

  test("opens a line to its fields, which filter", async () => {
    await write(['{"msg":"paid","amount":12,"user":{"name":"Ada"}}', '{"msg":"paid","amount":99}'], {
      fields: { request: "r-1" },
    });
    await open("/logs?q=paid", "paid amount=99");
    await key("k");
    await key("k");
    await key("Enter");
    await browser.see(".details dt", "user.name");
    expect(await browser.texts(".details dt")).toContain("request");
    await browser.press("Only lines with amount 12");
    await until(async () => (await messages()).length === 1, "the one with the amount");
    expect(new URLSearchParams((await browser.place()).split("?")[1]).get("q")).toBe('paid "\\"amount\\":12"');
    await browser.fill("Search messages", "");
    await browser.fill("Search messages", "request:r-1");
    await until(async () => (await messages()).length === 2, "both by the field");
  });

  test("shows what was around a line, in place and among all lines", async () => {
    await open("/logs?q=%22filler+500%22", "filler 500");
    await browser.run(`document.querySelector(".lines .fold").click()`);
    await browser.press("Context");
    await browser.see(".context .message", "filler 499");
    await browser.see(".context .message", "filler 501");
    // lines are measured and moved while they come, so that a pointer may miss what has just been there
    await browser.run(
      `[...document.querySelectorAll(".context button, .details button, .context a, .details a")].find((one) => one.textContent.includes("Show among all lines")).click()`,
    );
    await browser.see(".lines .selected .message", "filler 500");
    await until(async () => (await messages()).includes("filler 502"), "lines after it");
    expect(await browser.place()).toMatch(/^\/logs\?source=api&server=.*&at=\d+\.\d+$/);
    // the same from the address alone
    await browser.go(`${hub.url}${await browser.place()}`);
    await browser.see(".lines .selected .message", "filler 500");
    await key("Escape");
    await until(async () => (await browser.texts(".details")).length === 0, "nothing open");
  });

  test("puts what happened between the lines", async () => {
    await write(["before it"], { source: "mailer" });
    const at = new Date(begin + seq * 10 + 5).toISOString();
    await write(["after it"], { source: "mailer" });
    await agent.event(crash({ script: "mailer", at }));
    const time = { from: at, to: at };
    await agent.event({ type: "logs.dropped", at, total: 7, sources: [{ source: "mailer", count: 7, ...time }] });
    await open("/logs?source=mailer", "after it");
    await browser.see(".between.bad", "mailer crashed · web-1");
    await browser.see(".between.warn", "7 lines were lost before they reached the hub");
    expect((await browser.texts(".slot"))[0]).toContain("before it");
    expect((await browser.texts(".slot")).at(-1)).toContain("after it");
  });

  test("zooms into a stretch of the picture", async () => {
    await open("/logs?range=15m", "from b");
    await browser.see(".histogram .said", "lines");
    await browser.run(`((box) => {
      const { left, width, top } = box.getBoundingClientRect();
      const at = (type, share) => box.dispatchEvent(new PointerEvent(type, { clientX: left + width * share, clientY: top + 5, pointerId: 1, button: 0, bubbles: true }));
      box.setPointerCapture = () => undefined;
      at("pointerdown", 0.5);
      return new Promise((done) => setTimeout(() => { at("pointermove", 0.75); setTimeout(() => { at("pointerup", 0.75); done(1); }, 50); }, 50));
    })(document.querySelector(".columns-over-time"))`);
    await until(async () => (await browser.place()).includes("from="), "the stretch in the address");
    const query = new URLSearchParams((await browser.place()).split("?")[1]);
    const long = Date.parse(query.get("to") ?? "") - Date.parse(query.get("from") ?? "");
    expect(Math.round(long / 10_000)).toBe(Math.round((15 * 60) / 4 / 10));
    await browser.press("Follow");
    await browser.see(".lines .message", "from b");
  });

  test("shows text of others as text, and all of it", async () => {
    const evil = `\u001b[31m${hostile}\u001b[0m \u202egnp.exe \u0000\ufffd`;
    await write([evil, `long ${"x".repeat(1_000_000)} end`], { source: "evil" });
    await open("/logs?source=evil", hostile);
    await browser.see(".lines .message .ansi-red", hostile);
    await browser.see(".lines .message", "‹202E›gnp.exe ␀�");
    await browser.see(".lines .cut", "998,009 more");
    await browser.run(`[...document.querySelectorAll(".lines .fold")].at(-1).click()`);
    await browser.press("Show all 1,000,009 characters");
    await until(async () => ((await browser.texts(".whole"))[0] ?? "").endsWith("x end"), "the whole line");
    expect(await browser.run("window.hacked ?? null")).toBeNull();
    expect(await browser.run("document.querySelectorAll('main img, main script').length")).toBe(0);
  });

  test("on a phone is no wider than it, and has its filters in a sheet", async () => {
    await browser.view.resize(390, 844);
    await open("/logs", "from b");
    await until(
      () => browser.run<boolean>("document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
      "a page as wide as the screen",
    );
    await browser.press("Filters");
    await browser.choose("Least level", "error");
    await browser.press("Close");
    await until(async () => (await messages()).join() === "bad one", "errors only");
    await browser.view.resize(1280, 800);
  });

  test("is readable for everybody", async () => {
    await open("/logs?q=paid", "paid amount=99");
    await browser.run(`document.querySelector(".lines .fold").click()`);
    await browser.see(".details dt", "request");
    const axe = await Bun.file(new URL("../../../node_modules/axe-core/axe.min.js", import.meta.url)).text();
    await browser.run(`(() => { ${axe}; return 1; })()`);
    const found = await browser.run<string>(
      `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] }).then(({ violations }) => JSON.stringify(violations.map(({ id, nodes }) => [id, nodes[0].html])))`,
    );
    expect(JSON.parse(found)).toEqual([]);
  });

  test("the browser complained about nothing", () => {
    expect(browser.complaints).toEqual([]);
  });
});
