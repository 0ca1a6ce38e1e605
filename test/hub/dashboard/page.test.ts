import { existsSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { type Agent, type TestHub, crash, entry, heartbeat, startHub } from "#test/hub/kit/hub.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path),
);
const hostile = `</td><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;

describe("the page as it is served", () => {
  test("loads nothing from elsewhere, and its policy allows nothing else", async () => {
    await using hub = await startHub();
    const html = await (await hub.get("/")).text();
    expect(html).toContain("default-src 'none'; script-src 'self'");
    const links = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1] ?? "");
    expect(links.length).toBeGreaterThan(1);
    for (const link of links) {
      expect(link).toMatch(/^(?:\/|\.\/|data:image)/);
      if (link.startsWith("/")) expect((await hub.get(link)).status).toBe(200);
    }
  });
});

describe.skipIf(chromium === undefined)("the page in a browser (needs Chromium)", () => {
  let hub: TestHub;
  let agent: Agent;
  let view: Bun.WebView;
  const said: unknown[] = [];
  const text = async (selector: string) =>
    await view.evaluate<string[]>(
      `[...document.querySelectorAll(${JSON.stringify(selector)})].map((e) => e.textContent)`,
    );

  beforeAll(async () => {
    hub = await startHub();
    view = new Bun.WebView({
      width: 1280,
      height: 800,
      backend: {
        type: "chrome",
        path: chromium ?? "",
        argv: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"],
      },
      console: (...parts: unknown[]) => void said.push(parts),
    });
    await view.navigate(hub.url);
  });
  afterAll(async () => {
    view?.close();
    await hub?.[Symbol.asyncDispose]();
  });

  test("an empty hub tells the one next step, and gives the command for it", async () => {
    await until(async () => (await text(".welcome h2"))[0] === "Add your first server", "the welcome");
    await view.click(".welcome input");
    await view.type("web-1");
    await view.click(".welcome button");
    const command = await until(async () => (await text(".welcome pre"))[0], "the command");
    expect(command).toContain(`ORION_ENDPOINT=${hub.url}`);
    expect(command).toMatch(/ORION_AGENT_TOKEN=oat_[\w-]{43} /);
    expect(await text(".servers .name")).toEqual(["web-1"]);
  });

  test("figures, scripts, events and lines appear by themselves, crashed scripts first", async () => {
    agent = hub.agent("web-1");
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
    await until(async () => (await text(".servers .value"))[0] === "12.5 %", "the CPU figure");
    expect(await text(".scripts .name")).toEqual(["b-crashed", "a-runs"]);
    await agent.event(crash({ script: "mailer" }));
    await until(async () => (await text(".events .title")).includes("mailer crashed"), "the crash");
    await agent.logs([entry(1, { level: "error", message: "first line" })]);
    await until(async () => (await text(".line.error .message")).includes("first line"), "the line");
  });

  test("text of others is shown as text", async () => {
    const evil = hub.agent(hostile.replaceAll(" ", "\u00a0"));
    await evil.beat({ hostname: hostile });
    await evil.event(crash({ script: hostile, tail: [hostile] }));
    await evil.logs([
      entry(1, { message: `\u001b[31m${hostile}\u001b[0m`, source: hostile.replaceAll(" ", "_").slice(0, 128) }),
    ]);
    await until(async () => (await text(".line .message")).includes(hostile), "the hostile line");
    await until(async () => (await text(".events .title")).includes(`${hostile} crashed`), "the hostile event");
    expect(await view.evaluate("window.hacked ?? null")).toBeNull();
    expect(await view.evaluate("document.querySelectorAll('main img, main script').length")).toBe(0);
  });

  test("nothing is wider than a phone", async () => {
    await view.resize(390, 844);
    await until(async () => (await view.evaluate("innerWidth")) === 390, "the new size");
    expect(await view.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
  });

  test("a filter shows what matches, and what comes later", async () => {
    await view.resize(1280, 800);
    await agent.logs([entry(2, { message: "needle one" }), entry(3, { message: "hay" })]);
    await view.click("input[type=search]");
    await view.type("needle");
    await until(async () => (await text(".line .message")).join() === "needle one", "only the needle");
    await agent.logs([entry(4, { message: "hay again" }), entry(5, { message: "needle two" })]);
    await until(async () => (await text(".line .message")).join() === "needle one,needle two", "the second needle");
  });

  test("the browser complained about nothing", () => {
    expect(said).toEqual([]);
  });
});
