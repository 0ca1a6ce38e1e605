/**
 * The embedded log store: `logs.db`. A delivery is one row as it came, its sender's ranges and the position counter change
 * in the same transaction, so that a kill at any moment leaves all of it or nothing. In the background rows become blocks.
 */
import type { Database } from "bun:sqlite";
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { numberColumns } from "#src/protocol/columns/number.ts";
import { release, releaseColumns } from "#src/protocol/columns/release.ts";
import { pickColumns } from "#src/protocol/columns/stretch.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import { type Chunk, chunksOf, rawBytesOf } from "../chunk.ts";
import { createCommits } from "../commits.ts";
import { openDatabase } from "../database.ts";
import { type SenderRow, batchKey, createSenders, rememberBatch, writeSender } from "../deliveries.ts";
import { createListeners } from "../listeners.ts";
import type { BlockStore } from "../log-port.ts";
import type { Appended, LogBatch } from "../port.ts";
import { admit, highest } from "../seen.ts";
import { createBlockRows } from "./block-rows.ts";
import { createCompaction } from "./compaction.ts";
import { exportText } from "./export.ts";
import { extentSince } from "./extent.ts";
import { readArrived } from "./arrived.ts";
import { createHotRows } from "./hot-rows.ts";
import { checkAll } from "./integrity.ts";
import { createMerging } from "./merging.ts";
import { createNames } from "./names.ts";
import { giveBack, pruneBlocks, usedBytes } from "./pruning.ts";
import { repairAll } from "./repair.ts";
import type { BlockReader, Columns, PieceLimits } from "./reader-port.ts";
import { openBlockReader } from "./reader.ts";
import { blockMigrations } from "./tables.ts";
import { createTurns } from "./turns.ts";

/** Bytes of an entry's columns beside its text. */
const memoryOfEntry = 24;
/** Old blocks are pressed one at a time with this pause between them, so that a busy hub hardly notices. */
const pressPauseMs = 200;
/** And looked for again this much later when there was none. */
const pressAgainMs = 600_000;

/** The store without its searches, and what those read by. */
export type Blocks = Omit<
  BlockStore,
  "search" | "histogram" | "top" | "context" | "export" | "arrivalTest" | "arrivedText" | "close"
> & {
  close(): void;
  /** Connections of their own for searches; every thread opens its own by `openBlockReader(file)`. */
  readonly reader: BlockReader;
  readonly file: string;
  /** The newest number of an origin's entries; -1: none. */
  lastSeq(serverId: string): number;
  /** NDJSON of whole entries, oldest first; `matches` decides about what the limits let through. */
  export(limits: PieceLimits, matches: (columns: Columns, index: number) => boolean): AsyncIterable<Uint8Array>;
};

/**
 * Opens `logs.db` below `folder`. What fails in the background is told to `onFailure` and tried again; `tell` hears of a
 * copy that is made before its tables are changed. Rejects with a Fault `failed` when it can't be opened.
 */
