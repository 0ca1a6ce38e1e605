/** Error groups in a browser: found out of plain lines, looked at, decided about. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { ErrorGroup, ErrorsPage } from "#src/protocol/error-group.ts";
import { type Agent, type TestHub, crash, startHub } from "#test/hub/kit/hub.ts";
import { until } from "#test/kit/wait.ts";

import { type Browser, chromium, openBrowser, signIn } from "./browser.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const hostile = `<img src=x onerror="window.hacked=1">`;
let seq = 0;

/** Lines of a traceback, and one after it, so that it ends at once. */
function traceback(type: string, value: string, callee: string): string[] {
  return [
    "GET /cart",
    "Traceback (most recent call last):",
    '  File "/srv/shop/lib/site-packages/flask/app.py", line 880, in dispatch',
    "    return view()",
    `  File "/srv/shop/shop/cart.py", line 42, in ${callee}`,
    "    user = find(name)",
    `${type}: ${value}`,
    "GET /next",
  ];
}

async function print(agent: Agent, lines: readonly string[], source = "api"): Promise<void> {
  const at = Date.now();
  const entries = lines.map((message, i) => ({
    seq: ++seq,
    at: new Date(at + i).toISOString(),
    source,
    stream: "stderr" as const,
    level: "info" as const,
    message,
  }));
  expect((await agent.logs(entries)).status).toBe(202);
}

async function groupOf(hub: TestHub, text: string): Promise<ErrorGroup> {
  return await until(async () => {
    const { groups } = await hub.json<ErrorsPage>(`/api/errors?q=${encodeURIComponent(text)}`);
    return groups[0];
  }, `a group of ${text}`);
}

const scrollsSideways = "document.documentElement.scrollWidth > document.documentElement.clientWidth";

