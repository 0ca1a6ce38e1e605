/**
 * The embedded log store: `logs.db`. A delivery is one row as it came, its sender's ranges and the position counter change
 * in the same transaction, so that a kill at any moment leaves all of it or nothing. In the background rows become blocks.
 */
import type { Database } from "bun:sqlite";
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { type Chunk, chunksOf } from "../chunk.ts";
import { createCommits } from "../commits.ts";
import { openDatabase } from "../database.ts";
import { batchKey, createSenders, rememberBatch, writeSender } from "../deliveries.ts";
import { createListeners } from "../listeners.ts";
import type { BlockStore } from "../log-port.ts";
import type { Appended, LogBatch } from "../port.ts";
import { admit, highest } from "../seen.ts";
import { createArrivals } from "./arrival.ts";
import { createBlockRows } from "./block-rows.ts";
import { createCompaction } from "./compaction.ts";
import { exportText } from "./export.ts";
import type { Delivered } from "./generation.ts";
import { createHotRows } from "./hot-rows.ts";
import { checkAll, repairAll } from "./integrity.ts";
import { createMerging } from "./merging.ts";
import { createNames } from "./names.ts";
import { giveBack, pruneBlocks, usedBytes } from "./pruning.ts";
import type { BlockReader, Columns, PieceLimits } from "./reader-port.ts";
import { openBlockReader } from "./reader.ts";
import { blockMigrations } from "./tables.ts";
import { createTurns } from "./turns.ts";

/** Bytes of memory that a parsed entry takes beside its text, roughly. */
const memoryOfEntry = 400;
/** Old blocks are pressed one at a time with this pause between them, so that a busy hub hardly notices. */
const pressPauseMs = 200;
/** And looked for again this much later when there was none. */
const pressAgainMs = 600_000;

/** The store without its searches, and what those read by. */
export type Blocks = Omit<BlockStore, "search" | "histogram" | "top" | "context" | "export"> & {
  /** Connections of their own for searches; every thread opens its own by `openBlockReader(file)`. */
  readonly reader: BlockReader;
  readonly file: string;
  /** NDJSON of whole entries, oldest first; `matches` decides about what the limits let through. */
  export(limits: PieceLimits, matches: (columns: Columns, index: number) => boolean): AsyncIterable<Uint8Array>;
};

/**
 * Opens `logs.db` below `folder`. What fails in the background is told to `onFailure` and tried again. Rejects with a
 * Fault `failed` when it can't be opened.
 */
