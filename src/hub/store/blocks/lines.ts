/** Entries on their way into a block: columns, and the position of each. */
import { pickColumns } from "#src/protocol/columns/stretch.ts";
import type { LogColumns } from "#src/protocol/log-columns.ts";

export type { Odd } from "#src/protocol/log-columns.ts";

export type Lines = LogColumns & {
  /** order of arrival */
  readonly positions: Float64Array;
};

/** Columns as they arrived, the first at a position. */
export function numberLines(columns: LogColumns, firstPosition: number): Lines {
  const positions = new Float64Array(columns.count);
  for (let i = 0; i < positions.length; i++) positions[i] = firstPosition + i;
  return { ...columns, positions };
}

/** Whether they lie by time, equal times in the order of arrival. */
function isSorted({ count, times, positions }: Lines): boolean {
  for (let i = 1; i < count; i++) {
    const step = (times[i] as number) - (times[i - 1] as number);
    if (step < 0 || (step === 0 && (positions[i] as number) < (positions[i - 1] as number))) return false;
  }
  return true;
}

/** The same by time, equal times in the order of arrival. */
export function sortLines(lines: Lines): Lines {
  if (isSorted(lines)) return lines;
  const { times, positions } = lines;
  const order = Uint32Array.from({ length: lines.count }, (_, i) => i).sort(
    (a, b) => (times[a] as number) - (times[b] as number) || (positions[a] as number) - (positions[b] as number),
  );
  return pickLines(lines, order);
}

/** Those at `order`, in that order. */
function pickLines(lines: Lines, order: Uint32Array): Lines {
  const { positions } = lines;
  return { ...pickColumns(lines, order), positions: Float64Array.from(order, (i) => positions[i] as number) };
}
