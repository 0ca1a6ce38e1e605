/** When the hub that groups makes a snapshot: so that a new hub has little to read, and the log does not grow for ever. */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Copy, Pinned } from "./shared-copy.ts";
import type { ErrorLog, Head, Snapshot } from "./shared-log.ts";
import type { Turn } from "./shared-turn.ts";

/** Of the log in Postgres, some thousand writes: applied within seconds. */
const usualBytes = 16 * 1024 * 1024;
/** A log that grows slowly is cut off once a day. */
const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** A snapshot waits this long for what it holds to be in the log. */
const settleMs = 60_000;

export type SnapshotsWorld = {
  readonly log: ErrorLog;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  readonly everyBytes?: number | undefined;
  readonly save: (pinned: Pinned) => Promise<Snapshot>;
};

export type Snapshots = {
  /** A turn has begun at a head of the log, of which so many bytes came after its newest snapshot. */
  begin(turn: Turn, copy: Copy, head: Head, bytes: number): void;
  /** So many bytes were added. */
  added(bytes: number): void;
  /** Everything was made anew. */
  readonly made: (snapshot: Snapshot) => void;
  end(): void;
};

export function createSnapshots({ log, clock, warn, everyBytes = usualBytes, save }: SnapshotsWorld): Snapshots {
  let current: { readonly turn: Turn; readonly copy: Copy } | undefined;
  let cancel: Cancel | undefined;
  let position = 0;
  let bytes = 0;
  let sinceMs = 0;
  let making = false;

  function look(): void {
    if (current === undefined || making || current.copy.mark().position <= position) return;
    if (bytes < everyBytes && clock.monotonic() - sinceMs < dayMs) return;
    making = true;
    const { turn, copy } = current;
    const done = make(turn, copy).finally(() => (making = false));
    keep(done, (error) => {
      // else it is the business of whoever has the turn now
      if (current?.turn !== turn) return;
      warn(`can't make a snapshot of the error groups, it is tried again: ${reasonOf(error)}`);
    });
  }

  async function make(turn: Turn, copy: Copy): Promise<void> {
    // also when it fails: not again and again
    [bytes, sinceMs] = [0, clock.monotonic()];
    const pinned = copy.pin();
    let snapshot: Snapshot;
    try {
      snapshot = await save(pinned);
    } finally {
      pinned.close();
    }
    let published = false;
    try {
      await turn.settled(settleMs);
      published = await log.publish(turn.term, snapshot);
    } finally {
      if (published) position = snapshot.position;
      else await log.dropParts(snapshot.id);
    }
  }

  function watch(): void {
    cancel = clock.after(hourMs, () => {
      look();
      watch();
    });
  }

  return {
    begin(turn, copy, head, before) {
      current = { turn, copy };
      position = head.snapshot?.position ?? 0;
      [bytes, sinceMs] = [before, clock.monotonic()];
      watch();
      look();
    },
    added(more) {
      bytes += more;
      look();
    },
    made(snapshot) {
      position = snapshot.position;
      [bytes, sinceMs] = [0, clock.monotonic()];
    },
    end() {
      current = undefined;
      cancel?.();
    },
  };
}
