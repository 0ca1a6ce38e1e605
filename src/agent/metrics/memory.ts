/** Memory of the host. */
import type { SystemMetrics } from "#src/protocol/heartbeat.ts";
import { parseMeminfo } from "#src/procfs/meminfo.ts";
import { percent } from "#src/procfs/percent.ts";
import { value } from "#src/procfs/reading.ts";
import type { Collector, World } from "./collector.ts";
import { readParsed } from "./text-files.ts";

export function createMemoryCollector({ procPath, files }: World): Collector<SystemMetrics["memory"]> {
  return {
    what: "memory",
    blank: { total: null, used: null, available: null, usage: null },
    open: () => () => {
      const memory = readParsed(files, `${procPath}/meminfo`, parseMeminfo);
      if (memory.kind !== "value") return memory;
      return value({ ...memory.value, usage: percent((memory.value.used / memory.value.total) * 100) });
    },
  };
}
