import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { type RetentionWorld, startRetention } from "#src/hub/retention.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { openStateStore } from "#src/hub/store/state.ts";
import { systemClock, timestamp } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

setDefaultTimeout(60_000);

const dayMs = 86_400_000;
const now = Date.UTC(2026, 5, 30, 12);
const mebibyte = 1024 * 1024;
const everything: LogSelection = {
  scope: null,
  servers: null,
  sources: null,
  streams: null,
  level: null,
  fromMs: null,
  toMs: null,
  query: { kind: "all" },
};

type Kept = { readonly days: number | null; readonly bytes: number | null };

/** Real stores, with servers that are called as their project is, and a source of each project. */
async function openRig(projects: Readonly<Record<string, Kept>>, limits: Kept & { days: number; bytes: number }) {
  const folder = temporaryFolder();
  const clock = { ...systemClock, now: () => now };
  const logs = await openBlockStore(folder.path, clock, (error) => {
    throw error;
  });
  const events = await openStateStore(folder.path, clock);
  const said: string[] = [];
  const told: number[] = [];
  const free = { bytes: 100 * mebibyte };
  const idsOf = Object.keys(projects);
  const world: RetentionWorld = {
    logs,
    events,
    projects: {
      all: () => idsOf.map((id) => ({ id, retention: projects[id] as Kept })),
      get: (id) => (projects[id] === undefined ? undefined : { retention: projects[id] }),
      sources: (id) => [{ id: `source-${id}` }],
      source: (id) => (id.startsWith("source-") ? { projectId: id.slice(7) } : undefined),
    },
    servers: {
      all: () => idsOf.map((id) => ({ id, projectId: id })),
      get: (id) => (projects[id] === undefined ? undefined : { projectId: id }),
    },
    limits,
    followers: [async (since) => void told.push((now - since("short")) / dayMs)],
    disk: {
      read: () => ({
        freeBytes: free.bytes,
        sizeBytes: 100 * mebibyte,
        reserveBytes: 10 * mebibyte,
        state: free.bytes < 10 * mebibyte ? "low" : "enough",
      }),
    },
    clock,
    log: { info: (line) => void said.push(line), warn: (line) => void said.push(line) },
  };
  return {
    logs,
    events,
    said,
    told,
    free,
    start: () => startRetention(world),
    async days(serverId: string): Promise<number[]> {
      const all = await exported(serverId);
      return [...new Set(all.map(({ at }) => (now - Date.parse(at)) / dayMs))];
    },
    count: async (serverId: string) => (await exported(serverId)).length,
    async [Symbol.asyncDispose]() {
      logs.close();
      events.close();
      await folder[Symbol.asyncDispose]();
    },
  };

  async function exported(serverId: string): Promise<StoredEntry[]> {
    const all: StoredEntry[] = [];
    for await (const text of logs.export({ ...everything, servers: [serverId] })) {
      all.push(...(Bun.JSONL.parse(text) as StoredEntry[]));
    }
    return all;
  }
}

const line = (seq: number, daysAgo: number, message = "x"): LogEntry => ({
  seq,
  at: timestamp(now - daysAgo * dayMs),
  source: "api",
  stream: "stdout",
  level: "info",
  message,
});
const noise = () => Buffer.from(crypto.getRandomValues(new Uint8Array(900))).toString("base64");
const own = { days: null, bytes: null };

