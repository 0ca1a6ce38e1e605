/** How many entries of each level a block has in each minute: what histograms are made of without opening it. */
import { levels } from "#src/protocol/log.ts";
import type { PieceCounts } from "./reader-port.ts";
import { createNumberReader, createNumberWriter } from "./varint.ts";

const width = levels.length;
const minute = 60_000;
/** A block that spans more minutes than this is counted in longer steps: about 4 KiB at most. */
const mostSteps = 1500;
const stepsMs = [minute, 60 * minute, 24 * 60 * minute, 1000 * 24 * 60 * minute] as const;

/** Counts of entries whose times rise. */
export function countLines(times: ArrayLike<number>, ranks: ArrayLike<number>): PieceCounts {
  for (const stepMs of stepsMs) {
    const counted = countIn(times, ranks, stepMs);
    if (counted.steps.length <= mostSteps || stepMs === stepsMs.at(-1)) return counted;
  }
  return { stepMs: minute, steps: new Float64Array(0), counts: new Uint32Array(0) };
}

function countIn(times: ArrayLike<number>, ranks: ArrayLike<number>, stepMs: number): PieceCounts {
  const steps: number[] = [];
  const counts: number[] = [];
  let end = -Infinity;
  let base = -width;
  for (let i = 0; i < times.length; i++) {
    const ms = times[i] as number;
    if (ms >= end) {
      const begin = Math.floor(ms / stepMs) * stepMs;
      end = begin + stepMs;
      steps.push(begin);
      base += width;
      for (let level = 0; level < width; level++) counts.push(0);
    }
    const at = base + (ranks[i] as number);
    counts[at] = (counts[at] as number) + 1;
  }
  return { stepMs, steps: Float64Array.from(steps), counts: Uint32Array.from(counts) };
}

export function writeCounts({ stepMs, steps, counts }: PieceCounts): Uint8Array {
  const writer = createNumberWriter(steps.length * (width + 1) + 16);
  writer.unsigned(stepMs);
  writer.unsigned(steps.length);
  let last = 0;
  steps.forEach((begin, i) => {
    writer.signed(begin / stepMs - last);
    last = begin / stepMs;
    for (let level = 0; level < width; level++) writer.unsigned(counts[i * width + level] ?? 0);
  });
  return writer.done();
}

/** Throws RangeError when it is damaged. */
export function readCounts(bytes: Uint8Array): PieceCounts {
  const reader = createNumberReader(bytes);
  const stepMs = reader.unsigned();
  const length = reader.unsigned();
  if (length > bytes.length) throw new RangeError("more steps than bytes");
  const steps = new Float64Array(length);
  const counts = new Uint32Array(length * width);
  let last = 0;
  for (let i = 0; i < length; i++) {
    last += reader.signed();
    steps[i] = last * stepMs;
    for (let level = 0; level < width; level++) counts[i * width + level] = reader.unsigned();
  }
  return { stepMs, steps, counts };
}
