import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { createRetention } from "#src/hub/store/clickhouse/retention.ts";
import { checkParts, createSizes, repairNothing } from "#src/hub/store/clickhouse/retention-check.ts";
import type { Keeping } from "#src/hub/store/log-port.ts";
import { systemClock } from "#src/lib/clock.ts";
import { columnsOf } from "#src/protocol/columns/builder.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { haveClickhouse } from "#test/kit/clickhouse.ts";
import { until } from "#test/kit/wait.ts";
import { type Table, openTable } from "./search/table.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

const dayMs = 86_400_000;
/** Midnight. Of tomorrow: ClickHouse, which has a clock of its own, forgets nothing meanwhile that is kept here. */
const today = Math.ceil(Date.now() / dayMs) * dayMs;
const now = today + dayMs / 2;

/** A table whose entries arrived as they were written: `each` a day and server, the oldest `days` ago. */
async function fill(table: Table, servers: readonly string[], days: number, each = 20): Promise<void> {
  let position = 1;
  for (let ago = days; ago >= 0; ago--) {
    for (const server of servers) {
      await put(table, server, position, now - ago * dayMs, now - ago * dayMs, each);
      position += each;
    }
  }
}

async function put(table: Table, server: string, position: number, atMs: number, arrivedMs: number, count = 1) {
  const entries = Array.from({ length: count }, (_, i): LogEntry => {
    const at = new Date(atMs - i).toISOString();
    return {
      seq: position + i,
      at,
      source: "api",
      stream: "stdout",
      level: "info",
      message: `line ${crypto.randomUUID()}`,
    };
  });
  const columns = columnsOf(
    entries,
    entries.map((_, i) => atMs - i),
  );
  await table.insert(server, position, columns, arrivedMs);
}

/** How many entries of each server there are by their age in days. */
async function left(table: Table): Promise<Record<string, number>> {
  const rows = await table.client.rows<{ name: string; lines: number }>(
    `SELECT concat(server, ' ', toString(intDiv(${now} - at, ${dayMs}))) AS name, count() AS lines FROM logs GROUP BY name ORDER BY name`,
  );
  return Object.fromEntries(rows.map(({ name, lines }) => [name, lines]));
}

const engineOf = async (table: Table) =>
  (
    await table.client.rows<{ engine: string }>(
      "SELECT engine_full AS engine FROM system.tables WHERE name = 'logs' AND database = currentDatabase()",
    )
  )[0]?.engine;

const keeping = (more: Partial<Keeping> = {}): Keeping => ({
  since: () => now - 14 * dayMs,
  shares: [],
  bytes: Infinity,
  ...more,
});

