/** The lines of the same stream before one of a batch. Nothing is done until the first event of the batch begins. */
import type { LogColumns } from "#src/protocol/log-columns.ts";
import type { BatchStreams } from "./assembly-streams.ts";
import { decodeBefore, mostBefore, type Tail } from "./assembly-tail.ts";

/** Up to `mostBefore` lines before line `index`, oldest first; `tail` is of its stream, and holds what came before the batch. */
export type Earlier = (index: number, tail: Tail) => readonly string[];

export function createEarlier(columns: LogColumns, batch: BatchStreams): Earlier {
  const { count, text, offsets } = columns;
  let previous: ((index: number) => number) | undefined;
  // events that follow one another have nearly the same lines before them
  const decoded: (string | undefined)[] = [];

  function lineAt(index: number): string {
    return (decoded[index] ??= decodeBefore(text, offsets[index] as number, (offsets[index + 1] as number) - 1));
  }

  return (index, tail) => {
    previous ??= createPrevious(count, batch);
    const lines: string[] = [];
    for (let at = previous(index); at >= 0 && lines.length < mostBefore; at = previous(at)) lines.push(lineAt(at));
    lines.reverse();
    return lines.length === mostBefore ? lines : [...tail.last(mostBefore - lines.length), ...lines];
  };
}

/** The line of the same stream before each one, or -1. */
function createPrevious(count: number, { all, of }: BatchStreams): (index: number) => number {
  if (of === null) return (index) => index - 1;
  const chain = new Int32Array(count);
  const last = new Int32Array(all.length).fill(-1);
  for (let i = 0; i < count; i++) {
    const stream = of[i] as number;
    chain[i] = last[stream] as number;
    last[stream] = i;
  }
  return (index) => chain[index] ?? -1;
}
