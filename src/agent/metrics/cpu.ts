/** CPU: the busy share since the reading before, and how many cores are online. */
import type { SystemMetrics } from "#src/protocol/heartbeat.ts";
import { cpuShare } from "#src/procfs/cpu-share.ts";
import { percent } from "#src/procfs/percent.ts";
import { value } from "#src/procfs/reading.ts";
import type { CpuTicks } from "#src/procfs/stat.ts";
import { parseStat } from "#src/procfs/stat.ts";
import type { Collector, World } from "./collector.ts";
import { readParsed } from "./text-files.ts";

type Cpu = SystemMetrics["cpu"];

export function createCpuCollector({ procPath, files }: World): Collector<Cpu> {
  const read = () => readParsed(files, `${procPath}/stat`, parseStat);
  return {
    what: "CPU",
    blank: { usage: null, cores: null },
    open() {
      const first = read();
      let before: CpuTicks | undefined = first.kind === "value" ? first.value.cpu : undefined;
      let usage: number | null = null;
      return () => {
        const stat = read();
        if (stat.kind !== "value") return stat;
        const share = before === undefined ? "went-back" : cpuShare(before, stat.value.cpu);
        // too soon: what was true a moment ago still is, and the next reading has a longer span to look back on
        if (share !== "too-soon") {
          usage = share === "went-back" ? null : percent(share.percent);
          before = stat.value.cpu;
        }
        return value({ usage, cores: stat.value.cores === 0 ? null : stat.value.cores });
      };
    },
  };
}
