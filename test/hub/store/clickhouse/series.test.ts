import { readdirSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { createSeriesTables, readQuorum } from "#src/hub/store/clickhouse/series-tables.ts";
import type { SeriesQuery } from "#src/protocol/series.ts";
import { haveClickhouse, sharedClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";
import { day, retention, subject } from "../series/rig.ts";
import { openSeriesRig } from "./series-rig.ts";

setDefaultTimeout(60_000);

const hour = 3600;
/** An hour of yesterday: rolled up as soon as somebody looks. */
const start = Math.floor(Date.now() / 1000 / hour) * hour - day;
const all: SeriesQuery = { tier: 0, fromS: start - day, toS: start + 2 * day };

describe.skipIf(!haveClickhouse)("metrics in ClickHouse (needs the package chdb)", () => {
  test("are there once however often a batch is sent, and its hours are noted all the same", async () => {
    await using clickhouse = await startClickhouse();
    await using rig = await openSeriesRig(clickhouse);
    await clickhouse.misbehave("cut", 2, "INSERT INTO metric_samples");
    for (let i = 0; i < 10; i++) rig.store.append("web", (start + i * 10) * 1000, [subject("a")], [i, i]);
    expect(rig.store.flush()).rejects.toThrow("metrics still wait for ClickHouse");
    await until(() => rig.said.length > 0);
    expect(rig.store.figures().sending).toMatchObject({ batches: 1, lost: 0, problem: expect.any(String) });
    // again, and again
    await until(() => {
      rig.clock.skip(20_000);
      return rig.store.figures().sending?.batches === 0;
    });
    expect(rig.store.figures().sending).toMatchObject({ bytes: 0, oldestMs: null, problem: null });
    expect(await rig.ask("SELECT count() FROM metric_samples")).toBe("20");
    expect(await rig.ask("SELECT count() FROM metric_hours WHERE touched > rolled")).not.toBe("0");
    expect((await rig.store.read("web", all))[0]?.mean).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(rig.said[0]).toMatch(/^metrics can't be sent to ClickHouse, they wait: /);
    expect(readdirSync(rig.folder.at("metrics-waiting"))).toEqual([]);
  });

  test("wait on the disk while ClickHouse is away and the hub is killed, and none is missing", async () => {
    await using clickhouse = await startClickhouse();
    await using rig = await openSeriesRig(clickhouse);
    await clickhouse.misbehave("refuse", 1_000_000, "INSERT INTO metric_samples");
    for (let i = 0; i < 30; i++) {
      rig.store.append("web", (start + i * 10) * 1000, [subject("a")], [i, i]);
      await rig.gather();
      if (i % 10 === 9) await rig.kill();
    }
    const { sending } = rig.store.figures();
    expect(sending?.lost).toBe(0);
    // a long absence leaves few files: what came since the last start grows in one
    expect(sending?.batches).toBeLessThan(10);
    expect(readdirSync(rig.folder.at("metrics-waiting"))).toHaveLength(sending?.batches ?? 0);
    expect(sending?.oldestMs).toBeGreaterThan(30 * 1000);
    await clickhouse.behave();
    await rig.store.flush();
    expect((await rig.store.read("web", all))[0]?.mean).toEqual(Array.from({ length: 30 }, (_, i) => i));
  });

  test("can be read again when ClickHouse is back, and say so while it is not", async () => {
    await using clickhouse = await startClickhouse();
    await using rig = await openSeriesRig(clickhouse);
    rig.store.append("web", start * 1000, [subject("a")], [1, 1]);
    await rig.store.flush();
    await clickhouse.kill();
    expect(await rig.store.read("web", all).catch((error: unknown) => error)).toMatchObject({ code: "unavailable" });
    rig.store.append("web", (start + 10) * 1000, [subject("a")], [2, 2]);
    expect(await rig.store.flush().catch((error: unknown) => error)).toMatchObject({ code: "unavailable" });
    await clickhouse.start();
    await rig.store.flush();
    expect((await rig.store.read("web", all))[0]?.mean).toEqual([1, 2]);
  });

  test("are refused and counted when no more may wait", async () => {
    const clickhouse = await sharedClickhouse();
    await using rig = await openSeriesRig(clickhouse, { mostWaitingBytes: 1000 });
    await clickhouse.misbehave("refuse", 1_000_000, "INSERT INTO metric_samples");
    let taken = 0;
    for (let i = 0; i < 1000; i++) {
      if (!rig.store.append("web", (start + i * 10) * 1000, [subject("a")], [(i * 7919) % 1e6, i * i])) break;
      taken++;
      rig.clock.skip(2000);
      await until(() => rig.store.figures().openBytes === 0 || rig.said.some((text) => text.includes("no room")));
    }
    const { sending, samples, refused } = rig.store.figures();
    expect(taken).toBeLessThan(1000);
    expect([samples, refused]).toEqual([taken, 1]);
    expect(sending?.bytes).toBeLessThanOrEqual(1000);
    expect(rig.said).toContainEqual(expect.stringContaining("no room for more"));
    await clickhouse.behave();
    await rig.store.flush();
    // what was taken is not lost
    expect(await rig.ask("SELECT uniqExact(key, at) FROM metric_samples")).toBe(String(2 * taken));
    expect(rig.store.append("web", start * 1000, [subject("a")], [1, 1])).toBe(true);
  });

  test("of a file that lost its end with the machine's power are lost, and said to be; the others are not", async () => {
    const clickhouse = await sharedClickhouse();
    await using rig = await openSeriesRig(clickhouse);
    await clickhouse.misbehave("refuse", 1_000_000, "INSERT INTO metric_samples");
    for (let i = 0; i < 3; i++) {
      rig.store.append("web", (start + i * 10) * 1000, [subject("a")], [i, i]);
      await rig.gather();
      await rig.kill();
    }
    const waiting = rig.folder.at("metrics-waiting");
    const [, second = ""] = readdirSync(waiting).sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    truncateSync(join(waiting, second), 20);
    await Bun.write(join(waiting, "99-1-1-half.rows.zst.tmp"), "half");
    await rig.kill();
    await clickhouse.behave();
    await rig.store.flush();
    expect((await rig.store.read("web", all))[0]?.mean).toEqual([0, 2]);
    expect(rig.store.figures().sending?.lost).toBe(2);
    expect(rig.said).toContainEqual(expect.stringContaining("they are lost"));
    expect(readdirSync(waiting)).toEqual([]);
  });

  test("wait in memory when the disk takes nothing, and that is said", async () => {
    const clickhouse = await sharedClickhouse();
    await using rig = await openSeriesRig(clickhouse);
    await clickhouse.misbehave("refuse", 1_000_000, "INSERT INTO metric_samples");
    rmSync(rig.folder.at("metrics-waiting"), { recursive: true });
    for (let i = 0; i < 3; i++) {
      rig.store.append("web", (start + i * 10) * 1000, [subject("a")], [i, i]);
      await rig.gather();
    }
    expect(rig.said).toContainEqual(expect.stringMatching(/^can't write metrics to the disk, they wait in memory: /));
    await clickhouse.behave();
    await rig.store.flush();
    expect((await rig.store.read("web", all))[0]?.mean).toEqual([0, 1, 2]);
  });

  test("of a hub that is killed are missing for the last two seconds at most", async () => {
    const clickhouse = await sharedClickhouse();
    await using rig = await openSeriesRig(clickhouse);
    await using folder = temporaryFolder();
    const program = join(import.meta.dir, "series-program.ts");
    const url = `${clickhouse.url}/${rig.database}`;
    const child = Bun.spawn([process.execPath, program, url, folder.path, String(start)], {
      stdout: "pipe",
      stderr: "inherit",
    });
    let safe = 0;
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      safe = Number(decoder.decode(chunk).trim().split("\n").at(-1));
      if (safe > 2000) break;
    }
    child.kill("SIGKILL");
    await child.exited;
    // another hub on the same folder sends what is left
    const again = Bun.spawn([process.execPath, program, url, folder.path, String(start - 3 * day)], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const found = await until(async () => {
      const [levels] = await rig.store.read("web", { ...all, fromS: start, toS: start + 20 * day });
      return (levels?.times.length ?? 0) >= safe ? levels : null;
    });
    again.kill("SIGKILL");
    await again.exited;
    // none is missing in between
    expect(found.mean).toEqual(Array.from({ length: found.mean.length }, (_, i) => i));
  });
});

describe.skipIf(!haveClickhouse)("averages in ClickHouse (needs the package chdb)", () => {
  test("are rolled up by the hub with the duty, and read from there by every hub", async () => {
    await using rig = await openSeriesRig(await sharedClickhouse());
    const other = await rig.openOther();
    for (let i = 0; i < 12; i++) {
      const hub = i % 2 === 0 ? rig.store : other;
      hub.append("web", (start + i * 300) * 1000, [subject("a")], [i, i * 300]);
    }
    await Promise.all([rig.store.flush(), other.flush()]);
    other.duty.begin();
    await until(async () => (await rig.ask("SELECT count() FROM metric_rollups WHERE tier = 3600")) === "2");
    await until(() => other.figures().due === 0);
    await other.duty.end();
    // the samples are not needed any more
    await rig.ask("TRUNCATE TABLE metric_samples");
    for (const hub of [rig.store, other]) {
      expect(await hub.read("web", { ...all, tier: 3600 })).toEqual([
        { key: "thing.level/a", times: [start], mean: [5.5], min: [0], max: [11], count: [12] },
        { key: "thing.total/a", times: [start], mean: [1], min: [1], max: [1], count: [11] },
      ]);
    }
  });

  test("follow what comes late, in the next hour too, which a rate may reach into", async () => {
    await using rig = await openSeriesRig(await sharedClickhouse());
    const { store } = rig;
    const add = (atS: number, total: number) => store.append("web", atS * 1000, [subject("a")], [0, total]);
    const rates = async () =>
      (await store.read("web", { ...all, tier: 3600 })).find(({ key }) => key === "thing.total/a");
    add(start + hour + 100, 700);
    await store.flush();
    await store.rollUp();
    expect(await rates()).toBeUndefined();
    add(start + hour - 100, 300);
    await store.flush();
    expect(await rates()).toMatchObject({ times: [start + hour], mean: [2] });
    // both hours
    expect(await store.rollUp()).toBe(2);
    expect(await store.rollUp()).toBe(0);
    await rig.ask("TRUNCATE TABLE metric_samples");
    expect(await rates()).toMatchObject({ times: [start + hour], mean: [2] });
  });

  test("stay as they are when their samples are too old to be whole", async () => {
    // kept for two days, so that an hour of before is read from what was rolled up
    const short = { ...retention, raw: 2 * day };
    await using rig = await openSeriesRig(await sharedClickhouse(), { retention: short });
    const { store } = rig;
    const late = start - day + 8 * hour;
    store.append("web", late * 1000, [subject("a")], [1, 1]);
    await store.flush();
    await store.rollUp();
    await rig.ask(`TRUNCATE TABLE metric_samples`);
    // somebody touches the hour, and time passes
    await rig.ask(`INSERT INTO metric_hours SELECT toDateTime(${late}, 'UTC'), 'web', now64(3), toDateTime64(0, 3)`);
    rig.clock.skip(2 * day * 1000);
    await store.rollUp();
    expect(await rig.ask("SELECT count() FROM metric_rollups")).toBe("2");
    expect((await store.read("web", { ...all, tier: 3600 }))[0]).toMatchObject({ mean: [1], count: [1] });
  });
});

describe.skipIf(!haveClickhouse)("what is kept in ClickHouse (needs the package chdb)", () => {
  test("is deleted with its origin, once other hubs have sent what they had", async () => {
    await using rig = await openSeriesRig(await sharedClickhouse());
    for (const origin of ["web", "db"]) rig.store.append(origin, start * 1000, [subject("a")], [1, 1]);
    await rig.store.flush();
    await rig.store.rollUp();
    rig.store.drop("web");
    rig.clock.skip(60_000);
    for (const table of ["metric_samples", "metric_rollups", "metric_hours"]) {
      await until(async () => (await rig.ask(`SELECT groupUniqArray(origin) FROM ${table}`)) === "['db']");
    }
    expect(rig.said).toEqual([]);
    expect(await rig.store.read("db", all)).toHaveLength(1);
  });

  test("is kept for as long as the settings say now", async () => {
    const clickhouse = await sharedClickhouse();
    await using rig = await openSeriesRig(clickhouse);
    const definitions = async () =>
      await rig.ask(
        "SELECT arrayStringConcat(groupArray(engine_full)), max(metadata_modification_time) FROM system.tables " +
          "WHERE database = currentDatabase()",
      );
    const before = await definitions();
    expect(before).toContain(`TTL at + toIntervalDay(90) WHERE tier = 300, at + toIntervalDay(400) WHERE tier = 3600`);
    await rig.openOther();
    expect(await definitions()).toBe(before);
    await rig.openOther({ retention: { raw: 3 * day, minutes: 30 * day, hours: 99 * day } });
    const after = await definitions();
    expect(after).toContain(`TTL at + toIntervalDay(3) `);
    expect(after).toContain(`TTL hour + toIntervalDay(5) `);
    expect(after).toContain(`TTL at + toIntervalDay(30) WHERE tier = 300, at + toIntervalDay(99) WHERE tier = 3600`);
  });

  test("is kept for as long as a hundred years", async () => {
    // Before, a moment beyond 2106 came out as one in the past, and what was inserted was gone at once
    const long = 36_500 * day;
    await using rig = await openSeriesRig(await sharedClickhouse());
    await rig.openOther({ retention: { raw: long, minutes: long, hours: long } });
    const now = rig.clock.now();
    rig.store.append("web", now, [subject("a")], [1, 1]);
    await rig.gather();
    await rig.store.flush();
    await rig.ask("OPTIMIZE TABLE metric_samples FINAL");
    expect(await rig.ask("SELECT count() FROM metric_samples")).toBe("2");
    expect(
      await rig.ask(
        "SELECT count() FROM system.tables WHERE database = currentDatabase() AND engine_full LIKE '% TTL %'",
      ),
    ).toBe("0");
  });
});

describe("tables on a cluster", () => {
  const place = { cluster: "my-cluster", database: "orion", retention };

  test("are replicated, with one over all of them; both made on every server", () => {
    const statements = createSeriesTables(place);
    expect(statements.every((one) => one.includes(" ON CLUSTER `my-cluster` "))).toBe(true);
    const samples = statements.find((one) => one.startsWith("CREATE TABLE IF NOT EXISTS metric_samples_local"));
    expect(samples).toContain(
      "ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/orion/metric_samples_local', '{replica}') ",
    );
    expect(samples).not.toContain("non_replicated");
    expect(statements).toContain(
      "CREATE TABLE IF NOT EXISTS metric_rollups ON CLUSTER `my-cluster` AS metric_rollups_local ENGINE = " +
        "Distributed('my-cluster', 'orion', 'metric_rollups_local', cityHash64(origin))",
    );
    expect(statements.find((one) => one.includes("metric_rollups_local ON"))).toContain("'{replica}', rolled)");
    expect(statements.at(-1)).toContain("TO metric_hours_local AS SELECT");
  });

  test("take what most replicas have, where there are enough of them", async () => {
    const settings = async (cluster: string | null, fewest: number) =>
      await readQuorum({ cluster, rows: async <Row>() => [{ fewest } as Row] });
    expect(await settings(null, 3)).toEqual({});
    expect(await settings("my-cluster", 2)).toEqual({});
    expect(await settings("my-cluster", 3)).toEqual({ insert_quorum: "auto", insert_quorum_parallel: 1 });
  });

  test.skipIf(!haveClickhouse)("are what ClickHouse understands (needs the package chdb)", async () => {
    const clickhouse = await sharedClickhouse();
    for (const statement of createSeriesTables(place)) {
      const quoted = statement.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
      expect(await clickhouse.ask(`SELECT formatQuerySingleLine('${quoted}') != ''`)).toBe("1\n");
    }
  });
});
