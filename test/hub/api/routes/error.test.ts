import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { AuditPage } from "#src/protocol/audit.ts";
import type { EventsPage, StoredEntry } from "#src/protocol/api.ts";
import {
  type ErrorDetail,
  type ErrorGroup,
  type ErrorsPage,
  type SamplesPage,
  errorDetail,
  errorsPage,
  groupNews,
  samplesPage,
} from "#src/protocol/error-group.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { type Agent, type TestHub, crash, createAgent, readEvents, startHub } from "#test/hub/kit/hub.ts";
import type { Client } from "#test/hub/kit/people.ts";
import { failureOf } from "#test/kit/failure.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

let hub: TestHub;
let agent: Agent;
let seq = 0;

beforeAll(async () => {
  hub = await startHub();
  agent = await hub.agent("web-1");
});
afterAll(async () => await hub[Symbol.asyncDispose]());

const traceback = (name: string, line: number): string[] => [
  "Traceback (most recent call last):",
  `  File "/srv/app/shop/cart.py", line ${line}, in checkout`,
  "    total(cart)",
  `  File "/srv/app/shop/cart.py", line ${line + 30}, in ${name}`,
  "    raise ValueError(amount)",
  `ValueError: bad amount ${line}`,
];

function entriesOf(messages: readonly string[], rest: Partial<LogEntry> = {}): LogEntry[] {
  const at = new Date().toISOString();
  return messages.map((message) => ({
    seq: ++seq,
    at,
    source: "api",
    stream: "stderr",
    level: "error",
    message,
    ...rest,
  }));
}

/** Prints lines, and waits until there is a group whose innermost function is `name`. */
async function print(name: string, messages: readonly string[], count = 1, by = agent): Promise<ErrorGroup> {
  expect((await by.logs(entriesOf(messages))).status).toBe(202);
  return await groupOf(name, count);
}

async function groupOf(name: string, count = 1, client: Client = hub): Promise<ErrorGroup> {
  return await until(async () => {
    const { groups } = await client.json<ErrorsPage>(`/api/errors?q=${name}`);
    return groups.find((group) => group.count >= count);
  }, `${count} errors of ${name}`);
}

