/** Deliveries that are in no block yet, in a file into which what could be read of a damaged one was copied. */
import type { Database } from "bun:sqlite";

import { Fault } from "#src/protocol/fault.ts";
import type { Checked } from "../log-port.ts";
import { type HotRow, createHotRows, hotColumns } from "./hot-rows.ts";
import type { Names } from "./names.ts";
import { readHotOutlines } from "./outlines.ts";

/**
 * Notes again which sources each has: the noted ids may be those of names that could not be read. One that can't be opened
 * is left to whoever checks the new file.
 */
export function noteSources(database: Database, sources: Names): void {
  const hot = createHotRows(database, sources);
  const add = database.prepare<unknown, [number, number, number]>(
    "INSERT OR IGNORE INTO chunk_sources (source, chunk, last_ms) VALUES (?, ?, ?)",
  );
  const next = database.prepare<HotRow, [number]>(`SELECT ${hotColumns} FROM chunks WHERE id > ? ORDER BY id LIMIT 1`);
  const note = database.transaction(() => {
    for (let row = next.get(Number.MIN_SAFE_INTEGER); row !== null; row = next.get(row.id)) {
      for (const name of namesIn(() => hot.open(row)?.columns.sources ?? []))
        add.run(sources.id(name), row.id, row.last_ms);
    }
  });
  note();
}

function namesIn(open: () => readonly string[]): readonly string[] {
  try {
    return open();
  } catch (error) {
    if (error instanceof Fault) return [];
    throw error;
  }
}

/** Those that indexes of the damaged file know and the new one has not. */
export function missingHot(old: Database, database: Database): readonly Checked[] {
  const has = database.prepare<unknown, [number]>("SELECT 1 FROM chunks WHERE id = ?");
  return [...readHotOutlines(old).values()]
    .filter(({ id }) => has.get(id) === null)
    .map(({ id, server, last_position, first_ms, last_ms }) => ({
      block: `delivery ${id}`,
      problem: "it could not be read",
      lines: last_position - id + 1,
      firstMs: first_ms,
      lastMs: last_ms,
      serverId: server,
      sources: [],
    }));
}
