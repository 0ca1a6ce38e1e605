/** What a process has taken of the machine's memory. See proc_pid_status(5). */
import { readFileSync } from "node:fs";

const mebibyte = 1024;

/** The most that it ever had resident, in MiB. */
export function peakRssMiB(pid: number): number {
  return field(pid, "VmHWM") / mebibyte;
}

function field(pid: number, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(found ?? Number.NaN);
}