describe("the errors of a hub", () => {
  test("are listed soon after the traceback, and shown with why, where from, and its lines", async () => {
    const group = await print("total", [...traceback("total", 10), ...traceback("total", 99)], 2);
    expect(errorsPage.parse(await hub.json<ErrorsPage>("/api/errors")).groups[0]).toEqual(group);
    expect(group).toMatchObject({
      kind: "error",
      type: "ValueError",
      state: "unresolved",
      servers: [{ name: "web-1" }],
    });
    const detail = errorDetail.parse(await hub.json<ErrorDetail>(`/api/errors/${group.fingerprint}`));
    expect(detail.explanation.decided.map(({ value }) => value)).toEqual([
      "ValueError",
      "shop/cart.py total",
      "shop/cart.py checkout",
    ]);
    const { events } = samplesPage.parse(await hub.json<SamplesPage>(`/api/errors/${group.fingerprint}/events`));
    expect(events.map(({ lines }) => lines)).toEqual([traceback("total", 99), traceback("total", 10)]);
    // a sample leads into the log
    const { entries } = await hub.json<{ entries: StoredEntry[] }>(`/api/logs/${events[0]?.entry}/context`);
    expect(entries.map(({ message }) => message)).toContain("ValueError: bad amount 99");
  });

  test("of warnings are apart", async () => {
    await agent.logs(entriesOf(["the pool is nearly full"], { level: "warn", source: "pool" }));
    const groups = async (query: string) => (await hub.json<ErrorsPage>(`/api/errors?source=pool${query}`)).groups;
    await until(async () => (await groups("&kind=warning")).length === 1);
    expect(await groups("")).toEqual([]);
  });

  test("are decided about, and the trail tells who did what", async () => {
    const { fingerprint } = await print("decided", traceback("decided", 3));
    const path = `/api/errors/${fingerprint}`;
    const patch = async (body: unknown) => {
      const response = await (await hub.admin()).send("PATCH", path, body);
      return [response.status, ((await response.json()) as ErrorGroup).state];
    };
    expect(await patch({ action: "resolve", release: "2.0" })).toEqual([200, "resolved"]);
    expect(await patch({ action: "ignore", count: 5 })).toEqual([200, "ignored"]);
    expect(await patch({ action: "reopen" })).toEqual([200, "unresolved"]);
    expect((await patch({ action: "destroy" }))[0]).toBe(400);
    expect((await patch({ action: "ignore", count: 0 }))[0]).toBe(400);
    expect((await patch({ action: "merge", into: "v1:aaaaaaaaaaaaaaaaaaaa" }))[0]).toBe(404);
    expect((await patch({ action: "split", sample: "999999" }))[0]).toBe(404);
    const group = await hub.json<ErrorGroup>(path);
    expect(group.decidedBy).toBe("admin@example.com");
    const { entries } = await hub.json<AuditPage>(`/api/audit?target=${encodeURIComponent(fingerprint)}`);
    expect(entries.map(({ action, target, details }) => [action, target?.name, details])).toEqual([
      ["error.reopened", "ValueError: bad amount 3", { group: fingerprint }],
      ["error.ignored", "ValueError: bad amount 3", { count: 5, group: fingerprint }],
      ["error.resolved", "ValueError: bad amount 3", { release: "2.0", group: fingerprint }],
    ]);
  });

  test("are told of live: new ones, more of them, regressions, decisions and what is gone", async () => {
    const stop = new AbortController();
    const response = await hub.fetch("/api/errors/live", { signal: stop.signal });
    const told: [string, unknown][] = [];
    const reading = (async () => {
      for await (const { event, data } of readEvents(response)) {
        if (event === "group") {
          const { group, news } = groupNews.parse(data);
          told.push([group.culprit ?? "", news]);
        } else told.push([event, null]);
      }
    })().catch(() => undefined);
    await until(() => told.length === 1);
    expect(told).toEqual([["ready", null]]);
    const { fingerprint } = await print("live_one", traceback("live_one", 3));
    await until(() => told.length === 2);
    await hub.send("PATCH", `/api/errors/${fingerprint}`, { action: "resolve" });
    await until(() => told.length === 3);
    const other = await print("live_two", traceback("live_two", 3));
    await until(() => told.length === 4);
    await print("live_one", traceback("live_one", 7), 2);
    await until(() => told.length === 5);
    await hub.send("PATCH", `/api/errors/${other.fingerprint}`, { action: "merge", into: fingerprint });
    await until(() => told.length === 7);
    stop.abort();
    await reading;
    expect(told.slice(1)).toEqual([
      ["shop/cart.py live_one", ["new", "seen"]],
      ["shop/cart.py live_one", ["decided"]],
      ["shop/cart.py live_two", ["new", "seen"]],
      ["shop/cart.py live_one", ["regressed", "seen"]],
      ["gone", null],
      ["shop/cart.py live_one", ["decided"]],
    ]);
  });

  test("know the crashes that they led to, and the crashes know them", async () => {
    await agent.logs(entriesOf(traceback("fatal", 3), { source: "worker" }));
    const at = new Date().toISOString();
    await agent.event(crash({ at, script: "worker", tail: ["started", ...traceback("fatal", 3)] }));
    await agent.event(crash({ at, script: "other", tail: ["started"] }));
    const group = await until(async () => {
      const { groups } = await hub.json<ErrorsPage>("/api/errors?source=worker");
      return groups.find(({ crashes }) => crashes === 1);
    });
    const { events } = await hub.json<EventsPage>("/api/events?type=script.crashed");
    expect(events.map(({ event, error }) => ["script" in event ? event.script : "", error])).toEqual([
      ["other", undefined],
      ["worker", group.fingerprint],
    ]);
    const detail = await hub.json<ErrorDetail>(`/api/errors/${group.fingerprint}`);
    expect(detail.recentCrashes).toMatchObject([{ event: events[1]?.id, how: "exited 1" }]);
  });

  test("of another organization are not there", async () => {
    const { fingerprint } = await print("own", traceback("own", 3));
    const stranger = await hub.otherOrganizationAdmin();
    expect((await stranger.json<ErrorsPage>("/api/errors")).groups).toEqual([]);
    for (const path of ["", "/events"]) {
      expect((await stranger.get(`/api/errors/${fingerprint}${path}`)).status).toBe(404);
    }
    expect((await stranger.send("PATCH", `/api/errors/${fingerprint}`, { action: "resolve" })).status).toBe(404);
  });

  test("are the same in another organization, apart", async () => {
    await print("shared", traceback("shared", 3));
    const stranger = await hub.otherOrganizationAdmin();
    const theirs = createAgent(
      hub.url,
      await hub.hub.operator.registerServer({ organization: "Other", hostname: "their-1" }),
    );
    await theirs.logs(entriesOf(traceback("shared", 3)));
    const group = await groupOf("shared", 1, stranger);
    expect(group).toMatchObject({ count: 1, servers: [{ name: "their-1" }] });
    expect((await hub.get(`/api/errors/${group.fingerprint}`)).status).toBe(404);
  });

  test("are grouped anew by the hub's own command line", async () => {
    await print("again", [...traceback("again", 3), ...traceback("again", 8)], 2);
    const before = (await hub.json<ErrorsPage>("/api/errors")).groups;
    const { operator } = hub.hub;
    expect(await operator.regroup({ since: "2020-01-01T00:00:00Z" })).toMatchObject({ state: "running" });
    expect(await failureOf(operator.regroup({ since: "2020-01-01T00:00:00Z" }))).toMatchObject({ code: "conflict" });
    const report = await until(async () => {
      const state = await operator.regroupProgress({});
      return state.state === "done" && state;
    });
    expect(report).toMatchObject({ made: 0, absorbed: 0, problem: null });
    expect(report.events).toBeGreaterThan(2);
    expect((await hub.json<ErrorsPage>("/api/errors")).groups).toEqual(before);
    await print("again", traceback("again", 9), 3);
  });

  test("that are asked for by something else than a fingerprint are not there", async () => {
    for (const name of ["x", "v1:", "../x", "v1:AAAAAAAAAAAAAAAAAAAA"]) {
      expect((await hub.get(`/api/errors/${encodeURIComponent(name)}`)).status).toBe(404);
    }
    expect((await hub.get("/api/errors?cursor=x")).status).toBe(400);
    expect((await hub.get("/api/errors?kind=x")).status).toBe(400);
    expect((await hub.get("/api/errors?project=none")).status).toBe(404);
  });
});
