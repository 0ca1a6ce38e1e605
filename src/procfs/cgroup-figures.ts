/** Figures of a control group, out of its files' lines with the files' names before them, as grep(1) prints those. */
import { parseCount } from "./text.ts";

/** Bytes, and nanoseconds of CPU time since the group was made; null is what the files do not tell. */
export type CgroupFigures = {
  readonly cpuNs: number | null;
  /** without the page cache that the kernel would give up first, as `docker stats` counts */
  readonly memory: number | null;
  /** null: as much as the host has */
  readonly memoryLimit: number | null;
  readonly readBytes: number | null;
  readonly writtenBytes: number | null;
};

/**
 * Parses lines such as `/sys/fs/cgroup/docker/1f/memory.current:8192` of v2 (`cpu.stat`, `memory.current`, `memory.max`,
 * `memory.stat`, `io.stat`; see Documentation/admin-guide/cgroup-v2.rst of the kernel) and of v1 (`cpuacct.usage`,
 * `memory.usage_in_bytes`, `memory.limit_in_bytes`, `memory.stat`, `blkio.throttle.io_service_bytes_recursive`).
 */
export function parseCgroupFigures(text: string): CgroupFigures {
  let cpuNs: number | null = null;
  let usage: number | null = null;
  let cache: number | null = null;
  let ofAll: number | null = null;
  let memoryLimit: number | null = null;
  let readBytes: number | null = null;
  let writtenBytes: number | null = null;
  for (const [, file = "", line = ""] of text.matchAll(/^.*\/([a-z_.]+):(.*)$/gm)) {
    const [first = "", second] = line.split(" ");
    switch (file) {
      case "cpuacct.usage":
        cpuNs = parseCount(first) ?? null;
        break;
      case "cpu.stat":
        if (first === "usage_usec") cpuNs = scaled(second, 1000);
        break;
      case "memory.current":
      case "memory.usage_in_bytes":
        usage = parseCount(first) ?? null;
        break;
      case "memory.max":
      case "memory.limit_in_bytes":
        memoryLimit = parseCount(first) ?? null;
        break;
      case "memory.stat":
        if (first === "inactive_file") cache = scaled(second, 1);
        // of v1, with the groups below it
        if (first === "total_inactive_file") ofAll = scaled(second, 1);
        break;
      case "io.stat":
        readBytes = added(readBytes, / rbytes=(\d+)/.exec(line)?.[1]);
        writtenBytes = added(writtenBytes, / wbytes=(\d+)/.exec(line)?.[1]);
        break;
      case "blkio.throttle.io_service_bytes_recursive":
        readBytes = added(readBytes, / Read (\d+)/.exec(line)?.[1]);
        writtenBytes = added(writtenBytes, / Write (\d+)/.exec(line)?.[1]);
        break;
      // others hold nothing that is asked for here
      default:
    }
  }
  const spare = [ofAll, cache].find((bytes) => bytes !== null && usage !== null && bytes < usage) ?? 0;
  return { cpuNs, memory: usage === null ? null : usage - spare, memoryLimit, readBytes, writtenBytes };
}

function scaled(digits: string | undefined, factor: number): number | null {
  const count = parseCount(digits);
  return count === undefined ? null : count * factor;
}

/** Over all devices. */
function added(sum: number | null, digits: string | undefined): number | null {
  const count = parseCount(digits);
  return count === undefined ? sum : (sum ?? 0) + count;
}