export async function openBlocks(folder: string, clock: Clock, onFailure: (error: unknown) => void): Promise<Blocks> {
  const file = join(folder, "logs.db");
  const { database } = await openDatabase(file, blockMigrations);
  const statements = prepare(database);
  const senders = createSenders((id) => statements.sender.get(id));
  const origins = createNames(database, "origins");
  const sources = createNames(database, "sources");
  const blocks = createBlockRows(database, origins, sources);
  const hot = createHotRows(database, sources);
  const listeners = createListeners();
  const turns = createTurns();
  const reader = openBlockReader(file);
  const arrivals = createArrivals(reader.snapshot, fail);
  let head = statements.counter.get("position")?.value ?? 0;
  let stagedHead = head;
  let staged: Delivered[] = [];
  const life = { closed: false };
  let cancelPress: (() => void) | undefined;

  const commits = createCommits(
    database,
    {
      commit() {
        senders.commit();
        const delivered = staged;
        staged = [];
        for (const one of delivered) {
          compaction.add(one);
          arrivals.add(one);
        }
        if (stagedHead === head) return;
        head = stagedHead;
        listeners.tell();
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
  const merging = createMerging({ database, blocks, commits, turns, now: () => clock.now(), onFailure: fail });
  const integrity = { database, blocks, hot, commits, turns, now: () => clock.now() };

  /** Joins what became many small blocks. */
  function tidy(): void {
    if (!life.closed) keep(joinAll(), fail);
  }

  async function joinAll(): Promise<void> {
    while (!life.closed && (await turns.alone(merging.joinOne))) await turns.breathe();
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

  function stage(serverId: string, chunk: Chunk, entries: LogBatch["entries"], times: ArrayLike<number>): void {
    const first = stagedHead + 1;
    stagedHead += chunk.count;
    hot.put(first, serverId, chunk);
    staged.push({ chunk: first, serverId, entries, times });
  }

  function store(batch: LogBatch): Appended {
    const count = batch.entries.length;
    const sender = senders.get(batch.serverId);
    const key = batch.batchId === null ? null : batchKey(batch.batchId);
    if (key !== null && sender.batches.includes(key)) return { accepted: 0, duplicates: count };
    const { fresh, ranges } = admit(
      sender.ranges,
      batch.entries.map((entry) => entry.seq),
    );
    const { entries, times } =
      fresh === "all"
        ? batch
        : { entries: fresh.flatMap((i) => batch.entries[i] ?? []), times: fresh.map((i) => batch.times[i] ?? 0) };
    const chunks = chunksOf(fresh === "all" ? batch : { entries, times, ndjson: null, zstd: null });
    let from = 0;
    for (const chunk of chunks) {
      const to = from + chunk.count;
      const whole = chunk.count === entries.length;
      const own = Array.from({ length: whole ? 0 : chunk.count }, (_, i) => times[from + i] ?? 0);
      stage(batch.serverId, chunk, whole ? entries : entries.slice(from, to), whole ? times : own);
      from = to;
    }
    const next = { ranges, batches: key === null ? sender.batches : rememberBatch(sender.batches, key) };
    senders.set(batch.serverId, next);
    const row = writeSender(next);
    statements.putSender.run(batch.serverId, row.ranges, row.batches);
    statements.putCounter.run("position", stagedHead);
    return { accepted: entries.length, duplicates: count - entries.length };
  }

  pressLater(pressPauseMs * 10);
  // what an earlier run left as it came
  keep(compaction.drain(), fail);

  return {
    file,
    reader,
    async append(batch) {
      await compaction.room();
      return await commits.write((batch.ndjson?.length ?? 0) + batch.entries.length * memoryOfEntry, () =>
        store(batch),
      );
    },
    after: (position, limit) => arrivals.after(position, limit, head),
    head: () => head,
    lastSeq: (serverId) => highest(senders.get(serverId).ranges),
    onAppend: listeners.add,
    waiting: commits.waiting,
    async prune(beforeMs, maxBytes) {
      const before = typeof beforeMs === "number" ? () => beforeMs : beforeMs;
      // with nothing at hand, rows are all there is; where they can't become blocks (a full disk) they are pruned as they lie
      await compaction.drain().catch(fail);
      return await turns.alone(async () => {
        const lines = await pruneBlocks({ database, blocks, hot, commits, turns }, before, maxBytes);
        if (lines > 0) {
          compaction.forget();
          arrivals.forget();
        }
        return lines;
      });
    },
    async compact() {
      await compaction.drain();
      await joinAll();
      while (!life.closed && (await turns.alone(merging.pressOne))) await turns.breathe();
      await turns.alone(() => giveBack(database, turns));
    },
    async *check() {
      for await (const { block, problem } of checkAll(integrity)) yield { block, problem };
    },
    repair: async () =>
      await turns.alone(async () => {
        const repaired = await repairAll(integrity);
        compaction.forget();
        arrivals.forget();
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

function prepare(database: Database) {
  return {
    sender: database.prepare<{ ranges: string; batches: string }, [string]>(
      "SELECT ranges, batches FROM senders WHERE server = ?",
    ),
    putSender: database.prepare<unknown, [string, string, string]>(
      "INSERT INTO senders (server, ranges, batches) VALUES (?, ?, ?) ON CONFLICT (server) DO UPDATE SET ranges = excluded.ranges, batches = excluded.batches",
    ),
    counter: database.prepare<{ value: number }, [string]>("SELECT value FROM counters WHERE name = ?"),
    putCounter: database.prepare<unknown, [string, number]>(
      "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    ),
    lines: database.prepare<{ lines: number; blocks: number }, []>(
      "SELECT (SELECT coalesce(sum(lines), 0) FROM blocks) + (SELECT coalesce(sum(last_position - id + 1), 0) FROM chunks) AS lines, (SELECT count(*) FROM blocks) AS blocks",
    ),
  };
}
