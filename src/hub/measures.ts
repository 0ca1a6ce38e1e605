/** What is measured, plugged together: the store of series, what goes into it, and what is made of it. */
import { statSync } from "node:fs";
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { version } from "#src/protocol/version.ts";
import type { SeriesRetention } from "#src/protocol/series.ts";
import type { Disk } from "./disk.ts";
import { createApplicationMetrics, createCharts, createRecorder } from "./metrics/metrics.ts";
import { createHistory } from "./metrics/history.ts";
import { type LatestServer, latestFigures } from "./metrics/latest.ts";
import { type StoreFigures, createMeter, createOwnFigures } from "./metrics/own.ts";
import type { HubSettings } from "./settings.ts";
import type { Clickhouse } from "./store/clickhouse/client.ts";
import { openClickhouseSeries } from "./store/clickhouse/series.ts";
import type { Cluster } from "./store/cluster/port.ts";
import type { BlockStore } from "./store/log-port.ts";
import type { SeriesFigures, SeriesStore } from "./store/series/port.ts";
import { openSeriesStore } from "./store/series/series.ts";

const dayS = 86_400;
/** Metrics that wait for longer, or take more of their room, are told. */
const longWaitMs = 60_000;
const muchOfRoom = 0.5;

export type MeasuresWorld = {
  readonly settings: Pick<HubSettings, "dataDir" | "retention">;
  /** what of the hub lies in the data folder */
  readonly databases: readonly string[];
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  readonly logs: BlockStore;
  readonly openStreams: () => number;
  readonly disk: Disk;
  /** Tells which server has changed, among them those that are gone. */
  readonly servers: { onChange(listener: (id: string) => void): () => void; get(id: string): unknown };
  /** where metrics are kept; in the data folder without it */
  readonly clickhouse?: Clickhouse | null;
  /** of hubs that share a ClickHouse, one rolls metrics up; without it this one does */
  readonly cluster?: Pick<Cluster, "take">;
  /** what the other stores tell of themselves */
  readonly told?: () => readonly StoreFigures[];
};

export type Measures = Awaited<ReturnType<typeof openMeasures>>;

/** Opens the store of series. Rejects with a Fault that says why it can't. */
export async function openMeasures(world: MeasuresWorld) {
  const { settings, clock, logs, openStreams, servers, disk } = world;
  const { rawDays, fiveMinuteDays, hourlyDays } = settings.retention.metrics;
  const retention = { raw: rawDays * dayS, minutes: fiveMinuteDays * dayS, hours: hourlyDays * dayS };
  const { series, close: closeSeries } = await openSeries(world, retention);
  const now = () => clock.now();
  const meter = createMeter();
  const ownFigures = createOwnFigures({
    version,
    startedAtMs: now(),
    meter,
    queueBytes: () => logs.waiting(),
    openStreams,
    series: () => series.figures(),
    disk: disk.read,
    stores: () => sizesOf(settings.dataDir, world.databases),
    told: () => [...(world.told?.() ?? []), toldOf(series.figures())],
  });
  const charts = createCharts({ ...series, retention, now });
  const history = createHistory(charts, now);
  const forget = servers.onChange((id) => {
    if (servers.get(id) !== undefined) return;
    series.drop(id);
    history.forget(id);
  });
  return {
    charts,
    history,
    /** the log store, with what comes in counted */
    logs: meter.count(logs),
    /** for what comes in */
    intake: { ...createRecorder(series, now), ...createApplicationMetrics(series) },
    expose: (latest: readonly LatestServer[], own: boolean) => latestFigures(latest, own ? ownFigures() : [], now()),
    /** what a person should see to */
    notices: () => noticesOf(series.figures()),
    async close() {
      forget();
      await closeSeries();
    },
  };
}

type Opened = { readonly series: SeriesStore; readonly close: () => Promise<void> };

async function openSeries(world: MeasuresWorld, retention: SeriesRetention): Promise<Opened> {
  const { settings, clock, warn, clickhouse, cluster } = world;
  if (clickhouse == null) {
    const series = await openSeriesStore(settings.dataDir, { clock, retention, warn });
    return { series, close: () => series.close() };
  }
  const { dataDir } = settings;
  const series = await openClickhouseSeries({ client: clickhouse, dataDir, retention, clock, warn });
  if (cluster === undefined) series.duty.begin();
  const giveUp = cluster?.take("metrics", series.duty);
  return {
    series,
    async close() {
      await giveUp?.();
      await series.close();
    },
  };
}

/** What metrics on their way to another engine tell. */
function toldOf({ sending }: SeriesFigures): StoreFigures {
  if (sending === null) return {};
  const { batches, bytes, oldestMs, lost, latencies } = sending;
  return {
    queues: { metrics: { items: batches, bytes, oldestMs } },
    writes: [{ store: "clickhouse", what: "metrics", latencies }],
    dropped: { metrics: lost },
  };
}

function noticesOf({ sending }: SeriesFigures): readonly string[] {
  if (sending === null) return [];
  const { bytes, mostBytes, oldestMs } = sending;
  const isLong = oldestMs !== null && oldestMs > longWaitMs;
  if (!isLong && bytes < muchOfRoom * mostBytes) return [];
  const share = Math.round((bytes / mostBytes) * 100);
  return [
    `metrics have been waiting for ClickHouse for ${Math.round((oldestMs ?? 0) / 1000)} s: they take ${share} % of their room`,
  ];
}

/** What lies in the data folder. */
function sizesOf(dataDir: string, databases: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    databases.flatMap((file) => {
      const size = sizeOf(join(dataDir, file));
      return size === 0 ? [] : [[file, size]];
    }),
  );
}

/** With its log of writes, see sqlite.org/wal.html. */
function sizeOf(file: string): number {
  return [file, `${file}-wal`].reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}
