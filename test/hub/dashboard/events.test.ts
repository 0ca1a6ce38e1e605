/** The page of events, and the settings that say what is kept, in a browser. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { Project } from "#src/protocol/project.ts";
import { type Agent, type TestHub, crash, startHub } from "#test/hub/kit/hub.ts";
import { until } from "#test/kit/wait.ts";

import { type Browser, chromium, openBrowser, signIn } from "./browser.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const hostile = `<img src=x onerror="window.hacked=1">`;
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

describe.skipIf(chromium === undefined)("events in a browser (needs Chromium)", () => {
  let hub: TestHub;
  let web: Agent;
  let db: Agent;
  let browser: Browser;

  beforeAll(async () => {
    hub = await startHub();
    web = await hub.agent("web-1");
    db = await hub.agent("db-1");
    await Promise.all([web.beat({ hostname: "web-1" }), db.beat({ hostname: "db-1" })]);
    browser = await openBrowser();
    await signIn(browser, hub.url, (await hub.owner()).email);
  });
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await hub?.[Symbol.asyncDispose]();
  });

  const titles = () => browser.texts(".events .title");

  test("before anything has happened the page says what will stand there", async () => {
    await browser.go(`${hub.url}/events?type=scripts`);
    await browser.see(".nothing", "Nothing matches");
    await browser.press("Show all");
    expect(await browser.place()).toBe("/events");
  });

  test("what happens appears by itself, newest first, by day", async () => {
    await web.event(crash({ at: ago(3), script: "api", tail: ["first", `\u001b[31m${hostile}\u001b[0m`] }));
    await browser.see(".events .title", "api crashed");
    await db.event({ type: "logs.dropped", at: ago(2), total: 1200, sources: [] });
    await browser.see(".events .title", "1,200 lines dropped");
    await db.event({ type: "agent.stopped", at: ago(1), reason: "shutdown" });
    await browser.see(".events .title", "Agent stopped");
    expect(await titles()).toEqual(["Agent stopped", "1,200 lines dropped", "api crashed"]);
    expect((await browser.texts(".day h2"))[0]).toMatch(/^(?:Today|Yesterday)$/);
  });

  test("a crash unfolds to its last lines, which are text", async () => {
    expect(await browser.texts(".events pre")).toEqual([]);
    await browser.run(`document.querySelector(".events summary").click()`);
    await browser.see(".events pre", hostile);
    expect(await browser.run("window.hacked ?? null")).toBeNull();
  });

  test("is narrowed by what happened, where, and when, and the address says so", async () => {
    await browser.choose("What happened", "alerts");
    await until(async () => (await titles()).length === 2, "alerts only");
    await browser.fill("Server", "db-1");
    await until(async () => (await titles()).join() === "1,200 lines dropped", "those of db-1");
    expect(await browser.place()).toBe(`/events?type=alerts&server=${db.id}`);
    await db.event(crash({ at: ago(0), script: "cron" }));
    await browser.see(".events .title", "cron crashed");
    await web.event(crash({ at: ago(0), script: "other" }));
    await browser.run("history.back()");
    await browser.see(".events .title", "other crashed");
    await browser.go(`${hub.url}/events?source=api&from=${ago(10)}&to=${ago(0)}`);
    await until(async () => (await titles()).join() === "api crashed", "those of api");
  });

  test("leads to the server and to the lines", async () => {
    const links = await browser.run<string[]>(
      `[...document.querySelectorAll(".events .links a")].map((one) => one.textContent + " " + one.pathname + one.search)`,
    );
    expect(links).toEqual([
      `web-1 /servers/${web.id}`,
      expect.stringMatching(new RegExp(`^Log /logs\\?server=${web.id}&source=api&at=`)),
    ]);
  });

  test("nothing is wider than a phone", async () => {
    await browser.go(`${hub.url}/events`);
    await browser.see(".events .title", "api crashed");
    await browser.view.resize(390, 844);
    await until(async () => (await browser.run("innerWidth")) === 390, "the new size");
    expect(await browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")).toBe(
      true,
    );
    await browser.view.resize(1280, 800);
  });

  test("a project's retention is shown and changed, and goes back to the hub's", async () => {
    const { projects } = await hub.json<{ projects: Project[] }>("/api/projects");
    const id = projects[0]?.id ?? "";
    await browser.go(`${hub.url}/projects/${id}`);
    await browser.see(".facts", "as the hub has it");
    await browser.press("Change retention");
    await browser.fill("Days", "30");
    await browser.fill("Size of the logs, in GB", "1.5");
    await browser.press("Save");
    await browser.see(".facts", "30 days");
    await browser.see(".facts", "1.5 GB");
    expect((await hub.json<Project>(`/api/projects/${id}`)).retention).toEqual({ days: 30, bytes: 1.5 * 1024 ** 3 });
    await browser.press("Change retention");
    await browser.run(`document.querySelectorAll("dialog input").forEach((field) => { field.value = ""; })`);
    await browser.press("Save");
    await until(
      async () => (await hub.json<Project>(`/api/projects/${id}`)).retention.days === null,
      "the hub's retention",
    );
  });

  test("the organization shows the hub's public key, and what is taken out of lines", async () => {
    await browser.go(`${hub.url}/organization`);
    await browser.see("section[aria-label='SSH key'] pre", "ssh-ed25519 ");
    await browser.see("section[aria-label=Redaction] dd", "password");
  });

  test("a viewer sees retention and redaction, and changes neither", async () => {
    await browser.forget();
    await signIn(browser, hub.url, (await hub.viewer()).email);
    await browser.go(`${hub.url}/organization`);
    await browser.see("section[aria-label=Redaction] dd", "password");
    expect(await browser.texts("section[aria-label='SSH key']")).toEqual([]);
    await browser.press("Projects");
    await browser.press("default");
    await browser.see(".facts", "as the hub has it");
    expect(await browser.offers("Change retention")).toBe(false);
  });

  test("the browser complained about nothing", () => {
    expect(browser.complaints).toEqual([]);
  });
});
