/**
 * What the store does beside taking samples and answering: packing samples into blocks, rolling hours up, packing days,
 * and letting go what is old. In slices of a few milliseconds, so that no answer waits long for it.
 */
import type { Database } from "bun:sqlite";

import type { Clock } from "#src/lib/clock.ts";
import { type Blocks, periodOf, startOf } from "./blocks.ts";
import { mergeColumns } from "./column.ts";
import type { Lane, Lanes } from "./lanes.ts";
import { type SeriesRetention, tiers } from "#src/protocol/series.ts";
import type { DueRow, Statements } from "./statements.ts";

const hourS = 3600;
const dayS = 86_400;

/** Samples are packed into a block after this long: sooner, each block holds less and costs more. */
const packAfterMs = 30 * 60_000;
/** Memory of samples in no block; beyond it the oldest are packed early. */
export const maxOpenBytes = 30 * 1024 * 1024;
/** An hour is rolled up when the blocks that hold its end are there, and what comes a little late. */
const settleS = packAfterMs / 1000 + 300;
/** A day is packed when its last hour has been rolled up. */
const packSettleS = 2 * hourS;
/** A day that changed since is packed again, once more of its late samples had time to come. */
const packPauseS = 600;

const sliceMs = 5;
const pruneEveryMs = 60 * 60_000;
/** Old blocks deleted in one slice. */
const pruneStep = 200;
/** Free pages given back to the file system after each. */
const vacuumPages = 500;

/** Numbers of the kinds of work in the table `due`. */
export const work = { rollHour: 1, packDay: 2 } as const;

export type UpkeepWorld = {
  readonly database: Database;
  readonly statements: Statements;
  readonly blocks: Blocks;
  readonly lanes: Lanes;
  readonly retention: SeriesRetention;
  readonly clock: Clock;
  /** cuts the journal off before this row */
  readonly trim: () => void;
};

export type Upkeep = {
  /** Does some of what there is to do. @returns whether there is more. Throws when it can't write; then nothing is lost. */
  readonly slice: () => boolean;
  /** Packs a lane now. */
  readonly pack: (lane: Lane) => void;
};

export function createUpkeep({ database, statements, blocks, lanes, retention, clock, trim }: UpkeepWorld): Upkeep {
  let pruneAt = 0;
  let pruning = false;

  const nowS = () => Math.floor(clock.now() / 1000);

  /** Writes a lane's blocks, and what is to be done about them later. */
  function write({ origin, segments }: Lane): void {
    const columns = [...mergeColumns(segments.map((segment) => segment.columns())).values()];
    if (columns.length === 0) return;
    blocks.addColumns(origin, columns, "soon repacked");
    const hours = new Set<number>();
    for (const { times } of columns) for (const time of times) hours.add(startOf(time, hourS));
    const now = nowS();
    for (const hour of hours) {
      // a point is the end of what a counter did before it, so that the next hour may begin with this one's last
      for (const start of [hour, hour + hourS]) {
        if (start !== hour && !hours.has(start) && !isRolled(origin, start)) continue;
        statements.addDue.run(origin, work.rollHour, start, Math.max(now, start + hourS + settleS));
      }
    }
  }

  function isRolled(origin: number, hour: number): boolean {
    const period = startOf(hour, periodOf[300]);
    return statements.blocksBetween.all(origin, 300, period, period + periodOf[300], hour, hour + hourS).length > 0;
  }

  function oldestLane(): Lane | undefined {
    const lane = lanes.oldest();
    if (lane === undefined) return undefined;
    return clock.monotonic() - lane.sinceMs >= packAfterMs || lanes.memory() > maxOpenBytes ? lane : undefined;
  }

  function pack(lane: Lane): void {
    transact(() => write(lane));
    // not sooner: what could not be written stays in memory and in the journal
    lanes.drop(lane.origin);
    trim();
  }

  function roll({ origin, start_s: hour }: DueRow): void {
    blocks.rollHour(origin, hour);
    const day = startOf(hour, dayS);
    statements.addDue.run(origin, work.packDay, day, Math.max(nowS() + packPauseS, day + dayS + packSettleS));
  }

  /** Does one thing. @returns whether there was anything to do */
  function step(): boolean {
    const lane = oldestLane();
    if (lane !== undefined) {
      pack(lane);
      return true;
    }
    const due = statements.nextDue.get(nowS());
    if (due !== null) {
      transact(() => {
        statements.doneDue.run(due.origin, due.work, due.start_s);
        if (due.work === work.rollHour) roll(due);
        else blocks.packDay(due.origin, due.start_s);
      });
      return true;
    }
    return prune();
  }

  /** @returns whether there was anything to delete */
  function prune(): boolean {
    if (!pruning) {
      if (clock.monotonic() < pruneAt) return false;
      pruning = true;
    }
    const keep = { 0: retention.raw, 300: retention.minutes, 3600: retention.hours } as const;
    for (const tier of tiers) {
      const before = nowS() - keep[tier] - periodOf[tier];
      if (statements.dropOldBlocks.run(tier, before, pruneStep).changes === 0) continue;
      database.run(`PRAGMA incremental_vacuum(${vacuumPages})`);
      return true;
    }
    pruning = false;
    pruneAt = clock.monotonic() + pruneEveryMs;
    return false;
  }

  function transact(run: () => void): void {
    database.run("BEGIN IMMEDIATE");
    try {
      run();
      database.run("COMMIT");
    } finally {
      if (database.inTransaction) database.run("ROLLBACK");
    }
  }

  return {
    pack,
    slice() {
      const end = clock.monotonic() + sliceMs;
      while (step()) if (clock.monotonic() >= end) return true;
      return false;
    },
  };
}
