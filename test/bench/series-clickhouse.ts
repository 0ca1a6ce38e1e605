/**
 * Metrics in ClickHouse (the engine of the tests, behind its HTTP interface): samples a second and the hub's part of their
 * cost, bytes a sample and a number in each table, how fast hours are rolled up, how fast charts are there.
 * `bun test/bench/series-clickhouse.ts [SERVERS]` (30 unless told), a day of each; one JSON line a figure.
 */
import { createHistory } from "#src/hub/metrics/history.ts";
import { createCharts } from "#src/hub/metrics/metrics.ts";
import { sampleOf } from "#src/hub/metrics/sample.ts";
import { openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { openClickhouseSeries } from "#src/hub/store/clickhouse/series.ts";
import { systemClock } from "#src/lib/clock.ts";
import { startClickhouse } from "../kit/clickhouse.ts";
import { temporaryFolder } from "../kit/folder.ts";
import { median, rounded } from "./process.ts";
import { beatAt, stepS } from "./series-beats.ts";

const servers = Number(process.argv[2] ?? 30);
const day = 86_400;
const retention = { raw: 7 * day, minutes: 90 * day, hours: 400 * day };
const pace = { settleS: 0, marginS: 0, freshS: 0 };
const end = Math.floor(Date.now() / 1000 / day) * day - 3600;

await using clickhouse = await startClickhouse();
await using folder = temporaryFolder();
const url = await clickhouse.freshDatabase();
const client = await openClickhouse(url, { clock: systemClock, log: console, cluster: null });
const store = await openClickhouseSeries({
  client,
  dataDir: folder.path,
  retention,
  clock: systemClock,
  warn: (message) => console.error(message),
  pace,
});

let numbers = 0;
const perServer = day / stepS;
const started = performance.now();
const cpu = cpuMs();
for (let i = 0; i < perServer; i++) {
  const beats = Array.from({ length: servers }, () => sampleOf(beatAt(end - day + i * stepS)));
  for (const [server, { subjects, values }] of beats.entries()) {
    // each agent has a second of its own
    store.append(`server-${server}`, (end - day + i * stepS + (server % stepS)) * 1000, subjects, values);
    numbers += values.length;
  }
  if ((store.figures().sending?.batches ?? 0) > 8) await store.flush();
}
await store.flush();
const [took, used] = [performance.now() - started, cpuMs() - cpu];
const samples = perServer * servers;
report({
  name: "samples in",
  servers,
  samples,
  numbers,
  samplesPerSecond: Math.round((samples / took) * 1000),
  // with the making of heartbeats, which is the bench's own
  hubMicrosecondsASample: rounded((used / samples) * 1000),
});

const rolling = performance.now();
const hours = await store.rollUp();
report({ name: "rolling up", hours, numbersPerSecond: Math.round((numbers / (performance.now() - rolling)) * 1000) });

for (const table of ["metric_samples", "metric_rollups", "metric_hours"]) {
  await client.run(`OPTIMIZE TABLE ${table} FINAL`);
  const [row] = await client.rows<{ rows: number; bytes: number }>(
    "SELECT sum(rows) AS rows, sum(data_compressed_bytes) AS bytes FROM system.parts " +
      `WHERE database = currentDatabase() AND active AND table = '${table}'`,
  );
  if (row === undefined) continue;
  report({
    name: `size of ${table}`,
    rows: row.rows,
    bytesARow: rounded(row.bytes / row.rows),
    bytesASample: rounded(row.bytes / samples),
    megabytesAServerAndDay: rounded(row.bytes / servers / 1e6),
  });
}

const now = () => end * 1000;
const charts = createCharts({ ...store, retention, now });
for (const [name, seconds, step] of [
  ["hour", 3600, 10],
  ["day", day, 60],
  ["day in averages", day, 300],
] as const) {
  for (const series of ["host.*", undefined]) {
    const query = { from: iso(end - seconds), to: iso(end), step, ...(series !== undefined && { series }) };
    const times: number[] = [];
    for (let i = 0; i < 9; i++) {
      const began = performance.now();
      await charts.chart("server-0", query);
      times.push(performance.now() - began);
    }
    report({ name: `chart of a ${name}`, series: series ?? "all", milliseconds: rounded(median(times)) });
  }
}
const ids = Array.from({ length: servers }, (_, i) => `server-${i}`);
const began = performance.now();
await createHistory(charts, now).of(ids);
report({ name: "last hour of all servers", servers, milliseconds: rounded(performance.now() - began) });
await store.close();
await client.close();

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** User and system time of this process: the engine is another one. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function report(figure: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify({ bench: "series-clickhouse", ...figure }));
}
