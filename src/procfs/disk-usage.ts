/** The figures of a filesystem, out of what statvfs(3), stat(1) or df(1) tell. */
import { percent } from "./percent.ts";
import { parseCount, words } from "./text.ts";

/** Counted in units of `unitBytes`, as statvfs(3) names them. */
export type FilesystemBlocks = {
  readonly unitBytes: number;
  readonly blocks: number;
  /** not in use */
  readonly free: number;
  /** of these, what users other than root may take */
  readonly available: number;
};

/** Bytes, and percent 0-100; null when nothing can be used at all. */
export type DiskUsage = { readonly total: number; readonly used: number; readonly usage: number | null };

/**
 * total: all blocks; used: blocks - free; usage: used / (used + what users other than root may still take), so that 100 %
 * is where programs fail, not where the blocks kept for root are gone too. The same as df(1) but for its rounding up.
 * undefined: filesystems without blocks of their own, such as procfs, have no figures.
 */
export function diskUsage({ unitBytes, blocks, free, available }: FilesystemBlocks): DiskUsage | undefined {
  const total = blocks * unitBytes;
  if (!(total > 0)) return undefined;
  const used = Math.max(0, blocks - free) * unitBytes;
  // a filesystem that is filled into root's share may tell a negative number, as an unsigned one
  const open = available > free ? 0 : available * unitBytes;
  return { total, used, usage: used + open > 0 ? percent((used / (used + open)) * 100) : null };
}

/** Parses what `stat -f -c '%S %b %f %a'` prints (stat(1), of GNU and of busybox); undefined when it is not that. */
export function parseStatFilesystem(text: string): FilesystemBlocks | undefined {
  const fields = words(text);
  const [unitBytes, blocks, free] = fields.map(parseCount);
  if (fields.length !== 4 || unitBytes === undefined || blocks === undefined || free === undefined) return undefined;
  // filled into root's share: a negative number
  return { unitBytes, blocks, free, available: parseCount(fields[3]) ?? 0 };
}

/**
 * Parses what `df -P -k` prints (df(1) of POSIX: a heading, then device, 1024-byte blocks, used, available, capacity and
 * mount point), also when an old df breaks the line behind a long device; undefined when it is not that.
 */
export function parseDf(text: string): FilesystemBlocks | undefined {
  const body = text.slice(text.indexOf("\n") + 1);
  // the device may have blanks in its name, so that the numbers are found by the capacity behind them
  const [, blocks, used, available] = /\s(\d+)\s+(\d+)\s+(-?\d+)\s+(?:\d+%|-)(?:\s|$)/.exec(` ${body}`) ?? [];
  const [total, taken] = [parseCount(blocks), parseCount(used)];
  if (total === undefined || taken === undefined) return undefined;
  return { unitBytes: 1024, blocks: total, free: total - taken, available: parseCount(available) ?? 0 };
}
