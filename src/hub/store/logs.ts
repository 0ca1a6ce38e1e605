/**
 * The embedded log store: `logs.db`. Each delivery becomes a compressed chunk, its sender's ranges and the position
 * counter change in the same transaction, so that a kill at any moment leaves all of it or nothing.
 */
import type { Database } from "bun:sqlite";
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { type Chunk, chunksOf } from "./chunk.ts";
import { createCommits } from "./commits.ts";
import { openDatabase } from "./database.ts";
import { batchKey, createSenders, rememberBatch, writeSender } from "./deliveries.ts";
import { createListeners } from "./listeners.ts";
import { createLogReader } from "./log-reader.ts";
import { pruneLogs } from "./log-pruning.ts";
import { logMigrations } from "./logs-tables.ts";
import type { Appended, LogBatch, LogStore } from "./port.ts";
import { admit, highest } from "./seen.ts";

/** Bytes of memory that a parsed entry takes beside its text, roughly. */
const memoryOfEntry = 400;
/** Most source names whose ids are kept in memory. */
const maxKnownSources = 50_000;

/** Opens `logs.db` below `folder`. Rejects with a Fault `failed` when it can't be opened. */
export async function openLogStore(folder: string, clock: Clock): Promise<LogStore> {
  const { database } = await openDatabase(join(folder, "logs.db"), logMigrations);
  const statements = prepare(database);
  const senders = createSenders((id) => statements.sender.get(id));
  const sources = new Map<string, number>();
  const listeners = createListeners();
  let head = statements.counter.get("position")?.value ?? 0;
  let stagedHead = head;
  // bytes of chunk bodies that the open transaction adds
  let stagedBytes = 0;

  const commits = createCommits(
    database,
    {
      commit() {
        senders.commit();
        stagedBytes = 0;
        if (stagedHead === head) return;
        head = stagedHead;
        listeners.tell();
      },
      rollback() {
        senders.rollback();
        // ids given within the transaction are gone with it
        sources.clear();
        stagedBytes = 0;
        stagedHead = head;
      },
    },
    clock,
  );
  const reader = createLogReader(database, () => head);

  function sourceId(name: string): number {
    const known = sources.get(name);
    if (known !== undefined) return known;
    if (sources.size >= maxKnownSources) sources.clear();
    statements.addSource.run(name);
    const id = statements.source.get(name)?.id ?? 0;
    sources.set(name, id);
    return id;
  }

  function insert(serverId: string, chunk: Chunk): void {
    const first = stagedHead + 1;
    stagedHead += chunk.count;
    stagedBytes += chunk.body.length;
    statements.addChunk.run(
      first,
      serverId,
      stagedHead,
      chunk.firstSeq,
      chunk.lastSeq,
      chunk.firstMs,
      chunk.lastMs,
      chunk.levels,
      chunk.rawBytes,
      chunk.body.length,
      chunk.body,
    );
    for (const name of chunk.sources) statements.addChunkSource.run(sourceId(name), first, chunk.lastMs);
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
    const chunks =
      fresh === "all"
        ? chunksOf(batch)
        : chunksOf({
            entries: fresh.flatMap((i) => batch.entries[i] ?? []),
            times: fresh.map((i) => batch.times[i] ?? 0),
            ndjson: null,
            zstd: null,
          });
    for (const chunk of chunks) insert(batch.serverId, chunk);
    const batches = key === null ? sender.batches : rememberBatch(sender.batches, key);
    const next = { ranges, batches };
    senders.set(batch.serverId, next);
    const row = writeSender(next);
    statements.putSender.run(batch.serverId, row.ranges, row.batches);
    statements.putCounter.run("position", stagedHead);
    statements.addToCounter.run("bytes", stagedBytes);
    stagedBytes = 0;
    const accepted = fresh === "all" ? count : fresh.length;
    return { accepted, duplicates: count - accepted };
  }

  return {
    append: (batch) =>
      commits.write((batch.ndjson?.length ?? 0) + batch.entries.length * memoryOfEntry, () => store(batch)),
    lastSeq: (serverId) => highest(senders.get(serverId).ranges),
    search: reader.search,
    after: reader.after,
    head: () => head,
    onAppend: listeners.add,
    waiting: commits.waiting,
    prune: (beforeMs, maxBytes) => pruneLogs(database, commits, beforeMs, maxBytes),
    close() {
      commits.flush();
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
    addToCounter: database.prepare<unknown, [string, number]>(
      "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
    ),
    source: database.prepare<{ id: number }, [string]>("SELECT id FROM sources WHERE name = ?"),
    addSource: database.prepare<unknown, [string]>("INSERT INTO sources (name) VALUES (?) ON CONFLICT DO NOTHING"),
    addChunk: database.prepare<
      unknown,
      [number, string, number, number, number, number, number, number, number, number, Uint8Array]
    >(
      "INSERT INTO chunks (id, server, last_position, first_seq, last_seq, first_ms, last_ms, levels, raw_bytes, bytes, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    addChunkSource: database.prepare<unknown, [number, number, number]>(
      "INSERT INTO chunk_sources (source, chunk, last_ms) VALUES (?, ?, ?)",
    ),
  };
}