describe("retention", () => {
  test("is by the days of a project, where it has its own, for logs, events and whoever follows", async () => {
    const projects = { short: { days: 3, bytes: null }, long: { days: 30, bytes: null }, usual: own };
    await using rig = await openRig(projects, { days: 14, bytes: 1024 ** 3 });
    const senders = ["short", "long", "usual", "source-short", "gone"];
    for (const id of senders) {
      await rig.logs.append(
        delivery(
          id,
          Array.from({ length: 40 }, (_, i) => line(i, 40 - i)),
        ),
      );
      for (const days of [1, 5, 20, 40]) {
        const at = timestamp(now - days * dayMs);
        await rig.events.appendEvents({
          serverId: id,
          batchId: null,
          events: [{ type: "agent.started", at, version: "1.0.0", reason: "boot" }],
        });
      }
    }
    const stop = rig.start();
    await until(() => rig.said.some((text) => text.includes("retention deleted")), "old data to go");
    await stop();
    const oldest = async (id: string) => Math.max(...(await rig.days(id)));
    expect(await Promise.all(senders.map(oldest))).toEqual([3, 30, 14, 3, 14]);
    const search = { scope: null, types: null, source: null, fromMs: null, toMs: null, limit: 100, before: null };
    const events = await Promise.all(
      senders.map(async (serverId) => (await rig.events.events({ ...search, serverId })).events.length),
    );
    expect(events).toEqual([1, 3, 2, 1, 2]);
    expect(rig.told).toEqual([3]);
    // lines older than 3, 30, 14, 3 and 14 days, and events
    expect(rig.said).toEqual(["retention deleted 136 log lines and 11 events"]);
  });

  test("is by the bytes of a project, and of all together, the oldest first", async () => {
    const projects = { small: { days: null, bytes: 3 * mebibyte }, other: own };
    await using rig = await openRig(projects, { days: 14, bytes: 12 * mebibyte });
    const count = 12_000;
    for (const id of ["small", "other"]) {
      for (let from = 0; from < count; from += 1000) {
        const entries = Array.from({ length: 1000 }, (_, i) => line(from + i, 1 - (from + i) / count, noise()));
        await rig.logs.append(delivery(id, entries));
      }
    }
    const stop = rig.start();
    await until(() => rig.said.some((text) => text.includes("retention deleted")), "old data to go");
    await stop();
    const [small, other] = [await rig.count("small"), await rig.count("other")];
    // each line takes 900 bytes and a little
    expect(small * 900).toBeLessThan(3 * mebibyte);
    expect(small * 900).toBeGreaterThan(mebibyte);
    expect(rig.logs.sizes().bytes).toBeLessThan(12 * mebibyte);
    expect(other * 900).toBeGreaterThan(5 * mebibyte);
    expect(Math.min(...(await rig.days("small")))).toBe(1 / count);
  });

  test("makes room on a disk that is nearly full, but keeps the newest tenth of it", async () => {
    await using rig = await openRig({ p: own }, { days: 14, bytes: 1024 ** 3 });
    for (let from = 0; from < 30_000; from += 1000) {
      const entries = Array.from({ length: 1000 }, (_, i) => line(from + i, 1 - (from + i) / 30_000, noise()));
      await rig.logs.append(delivery("p", entries));
    }
    const before = rig.logs.sizes().bytes;
    rig.free.bytes = 5 * mebibyte;
    const stop = rig.start();
    await until(() => rig.said.some((text) => text.startsWith("deleted the oldest")), "room to be made");
    expect(rig.said[0]).toContain("nearly full: 5.0 MiB of 100.0 MiB are free, and 10.0 MiB should be");
    const after = rig.logs.sizes().bytes;
    expect(before - after).toBeGreaterThan(4 * mebibyte);
    await stop();
    // others take all that is won
    rig.free.bytes = 0;
    const looks = () => rig.said.filter((text) => /^deleted the oldest|^no log lines/.test(text)).length;
    for (let i = 0; i < 4; i++) {
      const before = looks();
      const again = rig.start();
      await until(() => looks() > before, "a look at the disk");
      await again();
    }
    expect(rig.said.at(-1)).toStartWith("no log lines are left to delete");
    expect(rig.logs.sizes().bytes).toBeLessThanOrEqual(10 * mebibyte);
    expect(rig.logs.sizes().bytes).toBeGreaterThan(6 * mebibyte);
    expect(Math.min(...(await rig.days("p")))).toBeLessThan(0.01);
  });
});
