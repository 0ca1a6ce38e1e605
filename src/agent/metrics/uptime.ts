/** Seconds since the host was booted. */
import type { SystemMetrics } from "#src/protocol/heartbeat.ts";
import { parseUptime } from "#src/procfs/uptime.ts";
import type { Collector, World } from "./collector.ts";
import { readParsed } from "./text-files.ts";

export function createUptimeCollector({ procPath, files }: World): Collector<SystemMetrics["uptime"]> {
  return {
    what: "uptime",
    blank: null,
    open: () => () => readParsed(files, `${procPath}/uptime`, parseUptime),
  };
}
