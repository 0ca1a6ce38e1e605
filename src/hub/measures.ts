/** What is measured, plugged together: the store of series, what goes into it, and what is made of it. */
import { statSync } from "node:fs";
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { version } from "#src/protocol/version.ts";
import type { Disk } from "./disk.ts";
import { createApplicationMetrics, createCharts, createRecorder } from "./metrics/metrics.ts";
import { createHistory } from "./metrics/history.ts";
import { type LatestServer, latestFigures } from "./metrics/latest.ts";
import { createMeter, createOwnFigures } from "./metrics/own.ts";
import type { HubSettings } from "./settings.ts";
import type { BlockStore } from "./store/log-port.ts";
import { openSeriesStore } from "./store/series/series.ts";

const dayS = 86_400;
const databases = ["state.db", "auth.db", "logs.db", "metrics.db", "errors.db"];

export type MeasuresWorld = {
  readonly settings: Pick<HubSettings, "dataDir" | "retention">;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  readonly logs: BlockStore;
  readonly openStreams: () => number;
  readonly disk: Disk;
  /** Tells which server has changed, among them those that are gone. */
  readonly servers: { onChange(listener: (id: string) => void): () => void; get(id: string): unknown };
};

export type Measures = Awaited<ReturnType<typeof openMeasures>>;

/** Opens the store of series. Rejects with a Fault `failed` when it can't be opened. */
export async function openMeasures(world: MeasuresWorld) {
  const { settings, clock, logs, openStreams, servers, disk } = world;
  const { rawDays, fiveMinuteDays, hourlyDays } = settings.retention.metrics;
  const retention = { raw: rawDays * dayS, minutes: fiveMinuteDays * dayS, hours: hourlyDays * dayS };
  const series = await openSeriesStore(settings.dataDir, { clock, retention, warn: world.warn });
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
    stores: () => Object.fromEntries(databases.map((file) => [file, sizeOf(join(settings.dataDir, file))])),
  });
  const charts = createCharts({ read: (origin, query) => series.read(origin, query), retention, now });
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
    expose: (latest: readonly LatestServer[], own: boolean) => latestFigures(latest, own ? ownFigures() : []),
    close() {
      forget();
      series.close();
    },
  };
}

/** With its log of writes, see sqlite.org/wal.html. */
function sizeOf(file: string): number {
  return [file, `${file}-wal`].reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}