describe.skipIf(chromium === undefined)("errors in a browser (needs Chromium)", () => {
  let hub: TestHub;
  let agent: Agent;
  let browser: Browser;

  beforeAll(async () => {
    hub = await startHub();
    agent = await hub.agent("web-1");
    browser = await openBrowser();
    await signIn(browser, hub.url, (await hub.owner()).email);
  });
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await hub?.[Symbol.asyncDispose]();
  });

  const rows = () => browser.texts(".errors tbody .name");

  test("without any, the list says how one comes to be", async () => {
    await browser.go(`${hub.url}/errors`);
    await browser.see(".welcome h2", "No errors to look at");
    await browser.see(".welcome pre", "orion log error");
  });

  test("a traceback that is printed appears by itself, and its figures follow", async () => {
    await print(agent, traceback("KeyError", "'ann'", "find_user"));
    await browser.see(".errors .name", "KeyError 'ann'");
    await browser.see(".errors .culprit", "find_user");
    expect(await browser.texts(".errors td.number")).toEqual(["1"]);
    await print(agent, traceback("KeyError", "'bob'", "find_user"));
    await browser.see(".errors td.number", "2");
  });

  test("the newest stands first, and what the address says narrows the list", async () => {
    await print(agent, traceback("ValueError", hostile, "add_item"), "worker");
    await until(async () => (await rows())[0]?.startsWith("ValueError") === true, "the newest on top");
    await browser.go(`${hub.url}/errors?source=worker`);
    await browser.see(".errors .name", "ValueError");
    expect(await rows()).toHaveLength(1);
    await browser.press("Clear");
    await until(async () => (await rows()).length === 2, "both");
    await browser.fill("Find errors", "keyerr");
    await until(async () => (await rows()).join() === "KeyError 'ann'", "what was looked for");
    expect(await browser.place()).toBe("/errors?q=keyerr");
  });

  test("one group shows its traceback, libraries folded, what surrounded it, and why it is one", async () => {
    await browser.press("KeyError 'ann'");
    await browser.see("h1", "KeyError");
    expect(await browser.texts(".frames .own .function")).toEqual(["find_user"]);
    expect(await browser.texts(".frames .library .function")).toEqual([]);
    await browser.press("1 library frame");
    await browser.see(".frames .library .function", "dispatch");
    await browser.see(".frames .own pre", "user = find(name)");
    await browser.see(".surrounding .own", "Traceback (most recent call last):");
    await browser.see(".surrounding li", "GET /cart");
    await browser.see(".why .decided", "shop/cart.py find_user");
    await browser.see(".why .ignored", "line and column numbers");
    await browser.see(".shares", "web-1");
    const [link] = await browser.run<string[]>(
      `[...document.querySelectorAll("a")].filter((one) => one.textContent === "Open in the log").map((one) => one.pathname + one.search)`,
    );
    expect(link).toMatch(new RegExp(`^/logs\\?server=${agent.id}&source=api&at=\\d+\\.\\d+$`));
  });

  test("its samples are paged through, and the address names the one that is shown", async () => {
    await browser.see(".traceback", "'bob'");
    await browser.press("Older");
    await browser.see(".traceback", "'ann'");
    expect(await browser.place()).toMatch(/\?sample=\d+$/);
    const address = await browser.place();
    await browser.go(`${hub.url}${address}`);
    await browser.see(".traceback", "'ann'");
    await browser.view.press("k");
    await browser.see(".traceback", "'bob'");
  });

  test("a crash after it is joined to it", async () => {
    const { fingerprint } = await groupOf(hub, "KeyError");
    const lines = traceback("KeyError", "'eve'", "find_user").slice(0, -1);
    await print(agent, [...lines, "end"]);
    await until(async () => (await groupOf(hub, "KeyError")).count === 3, "the event before the crash");
    await agent.event(crash({ at: new Date().toISOString(), script: "api", tail: lines }));
    await browser.go(`${hub.url}/errors/${fingerprint}`);
    await browser.see(".crashes", "exited 1, once");
    await browser.go(`${hub.url}/events?type=scripts`);
    await browser.see(".events .title", "api crashed");
    await until(async () => {
      await browser.go(`${hub.url}/events?type=scripts`);
      return await browser.offers("Error");
    }, "the way from the crash to its error");
    await browser.press("Error");
    await browser.see("h1", "KeyError");
  });

  test("resolved, it says by whom; when it comes back it is a regression", async () => {
    await browser.press("Resolve");
    await browser.see(".notice", "Resolved by");
    await browser.see(".activity", "resolved");
    await print(agent, traceback("KeyError", "'dan'", "find_user"));
    await browser.see(".notice", "a regression");
    await browser.see(".pill", "Regressed");
  });

  test("ignored until a number more have come, and opened again", async () => {
    await browser.press("Ignore …");
    await browser.choose("How long", "10n");
    await browser.press("Ignore");
    await browser.see(".notice", "until 10 more have come");
    await browser.press("Reopen");
    await browser.gone(".notice", "until 10 more");
    await browser.see(".pill", "Unresolved");
  });

  test("what is decided is not offered again while the page is read, and a double click decides once", async () => {
    // Before, the buttons of the old state could be pressed until the page had been read again
    await browser.run(`void (() => {
      const held = new Promise((letGo) => (window.letGo = letGo));
      const { fetch } = window;
      window.fetch = async (path, options) => {
        if (options?.method === "GET" && path.startsWith("/api/errors/v1")) await held;
        return await fetch(path, options);
      };
    })()`);
    await browser.press("Resolve");
    await browser.see(".title button", "Reopen");
    expect(await browser.offers("Resolve in …")).toBe(false);
    await browser.see(".notice", "Resolved by");
    // the second half of a double click on "Resolve", in whose place it may stand
    await browser.run(
      `document.querySelector(".title button").dispatchEvent(new MouseEvent("click", { detail: 2, bubbles: true }))`,
    );
    await browser.run("letGo()");
    await browser.see(".activity", "resolved");
    expect((await groupOf(hub, "KeyError")).state).toBe("resolved");
    await browser.press("Reopen");
    await browser.see(".pill", "Unresolved");
  });

  test("resolved in a release, it says in which", async () => {
    await browser.press("Resolve in …");
    await browser.fill("Release", "1.4.2");
    await browser.press("Resolve");
    await browser.see(".notice", "Resolved in 1.4.2 by");
    await browser.see(".activity", "resolved in 1.4.2");
    await browser.press("Reopen");
    await browser.see(".pill", "Unresolved");
  });

  test("by keyboard: down the list, chosen, resolved, and undone", async () => {
    await browser.go(`${hub.url}/errors`);
    await until(async () => (await rows()).length === 2, "both");
    await browser.view.press("j");
    await browser.view.press("x");
    await browser.see(".list-tools", "1 chosen");
    await browser.view.press("e");
    await browser.see(".list-tools", "1 error resolved");
    await until(async () => (await rows()).length === 1, "the other one");
    await browser.press("Undo");
    await until(async () => (await rows()).length === 2, "both again");
  });

  test("two groups become one, whose fingerprints both lead to it", async () => {
    const gone = await groupOf(hub, "ValueError");
    await browser.press("All");
    await until(async () => (await rows()).length === 2, "both");
    await browser.run(`document.querySelector('[aria-label="Choose all that are shown"]').click()`);
    await browser.press("Merge …");
    await browser.press("Merge");
    await browser.see(".list-tools", "2 groups are one");
    await until(async () => (await rows()).length === 1, "one");
    await browser.go(`${hub.url}/errors/${gone.fingerprint}`);
    await browser.see("h1", "KeyError");
    await until(async () => !(await browser.place()).includes(gone.fingerprint.slice(3)), "the address of the whole");
  });

  test("a sample is split off into a group of its own", async () => {
    await until(async () => {
      await browser.press("Older");
      return (await browser.texts(".traceback")).some((text) => text.includes("ValueError"));
    }, "the other kind").catch(async () => {
      throw new Error(`no sample of the other kind: ${(await browser.texts(".traceback")).join()}`);
    });
    await browser.press("Split off …");
    await browser.press("Split");
    await browser.see("h1", "ValueError");
    expect((await groupOf(hub, "ValueError")).count).toBe(1);
  });

  test("text of others is shown as text, and nothing is wider than a phone", async () => {
    await browser.see(".traceback", hostile);
    await browser.view.resize(390, 844);
    await until(async () => (await browser.run("innerWidth")) === 390, "the new size");
    expect(await browser.run(scrollsSideways)).toBe(false);
    await browser.go(`${hub.url}/errors?state=all`);
    await browser.see(".errors .name", hostile);
    expect(await browser.run(scrollsSideways)).toBe(false);
    await browser.view.resize(1280, 800);
    expect(await browser.run("window.hacked ?? null")).toBeNull();
    expect(await browser.run("document.querySelectorAll('main img').length")).toBe(0);
  });

  test("the first page counts new errors of each server, and follows", async () => {
    await agent.beat({ scripts: [] });
    await browser.go(hub.url);
    await browser.see(".fleet", "2 new errors");
    const { fingerprint } = await groupOf(hub, "ValueError");
    const decided = await hub.send("PATCH", `/api/errors/${fingerprint}`, { action: "resolve" });
    expect(decided.status).toBe(200);
    await browser.see(".fleet", "1 new error");
    await print(agent, traceback("OSError", "disk", "save"));
    await browser.see(".fleet", "2 new errors");
  });

  test("an error is counted at every server that has it, though they are more servers than a group names", async () => {
    const others = await Promise.all(Array.from({ length: 24 }, (_, i) => hub.agent(`many-${i}`)));
    await Promise.all(
      others.map(async (one) => {
        await one.beat({ scripts: [] });
        await print(one, traceback("TimeoutError", "upstream", "fetch_all"));
      }),
    );
    // web-1 has others
    await browser.see(".sum", "25 servers with new errors");
  });

  test("a viewer is offered nothing that only others may do", async () => {
    await browser.forget();
    await signIn(browser, hub.url, (await hub.viewer()).email);
    await browser.go(`${hub.url}/errors`);
    await browser.see(".errors .name", "KeyError");
    expect(await browser.texts(".errors input, .list-tools input")).toEqual([]);
    await browser.press("KeyError 'ann'");
    await browser.see(".traceback", "KeyError");
    for (const name of ["Resolve", "Ignore …", "Merge …", "Split off …"])
      expect(await browser.offers(name)).toBe(false);
  });

  test("what is no error says so", async () => {
    await browser.go(`${hub.url}/errors/v1:aaaaaaaaaaaaaaaaaaaa`);
    await browser.see("h1", "There is no such error");
  });

  test("the browser complained about nothing but what is not there", () => {
    expect(browser.complaints.filter((text) => !text.includes("404"))).toEqual([]);
  });
});
