/** What the hub knows of itself. */
import type { Family } from "./exposition.ts";
import type { OwnFigure } from "./latest.ts";
import { type StoreFigures, figuresOf } from "./store-figures.ts";

export type { QueueFigures, StoreFigures } from "./store-figures.ts";

const gauge = (name: string, help: string): Family => ({ name, type: "gauge", help });
const counter = (name: string, help: string): Family => ({ name, type: "counter", help });

const families = {
  build: gauge("orion_hub_build_info", "Version of the hub."),
  started: gauge("process_start_time_seconds", "When the hub was started."),
  memory: gauge("process_resident_memory_bytes", "Resident memory of the hub."),
  cpu: counter("process_cpu_seconds_total", "Processor time of the hub."),
  lines: counter(
    "orion_hub_log_lines_total",
    "Log lines that came in since the hub was started, by what became of them.",
  ),
  bytes: counter("orion_hub_log_bytes_total", "Bytes of log lines that came in since the hub was started, as JSON."),
  refused: counter("orion_hub_log_failures_total", "Deliveries of log lines that could not be stored."),
  queue: gauge("orion_hub_log_queue_bytes", "Bytes of log lines that wait to be written."),
  store: gauge("orion_hub_store_bytes", "Size of each database of the hub."),
  diskFree: gauge("orion_hub_disk_free_bytes", "Free space of the disk of the hub's data."),
  diskSize: gauge("orion_hub_disk_size_bytes", "Size of the disk of the hub's data."),
  diskReserve: gauge("orion_hub_disk_reserve_bytes", "Free space below which the oldest log lines go."),
  streams: gauge("orion_hub_open_streams", "Live streams of pages and programs."),
  samples: counter("orion_hub_metric_samples_total", "Samples of metrics that came in since the hub was started."),
  samplesRefused: counter("orion_hub_metric_samples_refused_total", "Samples that were too old, or could not be kept."),
  samplesOpen: gauge("orion_hub_metric_open_bytes", "Memory of samples that are in no block yet."),
  due: gauge("orion_hub_metric_due", "Hours and days of servers that wait to be averaged or packed."),
};

/** What a log store is asked for; each part by whoever plugs it in. */
type Batch = { readonly bytes: number };
type Appended = { readonly accepted: number; readonly duplicates: number };

export type Meter = {
  /** The log store, with what is appended counted. */
  readonly count: <S extends { append(batch: never): Promise<Appended> }>(store: S) => S;
  readonly lines: () => { readonly accepted: number; readonly duplicates: number };
  readonly bytes: () => number;
  readonly failures: () => number;
};

export function createMeter(): Meter {
  let [accepted, duplicates, bytes, failures] = [0, 0, 0, 0];
  return {
    count: (store) => ({
      ...store,
      async append(batch: Batch) {
        try {
          const answer = await store.append(batch as never);
          accepted += answer.accepted;
          duplicates += answer.duplicates;
          bytes += batch.bytes;
          return answer;
        } catch (error) {
          failures++;
          throw error;
        }
      },
    }),
    lines: () => ({ accepted, duplicates }),
    bytes: () => bytes,
    failures: () => failures,
  };
}

export type OwnWorld = {
  readonly version: string;
  readonly startedAtMs: number;
  readonly meter: Meter;
  readonly queueBytes: () => number;
  readonly openStreams: () => number;
  readonly series: () => {
    readonly samples: number;
    readonly refused: number;
    readonly openBytes: number;
    readonly due: number;
  };
  readonly disk: () => { readonly freeBytes: number; readonly sizeBytes: number; readonly reserveBytes: number };
  /** bytes of each database */
  readonly stores: () => Readonly<Record<string, number>>;
  /** what stores tell beside that; none unless told */
  readonly told?: () => readonly StoreFigures[];
};

/** The hub's own figures, as they are when asked. */
export function createOwnFigures(world: OwnWorld): () => readonly OwnFigure[] {
  return () => {
    const { accepted, duplicates } = world.meter.lines();
    const { user, system } = process.cpuUsage();
    const series = world.series();
    const disk = world.disk();
    return [
      { family: families.build, labels: { version: world.version }, value: 1 },
      { family: families.started, value: world.startedAtMs / 1000 },
      { family: families.memory, value: process.memoryUsage.rss() },
      { family: families.cpu, value: (user + system) / 1e6 },
      { family: families.lines, labels: { result: "accepted" }, value: accepted },
      { family: families.lines, labels: { result: "duplicate" }, value: duplicates },
      { family: families.bytes, value: world.meter.bytes() },
      { family: families.refused, value: world.meter.failures() },
      { family: families.queue, value: world.queueBytes() },
      { family: families.diskFree, value: disk.freeBytes },
      { family: families.diskSize, value: disk.sizeBytes },
      { family: families.diskReserve, value: disk.reserveBytes },
      { family: families.streams, value: world.openStreams() },
      { family: families.samples, value: series.samples },
      { family: families.samplesRefused, value: series.refused },
      { family: families.samplesOpen, value: series.openBytes },
      { family: families.due, value: series.due },
      ...Object.entries(world.stores()).map(([file, value]) => ({ family: families.store, labels: { file }, value })),
      ...(world.told?.() ?? []).flatMap(figuresOf),
    ];
  };
}
