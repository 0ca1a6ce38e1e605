/**
 * The last lines of a stream, kept from batch to batch for the lines that stand before an event. Only the end of each
 * batch is copied, so that a line costs nothing here.
 */
import type { LogColumns } from "#src/protocol/log-columns.ts";

/** Lines before an event that are kept with it. */
export const mostBefore = 20;
/** Bytes of each; enough to recognise a line by, and a bound for what all streams hold. */
export const mostBeforeBytes = 1024;

export type Tail = {
  /** bytes that it holds on to */
  size(): number;
  /** Replaces the oldest by the lines at `indexes` (ascending, at most `mostBefore`) of a batch. */
  push(columns: LogColumns, indexes: readonly number[]): void;
  /** The last `count` lines, oldest first. */
  last(count: number): string[];
};

export function createTail(): Tail {
  let bytes: Buffer = Buffer.alloc(0);
  /** where each line ends; the first begins at 0 */
  let ends: number[] = [];

  return {
    size: () => bytes.length,
    push({ text, offsets }, indexes) {
      const kept = Math.min(ends.length, mostBefore - indexes.length);
      const from = kept === ends.length ? 0 : (ends[ends.length - kept - 1] ?? 0);
      const held = kept === 0 ? 0 : (ends.at(-1) ?? 0) - from;
      let added = 0;
      for (const index of indexes) added += lengthOf(offsets, index);
      const target = held + added <= bytes.length ? bytes : Buffer.allocUnsafeSlow(roundUp(held + added));
      if (held > 0) bytes.copy(target, 0, from, from + held);
      const lines = kept === 0 ? [] : ends.slice(ends.length - kept).map((end) => end - from);
      let at = held;
      for (const index of indexes) {
        const begin = offsets[index] as number;
        at += text.copy(target, at, begin, begin + lengthOf(offsets, index));
        lines.push(at);
      }
      bytes = target;
      ends = lines;
    },
    last(count) {
      const lines: string[] = [];
      for (let i = Math.max(0, ends.length - count); i < ends.length; i++)
        lines.push(decodeBefore(bytes, i === 0 ? 0 : (ends[i - 1] as number), ends[i] as number));
      return lines;
    },
  };
}

/** Bytes of a line as they are kept. */
function lengthOf(offsets: Uint32Array, index: number): number {
  return Math.min(mostBeforeBytes, (offsets[index + 1] as number) - 1 - (offsets[index] as number));
}

const roundUp = (bytes: number): number => Math.max(256, 2 ** Math.ceil(Math.log2(bytes)));

/** A line as `before` holds it; a character that the limit cut in two is left out. */
export function decodeBefore(text: Buffer, from: number, to: number): string {
  const line = text.toString("utf8", from, Math.min(to, from + mostBeforeBytes));
  return to - from >= mostBeforeBytes ? line.replace(/\ufffd+$/, "") : line;
}
