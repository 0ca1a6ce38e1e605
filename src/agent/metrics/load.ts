/** Load averages over 1, 5 and 15 minutes. */
import type { SystemMetrics } from "#src/protocol/heartbeat.ts";
import { parseLoadavg } from "#src/procfs/loadavg.ts";
import { value } from "#src/procfs/reading.ts";
import type { Collector, World } from "./collector.ts";
import { readParsed } from "./text-files.ts";

export function createLoadCollector({ procPath, files }: World): Collector<SystemMetrics["load"]> {
  return {
    what: "load",
    blank: null,
    open: () => () => {
      const load = readParsed(files, `${procPath}/loadavg`, parseLoadavg);
      return load.kind === "value" ? value([...load.value]) : load;
    },
  };
}
