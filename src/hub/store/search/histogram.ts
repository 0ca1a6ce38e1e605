/** Counts of entries over time: of whole pieces by their figures where these say enough, of opened ones where not. */
import { levels } from "#src/protocol/log.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import type { BlockReader, Piece, PieceCounts, Snapshot } from "../blocks/reader-port.ts";
import type { Histogram } from "../log-port.ts";
import { readSound } from "./damage.ts";
import { levelsWithin, pieceTestOf } from "./rule.ts";
import { createSelector } from "./select.ts";

/** Buckets when the step is not told, and at most. */
const wantedBuckets = 200;
const maxBuckets = 10_000;
const second = 1000;
const [minute, hour, day] = [60 * second, 3600 * second, 86_400 * second];
/** Steps that people read easily, in milliseconds. */
const steps = [
  ...[0.001, 0.005, 0.01, 0.05, 0.1, 0.5].map((n) => n * second),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * second),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * minute),
  ...[1, 2, 3, 6, 12].map((n) => n * hour),
  ...[1, 7, 30, 365].map((n) => n * day),
];

/** The smallest step that makes at most 200 buckets of a stretch. */
export function chooseStep(fromMs: number, toMs: number): number {
  const buckets = (step: number) => Math.floor((toMs - 1) / step) - Math.floor(fromMs / step) + 1;
  const fits = steps.find((step) => buckets(step) <= wantedBuckets);
  return fits ?? Math.ceil((toMs - fromMs) / (wantedBuckets - 1) / day) * day;
}

/** Steps without a value are there for a pause; what comes last is the answer. */
export function* countOverTime(
  reader: BlockReader,
  selection: LogSelection,
  stepMs: number | null,
  budgetMs: number | null,
  now: () => number = () => performance.now(),
): Generator<undefined, Histogram, void> {
  const endsAt = budgetMs === null ? Infinity : now() + budgetMs;
  const mayMatch = pieceTestOf(selection.query);
  const select = createSelector(selection, "newest");
  using snapshot = reader.snapshot();
  const pieces = [...snapshot.pieces(selection, "newest")];
  const [fromMs, toMs] = stretchOf(selection, pieces);
  const step = stepFor(stepMs, fromMs, toMs);
  const buckets = new Map<number, Float64Array>();
  let partial = false;

  function add(ms: number, level: number, count: number): void {
    const at = Math.floor(ms / step) * step;
    let bucket = buckets.get(at);
    if (bucket === undefined) buckets.set(at, (bucket = new Float64Array(levels.length)));
    bucket[level] = (bucket[level] ?? 0) + count;
  }

  /** True: the figures of the piece said everything. */
  function addFigures(mask: number, counts: PieceCounts | null): boolean {
    if (mask === 0) return true;
    if (counts === null || step % counts.stepMs !== 0) return false;
    for (const [i, at] of counts.steps.entries()) {
      for (let level = 0; level < levels.length; level++) {
        const count = counts.counts[i * levels.length + level] ?? 0;
        if (count > 0 && (mask & (1 << level)) !== 0) add(at, level, count);
      }
    }
    return true;
  }

  for (const piece of pieces) {
    if (now() > endsAt) {
      partial = true;
      break;
    }
    const mask = levelsWithin(selection, piece);
    if (mask !== null && addFigures(mask, countsOf(piece, snapshot))) continue;
    if (!mayMatch(piece, snapshot)) continue;
    const counted = readSound(snapshot, piece, piece.kind === "hot", (columns) => {
      const lines = select(columns, null);
      if (lines.length === 0) return true;
      const { times, levels: ranks } = columns;
      for (const line of lines) add(times[line] ?? 0, ranks[line] ?? 0, 1);
      return true;
    });
    if (counted === null) partial = true;
    yield undefined;
  }
  return { ...filled(buckets, step, fromMs, toMs), partial };
}

const countsOf = (piece: Piece, snapshot: Snapshot) => (piece.kind === "hot" ? null : snapshot.counts(piece));

/** What is asked for, or what there is of it. */
function stretchOf({ fromMs, toMs }: LogSelection, pieces: readonly Piece[]): readonly [number, number] {
  let [first, last] = [Infinity, -Infinity];
  for (const piece of pieces) {
    first = Math.min(first, piece.firstMs);
    last = Math.max(last, piece.lastMs);
  }
  const from = fromMs ?? (pieces.length === 0 ? 0 : Math.min(first, (toMs ?? Infinity) - 1));
  const to = toMs ?? (pieces.length === 0 ? from + 1 : Math.max(last, from) + 1);
  return [from, Math.max(to, from + 1)];
}

/** A step that is told becomes longer where it would make too many buckets. */
export function stepFor(stepMs: number | null, fromMs: number, toMs: number): number {
  if (stepMs === null) return chooseStep(fromMs, toMs);
  const least = Math.ceil((toMs - fromMs) / maxBuckets);
  return stepMs >= least ? stepMs : Math.ceil(least / stepMs) * stepMs;
}

/** Every bucket of the stretch, also the empty ones: a chart draws them. */
export function filled(
  buckets: ReadonlyMap<number, Float64Array>,
  stepMs: number,
  fromMs: number,
  toMs: number,
): Omit<Histogram, "partial"> {
  const all: Histogram["buckets"][number][] = [];
  let total = 0;
  if (buckets.size === 0) return { stepMs, buckets: all, total };
  for (let at = Math.floor(fromMs / stepMs) * stepMs; at < toMs; at += stepMs) {
    const counts: Record<string, number> = {};
    for (const [rank, count] of buckets.get(at)?.entries() ?? []) {
      if (count === 0) continue;
      counts[levels[rank] ?? ""] = count;
      total += count;
    }
    all.push({ fromMs: at, counts });
  }
  return { stepMs, buckets: all, total };
}
