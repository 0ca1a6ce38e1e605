/**
 * Figures of the host, straight from procfs and statfs(2). A list of collectors, each on its own: what one of them can't
 * read is null in the figures and a problem with its cause, and the others go on.
 */
import type { Clock } from "#src/lib/clock.ts";
import type { Reading } from "#src/procfs/reading.ts";
import { failed, value } from "#src/procfs/reading.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { SystemMetrics } from "#src/protocol/heartbeat.ts";
import type { Problem } from "#src/protocol/ipc.ts";
import type { Collector, World } from "./collector.ts";
import { createCpuCollector } from "./cpu.ts";
import { createDiskCollector } from "./disk.ts";
import { createLoadCollector } from "./load.ts";
import { createMemoryCollector } from "./memory.ts";
import { createNetworkCollector } from "./network.ts";
import { createTextFiles } from "./text-files.ts";
import { createUptimeCollector } from "./uptime.ts";

export type MetricsReader = {
  /**
   * Reads everything now, synchronously, in well under a millisecond. The CPU's share and the network's rates are since
   * this reader's read before, at first since it was opened; null when that is too short a time ago to tell.
   */
  read(): SystemMetrics;
};

export type Metrics = {
  /** A reader with a baseline of its own, so that readers don't shorten each other's spans. */
  openReader(): MetricsReader;
  /** What could not be read the last time it was tried. */
  problems(): Problem[];
};

export type MetricsOptions = {
  /** where the host's procfs is mounted */
  readonly procPath: string;
  /** the path whose filesystem is reported */
  readonly diskPath: string;
  readonly clock: Clock;
  /** gets a line when a collector begins to fail or fails for another reason */
  readonly log: { warn(message: string): void };
};

type Collectors = { readonly [Part in keyof SystemMetrics]: Collector<SystemMetrics[Part]> };

/** Builds the collectors; nothing is read before a reader is opened. */
export function createMetrics({ procPath, diskPath, clock, log }: MetricsOptions): Metrics {
  const world: World = { procPath: withoutSlash(procPath), diskPath, clock, files: createTextFiles() };
  const collectors: Collectors = {
    cpu: createCpuCollector(world),
    memory: createMemoryCollector(world),
    disk: createDiskCollector(world),
    network: createNetworkCollector(world),
    load: createLoadCollector(world),
    uptime: createUptimeCollector(world),
  };
  const problems = new Map<string, Problem>();

  function note(what: string, reading: Reading<unknown>): void {
    if (reading.kind !== "failed") {
      problems.delete(what);
      return;
    }
    if (problems.get(what)?.why === reading.why) return;
    problems.set(what, { what: `${what} can't be read`, why: reading.why, todo: reading.todo });
    log.warn(`${what} can't be read: ${reading.why}; ${reading.todo}`);
  }

  function open<T>({ what, blank, open: start }: Collector<T>): () => T {
    const started = guarded(() => value(start()));
    return () => {
      const reading = started.kind === "value" ? guarded(started.value) : started;
      note(what, reading);
      return reading.kind === "value" ? reading.value : blank;
    };
  }

  return {
    openReader() {
      const cpu = open(collectors.cpu);
      const memory = open(collectors.memory);
      const disk = open(collectors.disk);
      const network = open(collectors.network);
      const load = open(collectors.load);
      const uptime = open(collectors.uptime);
      return {
        read: () => ({
          cpu: cpu(),
          memory: memory(),
          disk: disk(),
          network: network(),
          load: load(),
          uptime: uptime(),
        }),
      };
    },
    problems: () => [...problems.values()],
  };
}

/** No collector throws as far as anybody knows; one that does must not take the others along. */
function guarded<T>(read: () => Reading<T>): Reading<T> {
  try {
    return read();
  } catch (error) {
    return failed(reasonOf(error), "this is a fault of the agent: report it with this text");
  }
}

function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, "");
}
