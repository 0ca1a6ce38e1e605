import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { EventsPage, LogsPage, StoredEntry } from "#src/protocol/api.ts";
import { type LogEntry, levels } from "#src/protocol/log.ts";
import { timestamp } from "#src/lib/clock.ts";
import { type Agent, type TestHub, allEntries, crash, entry, startHub } from "#test/hub/kit/hub.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

let hub: TestHub;
let one: Agent;
let two: Agent;
const start = Date.parse("2026-01-01T00:00:00.000Z");

beforeAll(async () => {
  hub = await startHub();
  one = await hub.agent("one");
  two = await hub.agent("two");
  // two servers, overlapping in time, in deliveries of ten
  for (let batch = 0; batch < 10; batch++) {
    for (const [agent, shift] of [
      [one, 0],
      [two, 35],
    ] as const) {
      await agent.logs(
        Array.from({ length: 10 }, (_, i): LogEntry => {
          const seq = batch * 10 + i + 1;
          return entry(seq, {
            at: timestamp(start + seq * 10 + shift),
            source: seq % 3 === 0 ? "worker" : "api",
            level: levels[seq % levels.length] ?? "info",
            message: seq % 7 === 0 ? `Needle ${seq}` : `hay ${seq}`,
          });
        }),
      );
    }
  }
});
afterAll(async () => await hub[Symbol.asyncDispose]());

const search = (query: string) => hub.json<LogsPage>(`/api/logs?${query}`);
const newestFirst = (a: StoredEntry, b: StoredEntry) =>
  Date.parse(b.at) - Date.parse(a.at) || Number(b.id) - Number(a.id);

describe("searching logs", () => {
  test("gives all of it, newest first, over pages of any size", async () => {
    const all = (await allEntries(hub)).toReversed();
    expect(all.length).toBe(200);
    expect(all).toEqual(all.toSorted(newestFirst));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), async (limit) => {
        const pages: StoredEntry[] = [];
        let cursor: string | null = "";
        while (cursor !== null) {
          const page: LogsPage = await search(`limit=${limit}${cursor === "" ? "" : `&cursor=${cursor}`}`);
          expect(page.entries.length).toBeLessThanOrEqual(limit);
          pages.push(...page.entries);
          ({ cursor } = page);
        }
        expect(pages).toEqual(all);
      }),
      { numRuns: 12 },
    );
  });

  test("any combination of filters gives what a plain filter over everything gives", async () => {
    const all = (await allEntries(hub)).toReversed();
    const optional = <T>(...values: readonly T[]) => fc.constantFrom<T | undefined>(undefined, ...values);
    const filters = fc.record({
      q: optional("needle", '"HAY 1"', "zebra", "7"),
      source: optional("api", "worker", "nobody"),
      server: optional(one.id, two.id, "unknown"),
      level: optional(...levels),
      from: optional(timestamp(start), timestamp(start + 333), timestamp(start + 9999)),
      to: optional(timestamp(start + 400), timestamp(start + 401), timestamp(start)),
    });
    await fc.assert(
      fc.asyncProperty(filters, async (filter) => {
        const query = new URLSearchParams();
        for (const [name, value] of Object.entries(filter)) if (value !== undefined) query.set(name, value);
        const found = (await allEntries(hub, `&${query}`)).toReversed();
        const wanted = all.filter(
          (line) =>
            (filter.q === undefined ||
              line.message.toLowerCase().includes(filter.q.replaceAll('"', "").toLowerCase())) &&
            (filter.source === undefined || line.source === filter.source) &&
            (filter.server === undefined || line.serverId === filter.server) &&
            (filter.level === undefined || levels.indexOf(line.level) >= levels.indexOf(filter.level)) &&
            (filter.from === undefined || line.at >= filter.from) &&
            (filter.to === undefined || line.at < filter.to),
        );
        expect(found).toEqual(wanted);
      }),
      { numRuns: 120 },
    );
  });

  for (const [name, query, field] of [
    ["a limit of nothing", "limit=0", "limit"],
    ["a limit that is no number", "limit=many", "limit"],
    ["a limit too high", "limit=1001", "limit"],
    ["an unknown level", "level=loud", "level"],
    ["a time that is none", "from=yesterday", "from"],
    ["a cursor that nobody gave out", "cursor=1;drop", "cursor"],
  ] as const) {
    test(`${name}: 400 naming the field`, async () => {
      const response = await hub.get(`/api/logs?${query}`);
      expect(response.status).toBe(400);
      expect((await response.json()) as { detail: string }).toMatchObject({
        detail: expect.stringContaining(`${field}: `),
      });
    });
  }
});

describe("events", () => {
  test("come once, newest first, by server and by type, over pages", async () => {
    const events = [3, 1, 2].map((seconds, i) => ({
      ...crash({ at: timestamp(start + seconds * 1000), script: `script-${seconds}` }),
      seq: 1000 + i,
    }));
    for (const event of [...events, ...events]) expect((await one.event(event)).status).toBe(202);
    await two.event({ type: "agent.started", at: timestamp(start), version: "1.2.3", reason: "boot" });
    const page = await hub.json<EventsPage>(`/api/events?server=${one.id}`);
    expect(page.events.map((stored) => stored.event)).toEqual(
      events.toSorted((a, b) => b.at.localeCompare(a.at)).map(({ seq: _seq, ...event }) => event),
    );
    expect(page.events[0]).toMatchObject({ serverId: one.id, hostname: "one" });
    const first = await hub.json<EventsPage>("/api/events?limit=3");
    const second = await hub.json<EventsPage>(`/api/events?limit=3&cursor=${first.cursor}`);
    expect([...first.events, ...second.events].length).toBe(4);
    expect(second.cursor).toBeNull();
    const started = await hub.json<EventsPage>("/api/events?type=agent.started");
    expect(started.events.map((stored) => stored.hostname)).toEqual(["two"]);
  });

  test("may come several at once", async () => {
    const agent = await hub.agent("several");
    const two = [
      { ...crash(), seq: 1 },
      { ...crash({ script: "b" }), seq: 2 },
    ];
    for (const body of [JSON.stringify(two), two.map((event) => JSON.stringify(event)).join("\n")]) {
      expect((await agent.post("events", body)).status).toBe(202);
    }
    expect((await hub.json<EventsPage>(`/api/events?server=${agent.id}`)).events.length).toBe(2);
  });

  test("numbers of events and of log lines do not shadow each other", async () => {
    const agent = await hub.agent("mixed");
    await agent.event({ ...crash(), seq: 10 });
    const response = await agent.logs([entry(8), entry(9), entry(11)]);
    expect(await response.json()).toEqual({ accepted: 3, duplicates: 0 });
  });
});
