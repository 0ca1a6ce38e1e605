/** `/proc/meminfo`: memory of the host in bytes. See proc_meminfo(5). */
import { parseCount } from "./text.ts";

export type Memory = {
  readonly total: number;
  /** what programs could still take without swapping */
  readonly available: number;
  /** total - available, what free(1) of procps 4 calls used */
  readonly used: number;
};

/**
 * Parses `/proc/meminfo`; undefined without a total and without anything to tell the available memory from.
 *
 * Kernels before 3.14 have no MemAvailable. For them it is MemFree + Buffers + Cached - Shmem + SReclaimable: what is
 * free, and the caches that the kernel drops when asked (shared memory is in Cached, but can only be swapped). The kernel's
 * own formula, si_mem_available() in mm/show_mem.c, takes off its low-water marks besides, which /proc/meminfo does not tell.
 */
export function parseMeminfo(text: string): Memory | undefined {
  const total = bytesOf(text, "MemTotal");
  const available = bytesOf(text, "MemAvailable") ?? estimateAvailable(text);
  if (total === undefined || total === 0 || available === undefined) return undefined;
  // in some containers (lxcfs) the total is that of the container and the rest of the host
  const within = Math.min(total, Math.max(0, available));
  return { total, available: within, used: total - within };
}

function estimateAvailable(text: string): number | undefined {
  const free = bytesOf(text, "MemFree");
  if (free === undefined) return undefined;
  const part = (name: string) => bytesOf(text, name) ?? 0;
  return free + Math.max(0, part("Buffers") + part("Cached") - part("Shmem")) + part("SReclaimable");
}

/** One line, `Name:   123 kB`; kB are 1024 bytes here. */
function bytesOf(text: string, name: string): number | undefined {
  const key = `${name}:`;
  let at = text.startsWith(key) ? 0 : text.indexOf(`\n${key}`);
  if (at === -1) return undefined;
  if (at > 0 || text.startsWith("\n")) at += 1;
  const end = text.indexOf("\n", at);
  // the unit behind the number proves that the number was not cut; every field in use here has it
  const [, digits] = /^\s*(\d+) kB\s*$/.exec(text.slice(at + key.length, end === -1 ? undefined : end)) ?? [];
  const count = parseCount(digits);
  return count === undefined ? undefined : count * 1024;
}
