/** The page of one server, as people use it. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { Heartbeat, ScriptStatus } from "#src/protocol/heartbeat.ts";
import { type Agent, type TestHub, crash, heartbeat, startHub } from "#test/hub/kit/hub.ts";
import { sshdMissing, startSshd } from "#test/hub/ssh/sshd.ts";
import { until } from "#test/kit/wait.ts";

import { type Browser, chromium, openBrowser, signIn } from "./browser.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const gb = 1024 ** 3;

function script(name: string, more: Partial<ScriptStatus> = {}): ScriptStatus {
  const fresh = { state: "running", pid: 4711, uptime: 7300, restarts: 0, cpu: 3, memory: 100 * 1024 ** 2 } as const;
  return { name, ...fresh, lastExit: null, nextRestartAt: null, ...more };
}

/** As it is now, with that much memory in use. */
function beat(usedGb: number, more: Partial<Heartbeat> = {}): Partial<Heartbeat> {
  const { system } = heartbeat();
  const memory = { total: 16 * gb, used: usedGb * gb, available: 4 * gb, usage: (usedGb / 16) * 100 };
  return { at: new Date().toISOString(), system: { ...system, memory }, scripts: [], ...more };
}

describe.skipIf(chromium === undefined)("the page of a server in a browser (needs Chromium)", () => {
  let hub: TestHub;
  let browser: Browser;
  let agent: Agent;
  const open = async (query = "") => {
    await browser.go(`${hub.url}/servers/${agent.id}${query}`);
    await browser.see(".chart h3", "CPU");
  };
  const texts = async (selector: string) =>
    (await browser.texts(selector)).map((text) => text.replace(/\s+/g, " ").trim());

  beforeAll(async () => {
    hub = await startHub();
    browser = await openBrowser({ height: 1000 });
    await signIn(browser, hub.url, (await hub.owner()).email);
    agent = await hub.agent("web-1");
  });
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await hub?.[Symbol.asyncDispose]();
  });

  test("before anything has come from it, it says the next step", async () => {
    await browser.go(`${hub.url}/servers/${agent.id}`);
    await browser.see(".welcome h2", "Waiting for its agent");
    expect(await browser.offers("New token")).toBe(true);
  });

  test("figures and charts appear with the first report, and newer ones by themselves", async () => {
    await agent.beat(beat(6));
    await browser.see(".tiles .note", "6.0 of 16.0 GB");
    await browser.see(".chart .legend b", "6.0 GB");
    expect((await texts(".chart h3")).slice(0, 6)).toEqual([
      "CPU",
      "Memory",
      "Network",
      "Disk",
      "Load",
      "Log lines buffered",
    ]);
    await agent.beat(beat(7));
    await browser.see(".tiles .note", "7.0 of 16.0 GB");
  });

  test("a chart is a table to who can't see it", async () => {
    await open();
    await browser.see(".chart:nth-child(2) caption", "Memory, from");
    await until(async () => (await texts(".chart:nth-child(2) td"))[0] !== undefined, "the figures");
    expect((await texts(".chart:nth-child(2) tbody th")).join()).toBe("used");
    expect((await texts(".chart:nth-child(2) td"))[0]).toMatch(/^[67]\.\d GB$/);
  });

  test("dragging over a chart shows that time, in the address; a double click goes back", async () => {
    await open("?range=6h");
    // the lines are there: from then on it is the chart that stays
    const before = await browser.see(".chart caption").then((text) => text.replace(/\s+/g, " ").trim());
    const box = await until(
      () =>
        browser.run<{ x: number; y: number; width: number } | null>(
          `document.querySelector(".plot .u-over")?.getBoundingClientRect().toJSON() ?? null`,
        ),
      "a chart",
    );
    const y = box.y + 40;
    const mouse = (type: string, x: number, more = {}) =>
      browser.view.cdp("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1, ...more });
    const at = (share: number) => box.x + box.width * share;
    await mouse("mouseMoved", at(0.5), { button: "none" });
    await browser.see(".moment", "UTC");
    await mouse("mousePressed", at(0.25));
    await mouse("mouseMoved", at(0.4), { buttons: 1 });
    await mouse("mouseMoved", at(0.5), { buttons: 1 });
    await mouse("mouseReleased", at(0.5));
    await until(async () => (await browser.place()).includes("from="), "the stretch in the address");
    const query = new URL(await browser.place(), hub.url).searchParams;
    const hours = (Date.parse(query.get("to") ?? "") - Date.parse(query.get("from") ?? "")) / 3_600_000;
    expect(hours).toBeGreaterThan(1.3);
    expect(hours).toBeLessThan(1.7);
    // a chart that is made anew for new lines between two clicks knows of no double click
    await until(async () => (await texts(".chart caption"))[0] !== before, "the figures of that time");
    for (const clickCount of [1, 2]) {
      await mouse("mousePressed", at(0.3), { clickCount });
      await mouse("mouseReleased", at(0.3), { clickCount });
    }
    await until(async () => (await browser.place()).endsWith("?range=6h"), "the stretch before");
  });

  test("buttons and keys do the same", async () => {
    await open();
    await browser.press("24h");
    await until(async () => (await browser.place()).endsWith("?range=24h"), "the day");
    await browser.press("Earlier");
    await until(async () => (await browser.place()).includes("from="), "the half day before");
    await browser.press("Back to now");
    await until(async () => !(await browser.place()).includes("?"), "the last hour");
    await browser.run(`dispatchEvent(new KeyboardEvent("keydown", { key: "-" }))`);
    await until(async () => (await browser.place()).includes("from="), "the two hours");
    await browser.run("history.back()");
    await until(async () => !(await browser.place()).includes("?"), "the last hour again");
  });

  test("what happened is marked, joined where it lies together, and leads to it", async () => {
    const at = (secondsAgo: number) => new Date(Date.now() - secondsAgo * 1000).toISOString();
    const first = at(1801);
    for (const when of [first, at(1800)]) await agent.event(crash({ script: "mailer", at: when }));
    await agent.event({ type: "agent.started", at: at(600), version: "1.2.3", reason: "boot" });
    await open();
    await browser.see(".marks a", "2");
    const marks = await browser.run<[string, string][]>(
      `[...document.querySelectorAll(".marks a")].map((one) => [one.ariaLabel, one.className])`,
    );
    expect(marks).toMatchObject([
      [expect.stringMatching(/^2 events: mailer crashed, .*; mailer crashed, /), "bad"],
      [expect.stringMatching(/^agent started, /), "quiet"],
    ]);
    await browser.run(`document.querySelector(".marks a").click()`);
    await until(async () => (await browser.place()).startsWith("/events?"), "the events");
    expect(new URL(await browser.place(), hub.url).searchParams.get("from")).toBe(first);
  });

  test("scripts say how they are, each with its lines and errors, and alone in the charts when wanted", async () => {
    const scripts = [
      script("api", { lastExit: { code: null, signal: "SIGKILL", observed: true, oom: true, at: beat(1).at ?? "" } }),
      script("mailer", {
        state: "crashed",
        pid: null,
        uptime: null,
        restarts: 3,
        cpu: null,
        memory: null,
        nextRestartAt: new Date(Date.now() + 3_600_000).toISOString(),
      }),
    ];
    await agent.beat(beat(7, { scripts }));
    await open();
    await browser.see(".things .name", "mailer");
    expect(await texts("section[aria-label=Scripts] .things tbody tr")).toEqual([
      expect.stringMatching(/^crashedmailer––restarts in (59 min|1 h 0 min)3––LogsErrors$/),
      expect.stringMatching(/^runningapi3\.0 %100 MB2 h 1 min0killed for its memory limit, .*4711LogsErrors$/),
    ]);
    const links = await browser.run<string[]>(
      `[...document.querySelectorAll("section[aria-label=Scripts] .things tr:last-child .places a")].map((one) => one.pathname + one.search)`,
    );
    expect(links).toEqual([`/logs?server=${agent.id}&source=api`, `/errors?server=${agent.id}&source=api`]);
    await browser.press("api");
    await until(async () => (await browser.place()).endsWith("?only=api"), "the choice in the address");
    await browser.see(".picks button[aria-pressed=true]", "api");
  });

  test("lost lines, an engine that can't be asked and what is left are said", async () => {
    await agent.beat(
      beat(7, {
        delivery: { buffered: 5, dropped: 1234 },
        docker: { available: false, error: "the engine is gone" },
      }),
    );
    await open();
    await browser.see(".notice.warn", "1,234 log lines of this server were lost");
    await browser.see(".facts dd", "5 buffered, 1,234 lost");
    await browser.see(".capacity .gauges", "peak 7.0 of 16.0 GB");
  });

  test.skipIf(sshdMissing() !== undefined)(
    "SSH: details, the host's key compared and approved, a job with its log, and forgotten again",
    async () => {
      await using sshd = await startSshd();
      const { publicKey } = await hub.json<{ publicKey: string }>("/api/ssh/public-key");
      sshd.authorize(publicKey);
      await open();
      await browser.see(".capacity .gauges", "Memory");
      await browser.press("Add SSH details");
      await browser.see("dialog pre", publicKey);
      await browser.fill("Host", "127.0.0.1");
      await browser.fill("Port", String(sshd.port));
      await browser.fill("User", sshd.user);
      await browser.press("Save and check");
      await browser.see("dialog code", sshd.hostKey);
      await browser.press("It is the same: approve");
      await browser.see("dialog .notice", "Signed in");
      await browser.press("Deploy the agent");
      await browser.choose("Method", "docker");
      await browser.fill("Address of the hub, as the host reaches it", hub.url);
      await browser.press("Deploy");
      // a hub that runs from its source has no program to send, and a plain user no engine: it must say so
      await browser.see("dialog .pill", "failed");
      expect((await texts("dialog .step .name")).slice(0, 2)).toEqual(["connect", "look at the host"]);
      expect((await texts("dialog .notice p")).length).toBeGreaterThan(0);
      expect(await browser.place()).toContain("?job=");
      await browser.run("history.back()");
      await browser.gone("dialog h2", "Deploy the agent");
      await browser.see(".jobs .pill", "failed");
      await browser.see(".facts code", `${sshd.user}@127.0.0.1:${sshd.port}`);
      await browser.press("Forget");
      await browser.press("Forget");
      await browser.see(".next", "With SSH details");
    },
  );

  test("a job that there isn't is said in its place", async () => {
    await open("?job=nonsense");
    await browser.see("dialog .notice", "There is no such job");
    await browser.press("Close");
    await until(async () => !(await browser.place()).includes("job"), "the address without it");
  });

  test("a viewer sees all of it and is offered nothing to change", async () => {
    const viewer = await hub.viewer();
    await using other = await openBrowser({ beside: true });
    const local = hub.url.replace("127.0.0.1", "localhost");
    await signIn(other, local, viewer.email);
    await other.go(`${local}/servers/${agent.id}`);
    await other.see(".chart h3", "Memory");
    await other.see(".capacity", "CPU");
    for (const name of ["New token", "Revoke token", "Delete server", "Add SSH details", "Deploy agent"]) {
      expect([name, await other.offers(name)]).toEqual([name, false]);
    }
    expect(other.complaints).toEqual([]);
  });

  test("nothing is wider than a phone, and nothing moves while it comes", async () => {
    await open();
    await browser.see(".capacity .gauges", "Memory");
    const shift = await browser.run<number>(`new Promise((resolve) => {
      let sum = 0;
      new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => (sum += value))).observe({ type: "layout-shift", buffered: true });
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
    })`);
    expect(shift).toBeLessThan(0.05);
    await browser.view.resize(390, 844);
    await until(async () => (await browser.run("innerWidth")) === 390, "the new size");
    await until(
      () => browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
      "a page as wide as the phone",
    );
    await browser.view.resize(1280, 1000);
  });

  test("a server that is deleted is no longer there", async () => {
    await open();
    expect((await hub.send("DELETE", `/api/servers/${agent.id}`)).status).toBe(204);
    await browser.see("h1", "There is no such server");
  });

  test("the browser complained about nothing", () => {
    expect(browser.complaints).toEqual([]);
  });
});
