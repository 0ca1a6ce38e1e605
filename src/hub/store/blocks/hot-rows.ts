/** Deliveries as rows: each lies as it came until its entries are in blocks. */
import type { Database } from "bun:sqlite";

import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Arrived, LogColumns } from "#src/protocol/log-columns.ts";
import { type Chunk, readChunk } from "../chunk.ts";
import type { Names } from "./names.ts";

export type HotRow = {
  /** position of its first entry */
  readonly id: number;
  readonly server: string;
  readonly last_position: number;
  readonly first_ms: number;
  readonly last_ms: number;
  readonly levels: number;
  readonly raw_bytes: number;
  readonly bytes: number;
};

export const hotColumns = "id, server, last_position, first_ms, last_ms, levels, raw_bytes, bytes";

export type HotRows = {
  readonly put: (id: number, serverId: string, chunk: Chunk) => void;
  /** @returns whether it was there */
  readonly remove: (id: number) => boolean;
  /** Rows in order from one id to below another. */
  readonly from: (id: number, below: number, limit: number) => readonly HotRow[];
  /** Throws a Fault `failed` when it is damaged; null: it is gone. */
  readonly open: (row: Pick<HotRow, "id" | "server" | "last_position">) => Arrived | null;
  readonly body: (id: number) => Uint8Array | null;
};

export function createHotRows(database: Database, sources: Names): HotRows {
  const insert = database.prepare(
    "INSERT INTO chunks (id, server, last_position, first_seq, last_seq, first_ms, last_ms, levels, raw_bytes, bytes, body, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const addSource = database.prepare("INSERT INTO chunk_sources (source, chunk, last_ms) VALUES (?, ?, ?)");
  const removeSources = database.prepare<unknown, [number]>("DELETE FROM chunk_sources WHERE chunk = ?");
  const removeRow = database.prepare<unknown, [number]>("DELETE FROM chunks WHERE id = ?");
  const rows = database.prepare<HotRow, [number, number, number]>(
    `SELECT ${hotColumns} FROM chunks WHERE id >= ? AND id < ? ORDER BY id LIMIT ?`,
  );
  const bodyOf = database.prepare<{ body: Uint8Array; crc: number | null }, [number]>(
    "SELECT body, crc FROM chunks WHERE id = ?",
  );
  return {
    put(id, serverId, chunk) {
      insert.run(
        id,
        serverId,
        id + chunk.columns.count - 1,
        chunk.firstSeq,
        chunk.lastSeq,
        chunk.firstMs,
        chunk.lastMs,
        chunk.levels,
        chunk.rawBytes,
        chunk.body.length,
        chunk.body,
        Bun.hash.crc32(chunk.body),
      );
      for (const name of chunk.columns.sources) addSource.run(sources.id(name), id, chunk.lastMs);
    },
    remove(id) {
      removeSources.run(id);
      return removeRow.run(id).changes > 0;
    },
    from: (id, below, limit) => rows.all(id, below, limit),
    open(row) {
      const found = bodyOf.get(row.id);
      return found === null ? null : openHot(row, found);
    },
    body: (id) => bodyOf.get(id)?.body ?? null,
  };
}

/** The entries of a delivery. Throws a Fault `failed` when it is damaged. */
export function openHot(
  row: Pick<HotRow, "id" | "server" | "last_position">,
  { body, crc }: { readonly body: Uint8Array; readonly crc: number | null },
): Arrived {
  const name = `delivery ${row.id} of the log store`;
  if (crc !== null && Bun.hash.crc32(body) !== crc) throw damaged(name, "its checksum is another");
  let columns: LogColumns;
  try {
    columns = readChunk(body);
  } catch (error) {
    throw damaged(name, reasonOf(error));
  }
  if (columns.count !== row.last_position - row.id + 1) throw damaged(name, "entries are missing");
  return { serverId: row.server, firstPosition: row.id, columns };
}

/** What a piece that can't be read is told as. */
export function damaged(what: string, why: string): Fault {
  return new Fault("failed", `${what} is damaged: ${why}`, {
    hint: "Run `orion hub check`, and `orion hub repair` to put it aside",
  });
}
