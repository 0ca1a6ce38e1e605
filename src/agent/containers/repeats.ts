/**
 * Messages that an engine sends again. Docker's follower compares the size of a log's new file with that of the full one
 * before it, takes it for cut off, and reads it from its beginning once more (moby, loggerutils/follow.go): behind each
 * rotation, `docker logs --follow` repeats what it had read of the new file. Such a message has, to the nanosecond, the
 * time of one that was seen; one that was written after the host's clock was set back has not. Pure.
 */
import { parseInstant } from "#src/lib/instant.ts";

/** Messages that are remembered; a follower that is further behind when it comes to a new file is told by the clock. */
const remembered = 8192;
const firstSize = 64;

export type Repeats = {
  /** Whether a message comes again; else it is remembered. `whole`: it ends its line. */
  has(at: string, message: Buffer, whole: boolean): boolean;
};

/** @param now the time, RFC 3339 with as many digits as the messages have */
export function createRepeats(now: () => string): Repeats {
  /** nanoseconds since `base`: exact for a hundred days, and a double takes a quarter of what the text does */
  let times = new Float64Array(firstSize);
  let used = 0;
  /** the oldest one, once there are as many as can be */
  let next = 0;
  let base = Number.NaN;
  /** the first message's: nothing before it can come again */
  let first = Number.NEGATIVE_INFINITY;
  let newest = "";
  /** messages with that time */
  let newestCount = 0;
  /** all up to the newest is on its way once more, and so many with its time have come */
  let repeating = false;
  let again = 0;
  /** of the newest message, when it was a whole line */
  let newestHash = -1;

  function numberOf(at: string): number {
    const ms = parseInstant(at);
    if (Number.isNaN(base)) {
      base = ms;
      first = Number(at.slice(23, 29));
    }
    return (ms - base) * 1e6 + Number(at.slice(23, 29));
  }

  function remember(time: number): void {
    if (used === remembered) {
      times[next] = time;
      next = (next + 1) % remembered;
      return;
    }
    if (used === times.length) {
      const larger = new Float64Array(times.length * 2);
      larger.set(times);
      times = larger;
    }
    times[used++] = time;
  }

  function wasSeen(time: number): boolean {
    const known = times.subarray(0, used);
    if (known.includes(time)) return true;
    if (used < remembered || time < first || now() < newest) return false;
    // older than all that is remembered: unless the clock itself was set back, it is from the beginning of a long file
    return known.every((other) => time < other);
  }

  return {
    has(at, message, whole) {
      const time = numberOf(at);
      if (at < newest) {
        if (repeating) return true;
        if (wasSeen(time)) {
          // all that follows, up to the newest, comes again as well
          repeating = true;
          again = 0;
          return true;
        }
      } else {
        const hash = whole ? Bun.hash.xxHash32(message) : -1;
        if (at === newest) {
          if (repeating && ++again <= newestCount) return true;
          // two lines have one time only where the clock is coarse; the parts of a line have one always
          const fine = at.slice(26, 29) !== "000";
          if (whole && fine && hash === newestHash) return true;
          newestCount++;
        } else {
          newestCount = 1;
        }
        repeating = false;
        newest = at;
        newestHash = hash;
      }
      remember(time);
      return false;
    },
  };
}
