/** `/proc/PID/auxv`: what the kernel told a program at its start. See getauxval(3). */

export type Auxiliary = {
  /** bytes of a memory page: the unit of `rssPages`; 4096 mostly, up to 65536 on arm64 */
  readonly pageSizeBytes: number;
  /** clock ticks a second: the unit of `cpuTicks` and `startTicks` */
  readonly ticksPerSecond: number;
};

const AT_NULL = 0n;
const AT_PAGESZ = 6n;
const AT_CLKTCK = 17n;

/** Parses the pairs of 64-bit words of a little-endian machine (x86-64, arm64); undefined when one of the two values is missing. */
export function parseAuxv(bytes: Uint8Array): Auxiliary | undefined {
  const found = new Map<bigint, number>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 16 <= bytes.byteLength; at += 16) {
    const key = view.getBigUint64(at, true);
    if (key === AT_NULL) break;
    found.set(key, Number(view.getBigUint64(at + 8, true)));
  }
  const pageSizeBytes = found.get(AT_PAGESZ) ?? 0;
  const ticksPerSecond = found.get(AT_CLKTCK) ?? 0;
  return pageSizeBytes > 0 && ticksPerSecond > 0 ? { pageSizeBytes, ticksPerSecond } : undefined;
}
