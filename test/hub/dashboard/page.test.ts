/** The first page: servers, scripts, events and lines as they come. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { type Agent, type TestHub, crash, entry, heartbeat, startHub } from "#test/hub/kit/hub.ts";
import { until } from "#test/kit/wait.ts";

import { type Browser, chromium, openBrowser, signIn } from "./browser.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const hostile = `</td><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;

describe("the page as it is served", () => {
  test("loads nothing from elsewhere, and its policy allows nothing else", async () => {
    await using hub = await startHub();
    const answer = await hub.nobody.get("/");
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'");
    const links = [...(await answer.text()).matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1] ?? "");
    expect(links.length).toBeGreaterThan(1);
    for (const link of links) {
      // a page below a folder needs them from the root
      expect(link).toMatch(/^(?:\/|data:image)/);
      if (link.startsWith("/")) expect((await hub.nobody.get(link)).status).toBe(200);
    }
  });

  test("is small: less than 150 kB with everything, compressed", async () => {
    await using hub = await startHub();
    const html = await (await hub.nobody.get("/")).text();
    const links = [...html.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map((match) => match[1] ?? "");
    const sizes = await Promise.all(
      links.map(async (link) => Bun.gzipSync(await (await hub.nobody.get(link)).bytes()).byteLength),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
  });
});

describe.skipIf(chromium === undefined)("the page in a browser (needs Chromium)", () => {
  let hub: TestHub;
  let agent: Agent;
  let browser: Browser;

  beforeAll(async () => {
    hub = await startHub();
    browser = await openBrowser();
    await signIn(browser, hub.url, (await hub.owner()).email);
  });
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await hub?.[Symbol.asyncDispose]();
  });

  test("an empty hub tells the one next step, and gives the commands for it", async () => {
    await browser.see(".welcome h2", "Add your first server");
    await browser.press("Create the command");
    await browser.see(".welcome pre", `orion setup --server --api-url ${hub.url} --token oet_`);
  });

  test("figures, scripts, events and lines appear by themselves, crashed scripts first", async () => {
    agent = await hub.agent("web-1");
    const [script] = heartbeat().scripts;
    if (script === undefined) throw new Error("the sample has no script");
    const running = {
      ...script,
      name: "a-runs",
      state: "running" as const,
      pid: 1,
      uptime: 60,
      lastExit: null,
      nextRestartAt: null,
    };
    await agent.beat({ scripts: [running, { ...script, name: "b-crashed" }] });
    await browser.see(".fleet .value", "12.5 %");
    expect(await browser.texts(".scripts .name")).toEqual(["b-crashed", "a-runs"]);
    await agent.event(crash({ script: "mailer" }));
    await browser.see(".events .title", "mailer crashed");
    await agent.logs([entry(1, { level: "error", message: "first line" })]);
    await browser.see(".line.error .message", "first line");
  });

  test("text of others is shown as text", async () => {
    const evil = await hub.agent(hostile.replaceAll(" ", "\u00a0"));
    await evil.beat({ hostname: hostile });
    await evil.event(crash({ script: hostile, tail: [hostile] }));
    await evil.logs([
      entry(1, { message: `\u001b[31m${hostile}\u001b[0m`, source: hostile.replaceAll(" ", "_").slice(0, 128) }),
    ]);
    await browser.see(".line .message", hostile);
    await browser.see(".events .title", `${hostile} crashed`);
    await browser.go(`${hub.url}/servers/${evil.id}`);
    await browser.see("h1", "</td>");
    expect(await browser.run("window.hacked ?? null")).toBeNull();
    expect(await browser.run("document.querySelectorAll('main img, main script').length")).toBe(0);
    await browser.go(hub.url);
  });

  test("nothing is wider than a phone", async () => {
    await browser.see(".line .message", hostile);
    await browser.view.resize(390, 844);
    await until(async () => (await browser.run("innerWidth")) === 390, "the new size");
    expect(await browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")).toBe(
      true,
    );
    await browser.view.resize(1280, 800);
  });

  test("lines that come later appear, and the way to all of them is there", async () => {
    await agent.logs([entry(2, { message: "needle one" })]);
    await browser.see(".line .message", "needle one");
    await browser.press("Search and follow all");
    await browser.see("h1", "Logs");
    await browser.go(hub.url);
  });

  test("a server that is deleted leaves the page by itself", async () => {
    const gone = await hub.agent("short-lived");
    await gone.beat();
    await browser.see(".fleet .name", "short-lived");
    expect((await hub.send("DELETE", `/api/servers/${gone.id}`)).status).toBe(204);
    await browser.gone(".fleet .name", "short-lived");
  });

  test("the browser complained about nothing", () => {
    expect(browser.complaints).toEqual([]);
  });
});
