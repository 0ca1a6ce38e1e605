/**
 * The store of metrics: what a year of one server takes, what a sample costs, how fast a chart is there. A server has 5
 * scripts and 5 containers, 65 series, whose numbers drift, jitter and burst as real ones do; a sample every 30 s.
 * `bun test/bench/series.ts [DAYS]` (365 unless told); one JSON line a figure.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Database } from "bun:sqlite";

import { createCharts } from "#src/hub/metrics/metrics.ts";
import { sampleOf } from "#src/hub/metrics/sample.ts";
import type { SeriesStore } from "#src/hub/store/series/port.ts";
import { openSeriesStore } from "#src/hub/store/series/series.ts";
import type { Clock } from "#src/lib/clock.ts";
import { median, rounded } from "./process.ts";
import { beatAt, stepS } from "./series-beats.ts";

const days = Number(process.argv[2] ?? 365);
const daySeconds = 86_400;
const retention = { raw: 7 * daySeconds, minutes: 90 * daySeconds, hours: 400 * daySeconds };

/** Heartbeats of so many servers for so long: what one costs in all, with its share of the journal, blocks and averages. */
function measureFleet(store: SeriesStore): void {
  const [servers, hours] = [500, 3];
  const beats = Array.from({ length: 50 }, (_, i) => beatAt(i * stepS));
  const rounds = (hours * 3600) / stepS;
  let [taking, total] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    for (let slot = 0; slot < stepS; slot += 2) {
      const started = cpuMs();
      const [first, last] = [slot, slot + 2].map((second) => Math.floor((second / stepS) * servers));
      for (let server = first ?? 0; server < (last ?? 0); server++) {
        const beat = beats[(round + server) % beats.length];
        if (beat === undefined) continue;
        const { subjects, values } = sampleOf(beat);
        store.append(`fleet-${server}`, nowMs, subjects, values);
      }
      taking += cpuMs() - started;
      nowMs += 2000;
      runDue();
      total += cpuMs() - started;
    }
  }
  const samples = rounds * servers;
  report({
    name: "cost of a sample",
    servers,
    hours,
    takingMicroseconds: rounded((taking / samples) * 1000),
    inAllMicroseconds: rounded((total / samples) * 1000),
    percentOfOneCoreAt334: rounded((334 * total * 100) / samples / 1000),
  });
}

const folder = mkdtempSync(join(tmpdir(), "orion-bench-"));
let nowMs = Date.parse("2026-01-01T00:00:00.000Z");
const timers: { readonly at: number; readonly run: () => void }[] = [];
const clock: Clock = {
  now: () => nowMs,
  monotonic: () => nowMs,
  after(delayMs, run) {
    const timer = { at: nowMs + delayMs, run };
    timers.push(timer);
    return () => void timers.splice(timers.indexOf(timer), 1);
  },
};
function runDue(): void {
  for (let i = timers.findIndex(({ at }) => at <= nowMs); i !== -1; i = timers.findIndex(({ at }) => at <= nowMs)) {
    timers.splice(i, 1)[0]?.run();
  }
}

try {
  const store = await openSeriesStore(folder, { clock, retention, warn: (message) => console.error(message) });
  const samples = Math.floor((days * daySeconds) / stepS);
  let series = 0;
  for (let i = 0; i < samples; i++) {
    const beat = beatAt(i * stepS);
    const { subjects, values } = sampleOf(beat);
    store.append("server", nowMs, subjects, values);
    series = values.length;
    nowMs += stepS * 1000;
    runDue();
  }
  const to = new Date(nowMs).toISOString();
  const endMs = nowMs;
  nowMs += 4 * 3600 * 1000;
  for (let i = 0; i < 20; i++) {
    nowMs += 2000;
    runDue();
  }
  const file = join(folder, "metrics.db");
  const tiers = [0, 300, 3600].map((tier) => {
    using database = new Database(file, { readonly: true });
    const row = database
      .query<{ bytes: number; blocks: number }, [number]>(
        "SELECT coalesce(sum(length(body)), 0) AS bytes, count(*) AS blocks FROM blocks WHERE tier = ?",
      )
      .get(tier);
    return { tier, ...row };
  });
  using database = new Database(file);
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  report({ name: "size", days, series, fileMB: rounded(statSync(file).size / 1e6), tiers });
  measureFleet(store);
  const charts = createCharts({ ...store, retention, now: () => nowMs });
  for (const [name, seconds] of [
    ["hour", 3600],
    ["day", daySeconds],
    ["week", 7 * daySeconds],
    ["month", 30 * daySeconds],
    ["year", 365 * daySeconds],
  ] as const) {
    for (const wanted of ["host.*", undefined]) {
      const from = new Date(endMs - seconds * 1000).toISOString();
      const times: number[] = [];
      for (let i = 0; i < 9; i++) {
        const started = cpuMs();
        await charts.chart("server", { from, to, ...(wanted !== undefined && { series: wanted }) });
        times.push(cpuMs() - started);
      }
      report({ name: `chart of a ${name}`, series: wanted ?? "all", cpuMilliseconds: rounded(median(times)) });
    }
  }
  await store.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** User and system time of this process: other work on the machine doesn't count. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function report(figure: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify({ bench: "series", ...figure }));
}
