/** `logs.db` as a migration sees it: read beside the hub that works on it, and written where no hub is yet. */
import { Database } from "bun:sqlite";
import { join } from "node:path";

import { readArrived } from "../blocks/arrived.ts";
import { createHotRows } from "../blocks/hot-rows.ts";
import { createNames } from "../blocks/names.ts";
import { openBlockReader } from "../blocks/reader.ts";
import { blockMigrations } from "../blocks/tables.ts";
import { createTurns } from "../blocks/turns.ts";
import { chunksOf } from "../chunk.ts";
import { openDatabase } from "../database.ts";
import type { SenderRow } from "../deliveries.ts";
import { addArrived } from "./log-sums.ts";
import type { LogSource, LogTarget } from "./logs.ts";
import type { Sums } from "./sums.ts";

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
  return {
    async head() {
      const row = database.query<{ value: number }, []>("SELECT value FROM counters WHERE name = 'position'").get();
      return row?.value ?? 0;
    },
    async linesAfter(position) {
      // of the one block that the position lies within, all lines
      const row = database
        .query<{ lines: number }, [number, number]>(
          "SELECT (SELECT coalesce(sum(lines), 0) FROM blocks WHERE last_position > ?) + (SELECT coalesce(sum(last_position - id + 1), 0) FROM chunks WHERE last_position > ?) AS lines",
        )
        .get(position, position);
      return row?.lines ?? 0;
    },
    arrivalsAfter: (position, upTo) => readArrived(reader.snapshot, position, upTo, onDamage, breathe),
    senders: () =>
      database.query<StoredSender, []>("SELECT server, ranges, batches, crc FROM senders ORDER BY server").all(),
    close() {
      reader.close();
      database.close();
    },
  };
}

export type EmbeddedLogTarget = LogTarget & {
  /** The position that the next line after all of these has before it, and what is remembered of senders. */
  finish(head: number, senders: readonly StoredSender[]): void;
  isEmpty(): boolean;
  close(): void;
};

/** Opens or makes `logs.db` below `folder`, to be filled. */
export async function openEmbeddedLogTarget(folder: string): Promise<EmbeddedLogTarget> {
  const file = join(folder, "logs.db");
  const { database } = await openDatabase(file, blockMigrations);
  const names = createNames(database, "sources");
  const hot = createHotRows(database, names);
  const { breathe } = createTurns();
  const transact = database.transaction((run: () => void) => run());
  const chunks = database.prepare<{ id: number }, [number, number]>("SELECT id FROM chunks WHERE id BETWEEN ? AND ?");
  const putSender = database.prepare<unknown, [string, string, string, number | null]>(
    "INSERT INTO senders (server, ranges, batches, crc) VALUES (?, ?, ?, ?)",
  );
  const putHead = database.prepare<unknown, [number]>(
    "INSERT INTO counters (name, value) VALUES ('position', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
  );
  return {
    async write(runs, { first, last }) {
      transact(() => {
        // of an earlier try
        for (const { id } of chunks.all(first, last)) hot.remove(id);
        for (const { serverId, firstPosition, columns } of runs) {
          let id = firstPosition;
          for (const chunk of chunksOf(columns, null)) {
            hot.put(id, serverId, chunk);
            id += chunk.columns.count;
          }
        }
      });
    },
    async linesOf({ first, last }) {
      const row = database
        .query<{ lines: number | null }, [number, number]>(
          "SELECT sum(last_position - id + 1) AS lines FROM chunks WHERE id BETWEEN ? AND ?",
        )
        .get(first, last);
      return row?.lines ?? 0;
    },
    async sums(upTo, seen) {
      const sums: Sums = new Map();
      const reader = openBlockReader(file);
      const fail = (error: unknown) => {
        throw error;
      };
      try {
        for await (const arrived of readArrived(reader.snapshot, 0, upTo, fail, breathe)) {
          addArrived(sums, arrived);
          seen(arrived.columns.count);
        }
      } finally {
        reader.close();
      }
      return sums;
    },
    finish: (head, senders) =>
      transact(() => {
        database.run("DELETE FROM senders");
        for (const { server, ranges, batches, crc } of senders) putSender.run(server, ranges, batches, crc);
        putHead.run(head);
      }),
    isEmpty: () =>
      database
        .query<{ rows: number }, []>("SELECT (SELECT count(*) FROM chunks) + (SELECT count(*) FROM blocks) AS rows")
        .get()?.rows === 0,
    close: () => database.close(true),
  };
}
