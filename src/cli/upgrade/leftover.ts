/** Processes that still run the program of before an upgrade. */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** The command lines of those at `program` whose file was replaced, `pid: words`. Only what this user may see. */
export function oldProcesses(program: string, procPath = "/proc"): string[] {
  return readdirSync(procPath).flatMap((pid) => {
    if (!/^[1-9]\d*$/.test(pid) || pid === String(process.pid)) return [];
    try {
      const path = readlinkSync(`${procPath}/${pid}/exe`);
      // the kernel's word for a file that was replaced; proc_pid_exe(5). `.previous`: the same file by its other name
      if (path !== `${program} (deleted)` && path !== `${program}.previous`) return [];
      const words = readFileSync(`${procPath}/${pid}/cmdline`, "utf8").split("\0").slice(1, -1).join(" ");
      // the guard ends by itself
      return words.startsWith("agent guard ") ? [] : [`${pid}: orion ${words}`];
    } catch {
      // it ended meanwhile, or is somebody else's
      return [];
    }
  });
}
