/**
 * What has become of everything that the buffer ever took: acknowledged, dropped, and how far each stream is durable.
 * Changes count at once and are put down by `save`.
 */
import { reasonOf } from "#src/protocol/fault.ts";

import type { Kind } from "./backlog.ts";
import { type Drops, addDrop, subtractDrop, tellDrops } from "./drops.ts";
import type { Home } from "./home.ts";
import { type Progress, readProgress } from "./progress.ts";

/** After a reboot numbers go on this far ahead: entries whose numbers the hub has seen may have died with the power. */
const seqJump = 1_000_000_000;

export type Tally = {
  /** Reads what an earlier process put down in `home`, and writes there from now on. */
  open(home: Home): void;
  /** Puts it down. When that fails, what the hub has acknowledged is merely sent, and so removed, once more. */
  save(): void;
  close(): void;
  /** Whether an entry that is found on disk has been acknowledged or dropped already. */
  isGone(seq: number, kind: Kind): boolean;
  /** The number to go on from, when `newest` is the highest one found on disk; 0: none. */
  lastSeq(newest: number, nowMs: number): number;
  acknowledgedUpTo(seq: number): void;
  droppedUpTo(seq: number, kind: "lines" | "containers"): void;
  countAcknowledged(entries: number): void;
  /** `source` undefined: nobody knows of which. */
  countDropped(entries: number, of?: { readonly source: string; readonly from: number; readonly to: number }): void;
  /** The hub has them after all. */
  countFound(entries: number, source: string): void;
  /** Takes out what was dropped since the last call. */
  takeDrops(): ReturnType<typeof tellDrops>;
  position(source: string, stream: string): number | undefined;
  setPosition(source: string, stream: string, end: number): void;
  /** Where a container's log goes on. */
  containerPosition(id: string): string | undefined;
  /** `seq` is the entry's that the position belongs to: that of an older one doesn't count. */
  setContainerPosition(id: string, position: string, seq: number): void;
  keepContainerPositions(ids: ReadonlySet<string>): void;
  totals(): { readonly acknowledged: number; readonly dropped: number };
};

type Log = { warn(message: string): void };

export function createTally(bootId: string, log: Log): Tally {
  const positions = new Map<string, number>();
  const containers = new Map<string, { readonly seq: number; readonly position: string }>();
  let home: Home | undefined;
  let progress: Progress = {
    version: 1,
    revision: 0,
    bootId,
    acknowledged: 0,
    droppedUpTo: 0,
    containersDroppedUpTo: 0,
    totals: { acknowledged: 0, dropped: 0 },
    drops: {},
    positions: {},
    containers: {},
  };
  let rebooted = false;
  const keyOf = (source: string, stream: string): string => `${source}/${stream}`;

  return {
    open(place) {
      home = place;
      try {
        progress = readProgress(...place.progressPaths) ?? progress;
      } catch (error) {
        log.warn(`${reasonOf(error)}: what was acknowledged is not known, so all that is buffered is sent again`);
      }
      rebooted = progress.bootId !== bootId;
      progress.bootId = bootId;
      for (const [key, position] of Object.entries(progress.positions)) positions.set(key, position);
      for (const [id, place] of Object.entries(progress.containers)) containers.set(id, place);
    },
    save() {
      if (home === undefined) return;
      progress.positions = Object.fromEntries(positions);
      progress.containers = Object.fromEntries(containers);
      try {
        home.progressFile.write(progress);
      } catch (error) {
        log.warn(`${home.progressPaths[0]} can't be written: ${reasonOf(error)}`);
      }
    },
    close() {
      home?.progressFile.close();
      home = undefined;
    },
    isGone(seq, kind) {
      const dropped = { lines: progress.droppedUpTo, containers: progress.containersDroppedUpTo, events: 0 };
      return seq <= Math.max(progress.acknowledged, dropped[kind]);
    },
    lastSeq(newest, nowMs) {
      const { acknowledged, droppedUpTo, containersDroppedUpTo } = progress;
      const highest = Math.max(newest, acknowledged, droppedUpTo, containersDroppedUpTo);
      // a buffer that begins anew must not use numbers again that the hub has seen from an earlier one
      if (highest === 0) return nowMs * 1000;
      return rebooted ? highest + seqJump : highest;
    },
    acknowledgedUpTo(seq) {
      progress.acknowledged = Math.max(progress.acknowledged, seq);
    },
    droppedUpTo(seq, kind) {
      if (kind === "lines") progress.droppedUpTo = Math.max(progress.droppedUpTo, seq);
      else progress.containersDroppedUpTo = Math.max(progress.containersDroppedUpTo, seq);
    },
    countAcknowledged(entries) {
      progress.totals.acknowledged += entries;
    },
    countDropped(entries, of) {
      progress.totals.dropped += entries;
      if (of !== undefined) addDrop(progress.drops, of.source, { count: entries, from: of.from, to: of.to });
    },
    countFound(entries, source) {
      progress.totals.dropped -= entries;
      progress.totals.acknowledged += entries;
      subtractDrop(progress.drops, source, entries);
    },
    takeDrops() {
      const told = tellDrops(progress.drops satisfies Record<string, Drops>);
      progress.drops = {};
      return told;
    },
    position: (source, stream) => positions.get(keyOf(source, stream)),
    setPosition: (source, stream, end) => void positions.set(keyOf(source, stream), end),
    containerPosition: (id) => containers.get(id)?.position,
    setContainerPosition(id, position, seq) {
      if (seq >= (containers.get(id)?.seq ?? 0)) containers.set(id, { seq, position });
    },
    keepContainerPositions(ids) {
      for (const id of containers.keys()) if (!ids.has(id)) containers.delete(id);
    },
    totals: () => progress.totals,
  };
}
