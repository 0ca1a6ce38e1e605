/** The stretches of time that a search asks for one after the other: first a short one, then longer and longer ones. */
import type { Order } from "../../log-port.ts";
import type { Spread } from "./spread.ts";

/**
 * By how much the next one is longer when one was answered in so many milliseconds: what is stopped for want of time has
 * been for nothing, and who searches wants to see how far it is.
 */
const growths = [
  { withinMs: 100, growth: 16 },
  { withinMs: 400, growth: 4 },
  { withinMs: 1500, growth: 1 },
  { withinMs: Infinity, growth: 0.5 },
] as const;
/** By how much shorter one is tried when one took too long. */
const shrinkage = 16;
const dayMs = 86_400_000;
/** Of what is longer, all is asked for, in milliseconds. */
const longestMs = 1000 * 366 * dayMs;

/** Times from `fromMs` to before `toMs`; infinite: there is no limit. */
export type Stretch = { readonly fromMs: number; readonly toMs: number };

export type Stretches = {
  /** What comes after all that is known; null: nothing. */
  next(): Stretch | null;
  /** All of the last stretch is known; it took so many milliseconds. */
  finish(tookMs: number): void;
  /** The last stretch was cut at a time: as much as could be taken at once came before it, or with it. */
  cut(ms: number): void;
  /** The last stretch was too long. @returns whether it can be shorter */
  shorten(): boolean;
  /** Where everything is known up to; null: nowhere yet. */
  reached(): number | null;
};

/**
 * @param limits what there is to be asked for
 * @param rows how many rows the first stretch should have, of all that are stored
 */
export function createStretches(order: Order, limits: Stretch, spread: Spread, rows: number): Stretches {
  const newest = order === "newest";
  const { firstMs, lastMs } = spread;
  let { fromMs, toMs } = limits;
  const density = newest ? spread.late : spread.early;
  // the whole at once when it is not much
  let width = spread.rows <= rows || density === 0 ? Infinity : Math.max(1, Math.ceil(rows / density));
  // what is outside of where entries are expected is asked for at once, unless that has taken too long
  let careful = false;
  let last: Stretch | null = null;
  let reached: number | null = null;

  function newestFirst(): Stretch {
    const end = Math.min(toMs, lastMs + 1);
    // what is dated ahead is asked for with the first stretch, unless that has taken too long
    if (careful && end < toMs) return { fromMs: Math.max(fromMs, end), toMs };
    const from = end - width;
    return { fromMs: isRest() || (!careful && from <= firstMs) ? fromMs : Math.max(fromMs, from), toMs };
  }

  function oldestFirst(): Stretch {
    const begin = Math.max(fromMs, firstMs);
    if (careful && begin > fromMs) return { fromMs, toMs: Math.min(toMs, begin) };
    const to = begin + width;
    return { fromMs, toMs: isRest() || (!careful && to > lastMs) ? toMs : Math.min(toMs, to) };
  }

  const isRest = (): boolean => width > longestMs;

  return {
    next: () => (last = fromMs >= toMs ? null : newest ? newestFirst() : oldestFirst()),
    finish(tookMs) {
      if (last === null) return;
      if (newest) reached = toMs = last.fromMs;
      else reached = fromMs = last.toMs;
      width = Math.max(1, Math.ceil(width * (growths.find(({ withinMs }) => tookMs <= withinMs)?.growth ?? 1)));
    },
    cut(ms) {
      if (last === null) return;
      // about as much again
      width = Math.max(1, newest ? Math.min(last.toMs, lastMs + 1) - ms : ms - Math.max(last.fromMs, firstMs));
      // of that millisecond, some may be left
      if (newest) reached = toMs = Math.min(toMs, ms + 1);
      else reached = fromMs = Math.max(fromMs, ms);
    },
    shorten() {
      const now = isRest() ? Math.max(dayMs, lastMs - firstMs) : width;
      const isOutside = last !== null && (newest ? last.fromMs > lastMs : last.toMs <= firstMs);
      if (careful && (now <= 1 || isOutside)) return false;
      careful = true;
      width = Math.max(1, Math.floor(now / shrinkage));
      return true;
    },
    reached: () => reached,
  };
}
