/**
 * The feed of a live tail. It has no queue of its own: its place in the log is its queue, so a reader gets every entry once
 * and in order, also across reconnections. A reader too far behind is taken forward and told how many lines it missed.
 */
import { reasonOf } from "#src/protocol/fault.ts";
import { type Feed, createBell, sseEvent } from "../sse.ts";
import { type Filter, pieceBytes } from "./log-tail-batch.ts";
import type { Servers, TailSource } from "./log-tail-source.ts";

/** Entries that a reader may be behind. A burst of this size reaches it whole. */
export const maxLag = 200_000;
/** Where it goes on when it was further behind, and nothing is at hand. */
const keptLag = 1000;
/**
 * A reader may wait so long for what the hub has no time to give, in milliseconds; when it is further behind then than
 * before, it is taken to what comes now.
 */
const longestHeldMs = 800;
/** Milliseconds that testing one batch may take: an expression that takes longer would stop everybody. */
const longestLookMs = 1000;
/** Milliseconds after which others have their turn. */
const turnMs = 5;
/** What writing and sending take of the hub's time, roughly, in milliseconds. */
const [msOfPiece, msOfMiB] = [0.05, 6];
/** A tail that took less than this of a second, in milliseconds, need not wait behind those of everything. */
const lightMs = 0.15;
/** Positions after which a reader that nothing was for is told where it is, so that it can resume from there. */
const tellAfter = 10_000;

export type LogTail = Feed & {
  /** Its expression took too long, or the log can't be read: it gives nothing any more. */
  ended(): boolean;
};

export type LogTailWorld = {
  readonly source: TailSource;
  /** asked each time, because servers come and go */
  readonly filterNow: () => Filter;
  /** of whom there are entries that the filter lets through; null: of all */
  readonly servers: () => Servers;
  /** whose entries the reader may see now */
  readonly maySee: (serverId: string) => boolean;
  /** called once, when it is closed */
  readonly done: () => void;
};

/** Entries after `from` that the filter lets through. */
export function createLogTail({ source, filterNow, servers, maySee, done }: LogTailWorld, from: number): LogTail {
  const { budget } = source;
  // an id of another store, or of the time before a restore: go on with what comes
  let position = Math.min(from, source.end());
  let toldPosition = position;
  let told = false;
  let ended = false;
  // since when the reader waits; whether that is because the hub has no time, and for how long it has been; how far the
  // reader was behind when that began
  let waitingSince: number | undefined;
  let held = false;
  let heldMs = 0;
  let heldBehind = 0;
  // what writing for it took of the hub's time within the last second, roughly
  let writtenMs = 0;
  let wroteAt = performance.now();
  let pending: string | Uint8Array | undefined;
  const bell = createBell();
  const leave = source.join(() => {
    // while its reader has not taken what it was given, nothing is made for it
    if (waitingSince === undefined || pending !== undefined) return;
    const time = performance.now();
    if (held) heldMs += time - waitingSince;
    waitingSince = time;
    pending = look();
    if (pending !== undefined) bell.ring();
  }, servers);

  function skipTo(to: number): string {
    const missed = { lines: to - position, from: String(position + 1), to: String(to) };
    position = toldPosition = to;
    heldMs = 0;
    return sseEvent("skipped", JSON.stringify(missed), String(to));
  }

  function end(problem: string): string {
    ended = true;
    return sseEvent("problem", JSON.stringify({ problem }));
  }

  /** There is no time for it now. */
  function hold(): void {
    if (heldMs === 0) heldBehind = source.head() - position;
    held = true;
    source.again();
  }

  /** Whether it has waited for too long. Who catches up all the same is let go on. */
  function isHeldUp(): boolean {
    if (heldMs <= longestHeldMs || !budget.busy()) return false;
    if (source.head() - position > heldBehind) return true;
    heldMs = 0;
    return false;
  }

  /** What there is to send now, as far as there is time for it. */
  function look(): string | Uint8Array | undefined {
    held = false;
    if (ended || position >= source.head()) return undefined;
    const newest = source.newest();
    if (source.head() - position > maxLag) return skipTo((newest ?? source.head() - keptLag + 1) - 1);
    if (!budget.looking.ready()) {
      hold();
      return undefined;
    }
    if (newest !== undefined && newest - 1 > position && isHeldUp()) return skipTo(newest - 1);
    try {
      return gather();
    } catch (error) {
      return end(`the log can't be followed: ${reasonOf(error)}`);
    }
  }

  /** Goes from batch to batch until there is enough to send, or nothing more, or no time. */
  function gather(): string | Uint8Array | undefined {
    const filter = filterNow();
    const events: Uint8Array[] = [];
    let [size, spentMs] = [0, 0];
    let problem: string | undefined;
    while (position < source.head() && size < pieceBytes) {
      if (spentMs > turnMs) {
        hold();
        break;
      }
      const next = source.next(position);
      if (next.kind === "later") break;
      if (next.kind === "failed") {
        ({ problem } = next);
        break;
      }
      if (next.kind === "gap") {
        position = next.to;
        continue;
      }
      const { batch } = next;
      const started = performance.now();
      const holds = maySee(batch.arrived.serverId) && batch.holds(filter, position);
      const tookMs = performance.now() - started;
      spentMs += tookMs;
      if (tookMs > longestLookMs) {
        problem = "the query takes too long to follow the log by";
        break;
      }
      const piece = holds && (events.length > 0 || mayWrite()) ? batch.pieceAfter(filter, position) : null;
      if (holds && piece === null) {
        // there is no time to write it out now
        hold();
        break;
      }
      position = piece?.to ?? batch.last;
      if (piece === null) continue;
      events.push(piece.bytes);
      size += piece.bytes.length;
    }
    budget.looking.spend(spentMs);
    if (problem !== undefined) return end(problem);
    if (position >= source.head()) heldMs = 0;
    if (events.length === 0 && position - toldPosition < tellAfter) return undefined;
    toldPosition = position;
    if (events.length === 0) return `id: ${position}\n\n`;
    // not measured: where processors are short, the clock says more of other programs than of this
    const cost = msOfPiece + (size / 2 ** 20) * msOfMiB;
    writtenMs += cost;
    budget.writing.spend(cost);
    const [only] = events;
    return events.length === 1 && only !== undefined ? only : Buffer.concat(events);
  }

  function mayWrite(): boolean {
    const now = performance.now();
    writtenMs *= Math.exp((wroteAt - now) / 1000);
    wroteAt = now;
    return budget.writing.ready() || writtenMs < lightMs;
  }

  return {
    next() {
      // where the tail begins: a reader that saw nothing yet can resume there
      if (!told) {
        told = true;
        return sseEvent("ready", JSON.stringify({ position: String(position) }), String(position));
      }
      waitingSince = undefined;
      const text = pending ?? look();
      pending = undefined;
      return text;
    },
    wait() {
      waitingSince = performance.now();
      return bell.wait();
    },
    close() {
      leave();
      done();
    },
    ended: () => ended,
  };
}
