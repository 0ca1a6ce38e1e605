/** Which release fits this machine. The same names and choices as install.sh. */
import { readFileSync } from "node:fs";

export type Machine = {
  /** Node's name of the CPU */
  readonly arch: string;
  /** what /proc/cpuinfo says; empty where it is hidden */
  readonly cpuinfo: string;
  /** /proc/self/maps: names the C library that this program runs with */
  readonly maps: string;
};

/** This machine, as far as procfs tells. */
export function readMachine(): Machine {
  return { arch: process.arch, cpuinfo: readText("/proc/cpuinfo"), maps: readText("/proc/self/maps") };
}

/** The name of the release for a machine: `x64`, `x64-baseline` (no AVX2), `arm64`, `x64-musl`, `arm64-musl`. Pure. */
export function platformOf({ arch, cpuinfo, maps }: Machine): string {
  const cpu = arch === "arm64" ? "arm64" : "x64";
  if (/\/(?:ld-musl|libc\.musl)-/.test(maps)) return `${cpu}-musl`;
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(" ") ?? [];
  return cpu === "x64" && !flags.includes("avx2") ? "x64-baseline" : cpu;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // hidden: the most modest release is chosen
    return "";
  }
}