describe.skipIf(!haveClickhouse)("retention in ClickHouse (needs ClickHouse)", () => {
  const clock = { now: () => now, monotonic: () => performance.now() };

  test("drops days that are over for everybody, and lets the table forget what comes", async () => {
    await using table = await openTable();
    await fill(table, ["a", "b"], 5);
    const retention = createRetention(table.client, clock);
    expect(await retention.prune(keeping({ since: () => now - 3 * dayMs }))).toBe(80);
    expect(await left(table)).toEqual(
      Object.fromEntries(["a", "b"].flatMap((id) => [0, 1, 2, 3].map((ago) => [`${id} ${ago}`, 20]))),
    );
    expect(await engineOf(table)).toContain("toIntervalDay(3)");
    // another hub does the same once more
    expect(await createRetention(table.client, clock).prune(keeping({ since: () => now - 3 * dayMs }))).toBe(0);
    expect(await createRetention(table.client, clock).prune(keeping({ since: () => -Infinity }))).toBe(0);
    expect(await engineOf(table)).toContain("toIntervalDay(3)");
  });

  test("keeps entries for as long as a hundred years", async () => {
    // Before, a moment beyond 2106 came out as one in the past, and entries were gone as soon as they were stored
    await using table = await openTable(undefined, 36_500);
    expect(await engineOf(table)).not.toContain("TTL");
    await fill(table, ["a"], 1);
    await table.client.run("OPTIMIZE TABLE logs FINAL");
    expect(await left(table)).toEqual({ "a 0": 20, "a 1": 20 });
    for (const days of [30, 36_500, 36_500]) {
      await createRetention(table.client, clock).prune(keeping({ since: () => now - days * dayMs }));
      const engine = await engineOf(table);
      expect(/TTL .*?\d+\)/.exec(engine ?? "")?.[0]).toBe(
        days === 30 ? "TTL toDateTime(arrived) + toIntervalDay(30)" : undefined,
      );
    }
  });

  test("keeps what is there for longer when it is to be kept for longer", async () => {
    // Before, what came while it was to be kept for less long was still forgotten at that time
    await using table = await openTable(undefined, 3);
    await fill(table, ["a"], 1);
    const forgetting = async () =>
      await table.client.rows<{ days: number }>(
        `SELECT dateDiff('day', parseDateTimeBestEffort(partition_id), delete_ttl_info_max) AS days FROM system.parts
         WHERE active AND table = 'logs' AND database = currentDatabase()`,
      );
    expect(await forgetting()).toEqual([{ days: 3 }, { days: 3 }]);
    await createRetention(table.client, clock).prune(keeping({ since: () => now - 90 * dayMs }));
    await until(async () => (await forgetting()).every(({ days }) => days === 90), "the parts to know of it");
    expect(await left(table)).toEqual({ "a 0": 20, "a 1": 20 });
  });

  test("deletes what some keep for less long, and what others have dated wrongly", async () => {
    await using table = await openTable();
    await fill(table, ["long", "short"], 4);
    await put(table, "short", 1000, now + 30 * dayMs, now - 3 * dayMs);
    await put(table, "long", 1001, now - 30 * dayMs, now);
    const since = (server: string) => now - (server === "short" ? 2 : 10) * dayMs + 100;
    const retention = createRetention(table.client, clock);
    expect(await retention.prune(keeping({ since }))).toBe(62);
    expect(await left(table)).toEqual({
      ...Object.fromEntries([0, 1, 2, 3, 4].map((ago) => [`long ${ago}`, 20])),
      "short 0": 20,
      "short 1": 20,
    });
    expect(await retention.prune(keeping({ since }))).toBe(0);
  });

  test("deletes the oldest of a share that takes too much, and of nobody else", async () => {
    await using table = await openTable();
    await fill(table, ["mine", "other"], 3, 500);
    const size = await bytesOf(table);
    const retention = createRetention(table.client, clock);
    const shares = [{ serverIds: new Set(["mine", "nobody"]), bytes: size / 4 }];
    const deleted = await retention.prune(keeping({ shares }));
    expect(deleted).toBeGreaterThan(900);
    expect(deleted).toBeLessThan(1300);
    const rest = await left(table);
    expect(rest).toMatchObject({ "mine 0": 500, "other 0": 500, "other 3": 500 });
    expect(rest["mine 3"]).toBeUndefined();
    // what is deleted takes its space until parts are merged, and is not counted with the rest (sizes of so few lines are rough)
    expect(await createRetention(table.client, clock).prune(keeping({ shares }))).toBeLessThan(200);
  });

  test("drops the oldest days of all while everything takes too much, and a part of the last one", async () => {
    // what is kept for as long as before has its parts left alone: their sizes stay
    await using table = await openTable(undefined, 14);
    await fill(table, ["a", "b"], 3, 500);
    const size = await bytesOf(table);
    const retention = createRetention(table.client, clock);
    expect(await retention.prune(keeping({ bytes: size * 2 }))).toBe(0);
    expect(await retention.prune(keeping({ bytes: size * 0.51 }))).toBeGreaterThanOrEqual(1900);
    await settled(table);
    const rest = await left(table);
    expect(rest).toMatchObject({ "a 0": 500, "a 1": 500, "b 0": 500 });
    expect(Object.keys(rest).some((name) => name.endsWith(" 3"))).toBe(false);
    await retention.prune(keeping({ bytes: 0 }));
    await retention.prune(keeping({ bytes: 0 }));
    await settled(table);
    expect(await left(table)).toEqual({});
  });

  test("tells what is stored, checks it, and leaves repairs to ClickHouse", async () => {
    await using table = await openTable();
    await fill(table, ["a"], 1);
    const sizes = createSizes(table.client, systemClock, (error) => {
      throw error;
    });
    await until(() => sizes().lines === 40, "the figures to be read");
    expect(sizes()).toMatchObject({ lines: 40, blocks: 2 });
    const checked = [];
    for await (const part of checkParts(table.client)) checked.push(part);
    expect(checked.map(({ problem, lines }) => ({ problem, lines }))).toEqual([
      { problem: null, lines: 20 },
      { problem: null, lines: 20 },
    ]);
    expect(repairNothing()).rejects.toThrow("repairs itself");
  });
});

async function bytesOf(table: Table): Promise<number> {
  const [found] = await table.client.rows<{ bytes: number }>(
    "SELECT toFloat64(sum(bytes_on_disk)) AS bytes FROM system.parts WHERE active AND table = 'logs' AND database = currentDatabase()",
  );
  return found?.bytes ?? 0;
}

/** What ClickHouse does in the background is done. */
async function settled(table: Table): Promise<void> {
  const pending = "SELECT count() AS count FROM system.mutations WHERE database = currentDatabase() AND NOT is_done";
  await until(
    async () => (await table.client.rows<{ count: number }>(pending))[0]?.count === 0,
    "mutations to be done",
  );
}