export async function openBlocks(
  folder: string,
  clock: Clock,
  onFailure: (error: unknown) => void,
  tell?: (message: string) => void,
): Promise<Blocks> {
  const file = join(folder, "logs.db");
  const { database } = await openDatabase(file, blockMigrations, tell);
  const statements = prepare(database);
  const senders = createSenders((id) => statements.sender.get(id));
  const origins = createNames(database, "origins");
  const sources = createNames(database, "sources");
  const blocks = createBlockRows(database, origins, sources);
  const hot = createHotRows(database, sources);
  const followers = createListeners<[Arrived]>(fail);
  const turns = createTurns();
  const reader = openBlockReader(file);
  // whatever became of the counter, none is given twice
  let head = Math.max(statements.counter.get("position")?.value ?? 0, statements.lastPosition.get()?.value ?? 0);
  let stagedHead = head;
  let staged: Arrived[] = [];
  const life = { closed: false };
  let cancelPress: (() => void) | undefined;
  let joining: Promise<void> | undefined;

  const commits = createCommits(
    database,
    {
      commit() {
        senders.commit();
        if (staged.length === 0) return;
        const arrived = staged;
        staged = [];
        head = stagedHead;
        for (const one of arrived) compaction.add(one);
        for (const one of arrived) followers.tell(one);
      },
      rollback() {
        senders.rollback();
        // ids given within the transaction are gone with it
        origins.forget();
        sources.forget();
        staged = [];
        stagedHead = head;
      },
    },
    clock,
  );
  const compaction = createCompaction({ hot, blocks, commits, turns, clock, onFailure: fail, onDone: tidy });
  const merging = createMerging({ database, blocks, commits, turns, clock, onFailure: fail });
  const integrity = { database, blocks, hot, commits, breathe: turns.breathe, now: () => clock.now() };

  const names = { origins, sources };
  const pruning = { database, blocks, hot, commits, turns, names, now: () => clock.now(), head: () => head };

  /** Joins what became many small blocks. */
  function tidy(): void {
    if (!life.closed) keep(joinAll(), fail);
  }

  /** One at a time; who comes meanwhile waits for it. */
  function joinAll(): Promise<void> {
    joining ??= joinNew().finally(() => {
      joining = undefined;
    });
    return joining;
  }

  async function joinNew(): Promise<void> {
    for (let places = merging.next(); places !== null; places = merging.next()) {
      for (const place of places) {
        if (life.closed) return;
        await turns.alone(() => merging.join(place));
        await turns.breathe();
      }
    }
  }

  async function press(): Promise<void> {
    let found = false;
    try {
      found = await turns.alone(merging.pressOne);
    } finally {
      if (!life.closed) pressLater(found ? pressPauseMs : pressAgainMs);
    }
  }

  function pressLater(delayMs: number): void {
    cancelPress = clock.after(delayMs, () => keep(press(), fail));
  }

  function fail(error: unknown): void {
    // work that a closing store interrupts is done by the next one
    if (!life.closed) onFailure(error);
  }

  function stage(serverId: string, chunk: Chunk): void {
    const firstPosition = stagedHead + 1;
    stagedHead += chunk.columns.count;
    hot.put(firstPosition, serverId, chunk);
    staged.push({ serverId, firstPosition, columns: chunk.columns });
  }

  function store({ serverId, batchId, columns, zstd, numberFrom }: LogBatch): Appended {
    const { count } = columns;
    const sender = senders.get(serverId);
    const key = batchId === null ? null : batchKey(batchId);
    if (key !== null && sender.batches.includes(key)) return { accepted: 0, duplicates: count };
    if (numberFrom !== undefined) numberColumns(columns, Math.max(numberFrom, highest(sender.ranges) + 1));
    const { fresh, ranges } = admit(sender.ranges, columns.seqs);
    const accepted = fresh === "all" ? count : fresh.length;
    const chunks = fresh === "all" ? chunksOf(columns, zstd) : chunksOf(pickColumns(columns, fresh), null);
    for (const chunk of chunks) stage(serverId, chunk);
    const next = { ranges, batches: key === null ? sender.batches : rememberBatch(sender.batches, key) };
    senders.set(serverId, next);
    const row = writeSender(serverId, next);
    statements.putSender.run(serverId, row.ranges, row.batches, row.crc);
    statements.putCounter.run("position", stagedHead);
    return { accepted, duplicates: count - accepted };
  }

  pressLater(pressPauseMs * 10);
  // what an earlier run left as it came
  keep(compaction.drain(), fail);

  return {
    file,
    reader,
    async append(batch) {
      const bytes = memoryOf(batch);
      const giveBack = await compaction.room(bytes);
      try {
        return await commits.write(bytes, () => store(batch));
      } finally {
        giveBack();
        // what is stored was copied; at full speed the collector would come too late for a small machine
        releaseColumns(batch.columns);
        if (batch.zstd !== null) release(batch.zstd);
      }
    },
    head: () => head,
    lastSeq: (serverId) => highest(senders.get(serverId).ranges),
    onArrival: followers.add,
    async extentSince(fromMs) {
      using snapshot = reader.snapshot();
      return extentSince(snapshot, fromMs, head);
    },
    arrivalsAfter: (position, upTo) => readArrived(reader.snapshot, position, upTo, fail, turns.breathe),
    waiting: commits.waiting,
    async prune(keeping) {
      // with nothing at hand, rows are all there is; where they can't become blocks (a full disk) they are pruned as they lie
      await compaction.drain().catch(fail);
      return await turns.alone(async () => {
        const lines = await pruneBlocks(pruning, keeping);
        if (lines > 0) compaction.forget();
        return lines;
      });
    },
    async compact() {
      await compaction.drain();
      // a run that began before may have looked already
      await joining;
      await joinAll();
      while (!life.closed && (await turns.alone(merging.pressOne))) await turns.breathe();
      await turns.alone(() => giveBack(database, turns));
    },
    async *check() {
      yield* checkAll(integrity);
    },
    repair: async () =>
      await turns.alone(async () => {
        const repaired = await repairAll(integrity);
        compaction.forget();
        return repaired;
      }),
    async *export(limits, matches) {
      using snapshot = reader.snapshot();
      yield* exportText(snapshot, limits, matches, turns.breathe);
    },
    sizes: () => ({
      lines: statements.lines.get()?.lines ?? 0,
      blocks: statements.lines.get()?.blocks ?? 0,
      bytes: usedBytes(database),
    }),
    close() {
      life.closed = true;
      cancelPress?.();
      compaction.stop();
      commits.flush();
      reader.close();
      database.close(true);
    },
  };
}

function memoryOf({ columns, zstd }: LogBatch): number {
  return rawBytesOf(columns) + columns.count * memoryOfEntry + (zstd?.length ?? 0);
}

function prepare(database: Database) {
  return {
    sender: database.prepare<SenderRow, [string]>("SELECT ranges, batches, crc FROM senders WHERE server = ?"),
    putSender: database.prepare<unknown, [string, string, string, number | null]>(
      "INSERT INTO senders (server, ranges, batches, crc) VALUES (?, ?, ?, ?) ON CONFLICT (server) DO UPDATE SET ranges = excluded.ranges, batches = excluded.batches, crc = excluded.crc",
    ),
    counter: database.prepare<{ value: number }, [string]>("SELECT value FROM counters WHERE name = ?"),
    lastPosition: database.prepare<{ value: number | null }, []>(
      "SELECT max(last_position) AS value FROM (SELECT max(last_position) AS last_position FROM blocks UNION ALL SELECT max(last_position) FROM chunks)",
    ),
    putCounter: database.prepare<unknown, [string, number]>(
      "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    ),
    lines: database.prepare<{ lines: number; blocks: number }, []>(
      "SELECT (SELECT coalesce(sum(lines), 0) FROM blocks) + (SELECT coalesce(sum(last_position - id + 1), 0) FROM chunks) AS lines, (SELECT count(*) FROM blocks) AS blocks",
    ),
  };
}
