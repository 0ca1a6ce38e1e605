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
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import { median, rounded } from "./process.ts";
import { heartbeat } from "../hub/metrics/heartbeat.ts";

const days = Number(process.argv[2] ?? 365);
const daySeconds = 86_400;
const retention = { raw: 7 * daySeconds, minutes: 90 * daySeconds, hours: 400 * daySeconds };
const stepS = 30;

let seed = 1;
function random(): number {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
  return seed / 0x7fff_ffff;
}
/** Of a normal distribution (Box and Muller). */
function normal(): number {
  return Math.sqrt(-2 * Math.log(random() + 1e-9)) * Math.cos(2 * Math.PI * random());
}

const busy = [8, 2, 0.5, 0.05, 0];
const drifts = busy.map((_, i) => ({
  script: 1e8 * (i + 1),
  container: 2e8 * (i + 1),
  rx: 0,
  tx: 0,
  read: 0,
  written: 0,
}));
let [used, disk, load] = [4e9, 1e11, 1];

/** The heartbeat of a moment. */
function beatAt(atS: number): Heartbeat {
  const day = 1 + 0.8 * Math.sin((atS / daySeconds) * 2 * Math.PI);
  const spread = () => Math.exp(0.4 * normal());
  used = Math.max(1e9, used + normal() * 2e6);
  disk += random() * 2e4;
  load = Math.max(0, 0.9 * load + 0.1 * day + 0.1 * normal());
  const percent = (mean: number) => Math.max(0, mean * day * (1 + 0.4 * normal()));
  const [script, container] = [heartbeat.scripts[0], heartbeat.containers[0]];
  return {
    ...heartbeat,
    system: {
      cpu: { usage: Math.min(100, percent(12) + (random() < 0.02 ? 40 * random() : 0)), cores: 4 },
      memory: { total: 16e9, used, available: 16e9 - used, usage: 0 },
      disk: { path: "/", total: 5e11, used: disk, usage: 0 },
      network: { rxBytes: 0, txBytes: 0, rxRate: 2e5 * day * spread(), txRate: 9e5 * day * spread() },
      load: [load, load * 0.9, load * 0.8],
      uptime: atS,
    },
    scripts: busy.flatMap((mean, i) => {
      const own = drifts[i];
      if (own === undefined || script === undefined) return [];
      if (mean > 0.1) own.script = Math.max(1e6, own.script + normal() * 3e5);
      return [{ ...script, name: `script-${i}`, state: "running" as const, cpu: percent(mean), memory: own.script }];
    }),
    containers: busy.flatMap((mean, i) => {
      const own = drifts[i];
      if (own === undefined || container === undefined) return [];
      if (mean > 0.1) own.container = Math.max(1e6, own.container + normal() * 3e5);
      own.rx += Math.floor(mean * 1e6 * day * spread());
      own.tx += Math.floor(mean * 2e6 * day * spread());
      own.read += random() < 0.1 ? Math.floor(mean * 1e5 * random()) : 0;
      own.written += random() < 0.5 ? 4096 * Math.floor(4 * mean * random()) : 0;
      const network = { rxBytes: own.rx, txBytes: own.tx };
      const blockIo = { readBytes: own.read, writtenBytes: own.written };
      const usage = own.container;
      return [
        { ...container, source: `container-${i}`, cpu: percent(mean), memory: { usage, limit: 1e9 }, network, blockIo },
      ];
    }),
  };
}

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
  const charts = createCharts({ read: (origin, query) => store.read(origin, query), retention, now: () => nowMs });
  for (const [name, seconds] of [
    ["hour", 3600],
    ["day", daySeconds],
    ["week", 7 * daySeconds],
    ["month", 30 * daySeconds],
    ["year", 365 * daySeconds],
  ] as const) {
    for (const wanted of ["host.*", undefined]) {
      const from = new Date(endMs - seconds * 1000).toISOString();
      const times = Array.from({ length: 9 }, () => {
        const started = cpuMs();
        charts.chart("server", { from, to, ...(wanted !== undefined && { series: wanted }) });
        return cpuMs() - started;
      });
      report({ name: `chart of a ${name}`, series: wanted ?? "all", cpuMilliseconds: rounded(median(times)) });
    }
  }
  store.close();
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
