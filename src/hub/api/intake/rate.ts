/**
 * How fast a source may log: a bucket of lines and one of bytes, each refilled at its rate. What a delivery holds is
 * known only once it is here, so a delivery is let in while its source owes nothing, and may put it into debt; the next
 * one waits until the debt is paid. No delivery is ever too large to be let in at all.
 */
import type { Clock } from "#src/lib/clock.ts";

export type RateLimits = {
  readonly linesPerSecond: number;
  /** lines that may come at once after a rest */
  readonly burstLines: number;
  /** bytes of JSON, after decompression */
  readonly bytesPerSecond: number;
  readonly burstBytes: number;
};

/** Generous: they stop a loop that logs, not an application. */
export const defaultRateLimits: RateLimits = {
  linesPerSecond: 50_000,
  burstLines: 200_000,
  bytesPerSecond: 32 * 1024 * 1024,
  burstBytes: 128 * 1024 * 1024,
};

/** Sources that are remembered; beyond it those that rest are forgotten, which changes nothing for them. */
const maxBuckets = 10_000;
/** How often a source that is held back is named in the log. */
const sayEveryMs = 60_000;

type Bucket = {
  lines: number;
  bytes: number;
  atMs: number;
  refused: number;
  /** when its refusals were last said */
  saidMs: number;
};

export type RateLimiter = {
  /** Seconds until `id` may send again; 0: now. A wait is counted as a refusal of the source called `name`. */
  waitSeconds(id: string, name: string): number;
  /** Counts a delivery that was let in. */
  charge(id: string, lines: number, bytes: number): void;
};

export function createRateLimiter(world: {
  readonly limits: RateLimits;
  readonly clock: Pick<Clock, "monotonic">;
  readonly warn: (message: string) => void;
}): RateLimiter {
  const { limits, clock, warn } = world;
  const buckets = new Map<string, Bucket>();

  /** The bucket as it is now. */
  function refill(id: string): Bucket {
    const now = clock.monotonic();
    const known = buckets.get(id);
    if (known === undefined) {
      if (buckets.size >= maxBuckets) forgetResting(now);
      const { burstLines, burstBytes } = limits;
      const fresh = { lines: burstLines, bytes: burstBytes, atMs: now, refused: 0, saidMs: Number.NEGATIVE_INFINITY };
      buckets.set(id, fresh);
      return fresh;
    }
    const seconds = (now - known.atMs) / 1000;
    known.lines = Math.min(limits.burstLines, known.lines + seconds * limits.linesPerSecond);
    known.bytes = Math.min(limits.burstBytes, known.bytes + seconds * limits.bytesPerSecond);
    known.atMs = now;
    return known;
  }

  /** Forgets full buckets, or all if there is no full one: a bound that holds is worth a burst too many. */
  function forgetResting(now: number): void {
    const fullAfterMs =
      1000 * Math.max(limits.burstLines / limits.linesPerSecond, limits.burstBytes / limits.bytesPerSecond);
    for (const [id, bucket] of buckets) if (now - bucket.atMs >= fullAfterMs && bucket.lines >= 0) buckets.delete(id);
    if (buckets.size >= maxBuckets) buckets.clear();
  }

  return {
    waitSeconds(id, name) {
      const bucket = refill(id);
      if (bucket.lines > 0 && bucket.bytes > 0) return 0;
      const debt = Math.max(-bucket.lines / limits.linesPerSecond, -bucket.bytes / limits.bytesPerSecond, 0);
      bucket.refused++;
      if (bucket.atMs - bucket.saidMs >= sayEveryMs) {
        warn(
          `source ${name} logs faster than ${limits.linesPerSecond} lines or ${limits.bytesPerSecond} bytes a second: ${bucket.refused} of its requests were refused`,
        );
        bucket.saidMs = bucket.atMs;
        bucket.refused = 0;
      }
      return Math.max(1, Math.ceil(debt));
    },
    charge(id, lines, bytes) {
      const bucket = refill(id);
      bucket.lines -= lines;
      bucket.bytes -= bytes;
    },
  };
}
