/** `logs.db` as a migration sees it: read beside the hub that works on it, and written where no hub is yet. */
import { Database } from "bun:sqlite";
import { join } from "node:path";

import { systemClock } from "#src/lib/clock.ts";
import { readArrived } from "../blocks/arrived.ts";
import { linesOf } from "../blocks/columns.ts";
import { createHotRows } from "../blocks/hot-rows.ts";
import { createNames } from "../blocks/names.ts";
import { openBlockReader } from "../blocks/reader.ts";
import { blockMigrations } from "../blocks/tables.ts";
import { createTurns } from "../blocks/turns.ts";
import { chunksOf } from "../chunk.ts";
import { openDatabase } from "../database.ts";
import type { SenderRow } from "../deliveries.ts";
import { openBlockStore } from "../search/store.ts";
import { addArrived } from "./log-sums.ts";
import type { Counts, LogSource, LogTarget } from "./logs.ts";
import type { Sums } from "./sums.ts";

/** Lines are compacted when so many have come. */
const tidyLines = 1_000_000;
/** Positions whose pieces are looked at in one turn. */
const positionsAtOnce = 16_384;

export type StoredSender = { readonly server: string } & SenderRow;

export type EmbeddedLogs = LogSource & {
  /** What is remembered of each sender's deliveries. */
  senders(): readonly StoredSender[];
  close(): void;
};

/** Opens `logs.db` below `folder` for reading. `onDamage` hears of what can't be read, which is left out. */
export function openEmbeddedLogs(folder: string, onDamage: (error: unknown) => void): EmbeddedLogs {
  const file = join(folder, "logs.db");
  const reader = openBlockReader(file);
  const database = new Database(file, { readonly: true, strict: true });
  database.run("PRAGMA busy_timeout = 5000");
  const { breathe } = createTurns();
  const headOf = (): number =>
    database.query<{ value: number }, []>("SELECT value FROM counters WHERE name = 'position'").get()?.value ?? 0;
  return {
    head: async () => headOf(),
    async linesAfter(position) {
      // of the blocks that the position lies within, as many as there can be
      const row = database
        .query<{ lines: number }, { position: number }>(
          "SELECT (SELECT coalesce(sum(min(lines, last_position - $position)), 0) FROM blocks WHERE last_position > $position) + (SELECT coalesce(sum(min(last_position - id + 1, last_position - $position)), 0) FROM chunks WHERE last_position > $position) AS lines",
        )
        .get({ position });
      return row?.lines ?? 0;
    },
    arrivalsAfter: (position, upTo) => readArrived(reader.snapshot, position, upTo, onDamage, breathe),
    counts: async () => countIn(database),
    async unreadable() {
      const lost = new Map<string, number>();
      const head = headOf() + 1;
      for (let from = 0; from < head; from += positionsAtOnce) {
        using snapshot = reader.snapshot();
        // each where it begins
        for (const piece of snapshot.between(from, Math.min(from + positionsAtOnce, head))) {
          if (piece.firstPosition <= from) continue;
          try {
            linesOf(snapshot.open(piece));
          } catch (error) {
            onDamage(error);
            lost.set(piece.serverId, (lost.get(piece.serverId) ?? 0) + piece.lines);
          }
        }
        await breathe();
      }
      return lost;
    },
    senders: () =>
      database.query<StoredSender, []>("SELECT server, ranges, batches, crc FROM senders ORDER BY server").all(),
    close() {
      reader.close();
      database.close();
    },
  };
}

function countIn(database: Database): Counts {
  const rows = database
    .query<{ name: string; lines: number }, []>(
      "SELECT name, sum(lines) AS lines FROM (SELECT origins.name AS name, lines FROM blocks JOIN origins ON origins.id = origin UNION ALL SELECT server, last_position - id + 1 FROM chunks) GROUP BY name",
    )
    .all();
  return new Map(rows.map(({ name, lines }) => [name, lines]));
}

export type EmbeddedLogTarget = LogTarget & {
  /** The position that the next line after all of these has before it, and what is remembered of senders. */
  finish(head: number, senders: readonly StoredSender[]): void;
  /** Puts everything that was written where a hub would have put it by now. */
  compact(): Promise<void>;
  isEmpty(): boolean;
  close(): void;
};

/** Opens or makes `logs.db` below `folder`, to be filled. */
export async function openEmbeddedLogTarget(folder: string): Promise<EmbeddedLogTarget> {
  const file = join(folder, "logs.db");
  const { breathe } = createTurns();
  let opened = await openFile(file);
  let untidy = 0;

  async function compact(): Promise<void> {
    opened.database.close(true);
    try {
      let failure: unknown;
      const store = await openBlockStore(folder, systemClock, (error) => (failure ??= error));
      try {
        // deletes nothing; before it does, what lies as it came is made into blocks
        await store.prune({ since: () => -Infinity, shares: [], bytes: Infinity });
      } finally {
        store.close();
      }
      if (failure !== undefined) throw failure;
    } finally {
      opened = await openFile(file);
    }
    untidy = 0;
  }

  return {
    async write(runs, { first, last }) {
      opened.transact(() => {
        // of an earlier try
        for (const { id } of opened.chunks.all(first, last)) opened.hot.remove(id);
        for (const { serverId, firstPosition, columns } of runs) {
          let id = firstPosition;
          for (const chunk of chunksOf(columns, null)) {
            opened.hot.put(id, serverId, chunk);
            id += chunk.columns.count;
          }
        }
      });
    },
    async linesOf({ first, last }) {
      const row = opened.database
        .query<{ lines: number | null }, [number, number]>(
          "SELECT sum(last_position - id + 1) AS lines FROM chunks WHERE id BETWEEN ? AND ?",
        )
        .get(first, last);
      return row?.lines ?? 0;
    },
    async sums(after, upTo, seen, signal) {
      const sums: Sums = new Map();
      const reader = openBlockReader(file);
      const fail = (error: unknown) => {
        throw error;
      };
      try {
        for await (const arrived of readArrived(reader.snapshot, after, upTo, fail, breathe)) {
          signal?.throwIfAborted();
          addArrived(sums, arrived);
          seen(arrived.columns.count);
        }
      } finally {
        reader.close();
      }
      return sums;
    },
    counts: async () => countIn(opened.database),
    async tidy(lines) {
      untidy += lines;
      if (untidy >= tidyLines) await compact();
    },
    compact,
    finish: (head, senders) =>
      opened.transact(() => {
        opened.database.run("DELETE FROM senders");
        for (const { server, ranges, batches, crc } of senders) opened.putSender.run(server, ranges, batches, crc);
        opened.putHead.run(head);
      }),
    isEmpty: () =>
      opened.database
        .query<{ rows: number }, []>("SELECT (SELECT count(*) FROM chunks) + (SELECT count(*) FROM blocks) AS rows")
        .get()?.rows === 0,
    close: () => opened.database.close(true),
  };
}

async function openFile(file: string) {
  const { database } = await openDatabase(file, blockMigrations);
  return {
    database,
    hot: createHotRows(database, createNames(database, "sources")),
    transact: database.transaction((run: () => void) => run()),
    chunks: database.prepare<{ id: number }, [number, number]>("SELECT id FROM chunks WHERE id BETWEEN ? AND ?"),
    putSender: database.prepare<unknown, [string, string, string, number | null]>(
      "INSERT INTO senders (server, ranges, batches, crc) VALUES (?, ?, ?, ?)",
    ),
    putHead: database.prepare<unknown, [number]>(
      "INSERT INTO counters (name, value) VALUES ('position', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    ),
  };
}
