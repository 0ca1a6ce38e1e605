/** Deliveries that wait, and when a group of them goes on its way. */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { Deque } from "#src/lib/deque.ts";
import { keep } from "#src/lib/keep.ts";
import { release, releaseColumns } from "#src/protocol/columns/release.ts";
import { Fault } from "#src/protocol/fault.ts";
import { rawBytesOf } from "../chunk.ts";
import type { Appended, LogBatch } from "../port.ts";

/** A group has no more than this, unless one delivery alone does; in messages and fields. */
const groupBytes = 8 * 1024 * 1024;
/** ClickHouse makes one part of an insert up to a million rows. */
const groupEntries = 500_000;
/** What all deliveries may take that are not answered yet. */
const mostWaitingBytes = 96 * 1024 * 1024;
/** Bytes of an entry's columns beside its text. */
const memoryOfEntry = 24;

/** Nobody will look at a delivery any more: at full speed the collector would come too late for a small machine. */
export function giveBack({ columns, zstd }: LogBatch): void {
  releaseColumns(columns);
  if (zstd !== null) release(zstd);
}

/** A delivery with whoever waits for it. */
export type Gathered = {
  readonly batch: LogBatch;
  readonly count: number;
  /** monotonic time at which it came */
  readonly sinceMs: number;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: unknown) => void;
};

export type GatheringWorld = {
  readonly clock: Clock;
  /** a delivery waits at most this long for others; asked each time, … */
  readonly gatherMs: () => number;
  /** … and this long for those before it */
  readonly deadlineMs: number;
  /** groups that are on their way at once */
  readonly mostAtOnce: number;
  /** Takes a group; it answers each delivery. Neither promise rejects. */
  readonly carry: (group: readonly Gathered[]) => {
    /** the next one may be begun: their order is settled */
    readonly admitted: Promise<unknown>;
    readonly done: Promise<unknown>;
  };
};

export type Gathering = {
  readonly add: (batch: LogBatch) => Promise<Appended>;
  /** Bytes of what is not answered. */
  readonly waiting: () => number;
  readonly isClosed: () => boolean;
  /** Refuses what waits; resolves when nothing is on its way. */
  readonly close: () => Promise<void>;
};

export function createGathering({ clock, gatherMs, deadlineMs, mostAtOnce, carry }: GatheringWorld): Gathering {
  const queue = new Deque<Gathered & { readonly bytes: number }>();
  const onTheWay = new Set<Promise<unknown>>();
  let queuedBytes = 0;
  let waitingBytes = 0;
  let admitting = false;
  let closed = false;
  let cancelGather: Cancel | undefined;
  let cancelLate: Cancel | undefined;

  /** Begins a group when there is reason to, and looks again when there may be. */
  function advance(): void {
    const oldest = queue.first();
    if (oldest === undefined || admitting || onTheWay.size >= mostAtOnce) return;
    const leftMs = oldest.sinceMs + gatherMs() - clock.monotonic();
    if (leftMs > 0 && queuedBytes < groupBytes && !closed) {
      cancelGather ??= clock.after(leftMs, () => {
        cancelGather = undefined;
        advance();
      });
      return;
    }
    cancelGather?.();
    cancelGather = undefined;
    begin(take());
  }

  function begin(group: readonly Gathered[]): void {
    admitting = true;
    const { admitted, done } = carry(group);
    onTheWay.add(done);
    const next = (change: () => void) => () => {
      change();
      advance();
    };
    keep(
      admitted.then(
        next(() => {
          admitting = false;
        }),
      ),
      () => {},
    );
    keep(done.then(next(() => void onTheWay.delete(done))), () => {});
  }

  function take(): readonly Gathered[] {
    const group: Gathered[] = [];
    let bytes = 0;
    let entries = 0;
    for (let next = queue.first(); next !== undefined; next = queue.first()) {
      if (group.length > 0 && (bytes + next.bytes > groupBytes || entries + next.count > groupEntries)) break;
      queue.shift();
      queuedBytes -= next.bytes;
      bytes += next.bytes;
      entries += next.count;
      group.push(next);
    }
    return group;
  }

  function refuse({ batch, reject }: Gathered, why: string): void {
    giveBack(batch);
    reject(refusal(why));
  }

  /** Refuses what has waited too long: its sender keeps it, and comes again. */
  function refuseLate(): void {
    cancelLate = undefined;
    for (let oldest = queue.first(); oldest !== undefined; oldest = queue.first()) {
      const leftMs = oldest.sinceMs + deadlineMs - clock.monotonic();
      if (leftMs > 0) {
        cancelLate = clock.after(leftMs, refuseLate);
        return;
      }
      queue.shift();
      queuedBytes -= oldest.bytes;
      refuse(oldest, "those before it take too long");
    }
  }

  return {
    async add(batch) {
      const { count } = batch.columns;
      const bytes = rawBytesOf(batch.columns) + count * memoryOfEntry + (batch.zstd?.length ?? 0);
      const isTooMuch = waitingBytes > 0 && waitingBytes + bytes > mostWaitingBytes;
      if (closed || isTooMuch) {
        giveBack(batch);
        throw refusal(closed ? "the hub is shutting down" : "too much is waiting for ClickHouse");
      }
      waitingBytes += bytes;
      try {
        return await new Promise<Appended>((resolve, reject) => {
          queue.push({ batch, count, bytes, sinceMs: clock.monotonic(), resolve, reject });
          queuedBytes += bytes;
          cancelLate ??= clock.after(deadlineMs, refuseLate);
          advance();
        });
      } finally {
        waitingBytes -= bytes;
      }
    },
    waiting: () => waitingBytes,
    isClosed: () => closed,
    async close() {
      closed = true;
      cancelGather?.();
      cancelLate?.();
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        refuse(next, "the hub is shutting down");
      }
      queuedBytes = 0;
      while (onTheWay.size > 0) await Promise.all(onTheWay);
    },
  };
}

/** Why a delivery is not taken now. */
export function refusal(why: string, cause?: unknown): Fault {
  return new Fault("unavailable", `log entries can't be taken now: ${why}`, {
    hint: "Send them again in a moment; nothing is lost while the sender keeps them",
    ...(cause === undefined ? {} : { cause }),
  });
}
