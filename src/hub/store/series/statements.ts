/** The statements of `metrics.db`, prepared once. */
import type { Database } from "bun:sqlite";

export type BlockRow = { readonly id: number; readonly body: Uint8Array };
export type DueRow = { readonly origin: number; readonly work: number; readonly start_s: number };

export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(database: Database) {
  return {
    origins: database.prepare<{ id: number; name: string }, []>("SELECT id, name FROM origins"),
    addOrigin: database.prepare<unknown, [string]>("INSERT INTO origins (name) VALUES (?)"),
    dropOrigin: database.prepare<unknown, [number]>("DELETE FROM origins WHERE id = ?"),

    journal: database.prepare<{ id: number; body: Uint8Array }, []>("SELECT id, body FROM journal ORDER BY id"),
    addJournal: database.prepare<unknown, [number, Uint8Array]>("INSERT INTO journal (id, body) VALUES (?, ?)"),
    trimJournal: database.prepare<unknown, [number]>("DELETE FROM journal WHERE id < ?"),

    addBlock: database.prepare<unknown, [number, number, number, number, number, Uint8Array]>(
      "INSERT INTO blocks (origin, tier, period, first_s, last_s, body) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    blocksBetween: database.prepare<BlockRow, [number, number, number, number, number, number]>(
      "SELECT id, body FROM blocks WHERE origin = ? AND tier = ? AND period >= ? AND period < ? AND last_s >= ? AND first_s < ? ORDER BY id",
    ),
    blocksOfPeriod: database.prepare<BlockRow, [number, number, number]>(
      "SELECT id, body FROM blocks WHERE origin = ? AND tier = ? AND period = ? ORDER BY id",
    ),
    dropBlock: database.prepare<unknown, [number]>("DELETE FROM blocks WHERE id = ?"),
    dropBlocksOf: database.prepare<unknown, [number]>("DELETE FROM blocks WHERE origin = ?"),
    dropOldBlocks: database.prepare<unknown, [number, number, number]>(
      "DELETE FROM blocks WHERE id IN (SELECT id FROM blocks WHERE tier = ? AND period < ? LIMIT ?)",
    ),

    addDue: database.prepare<unknown, [number, number, number, number]>(
      "INSERT INTO due (origin, work, start_s, at_s) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET at_s = max(at_s, excluded.at_s)",
    ),
    nextDue: database.prepare<DueRow, [number]>(
      "SELECT origin, work, start_s FROM due WHERE at_s <= ? ORDER BY at_s LIMIT 1",
    ),
    dueOf: database.prepare<{ start_s: number }, [number, number, number, number]>(
      "SELECT start_s FROM due WHERE origin = ? AND work = ? AND start_s >= ? AND start_s < ?",
    ),
    doneDue: database.prepare<unknown, [number, number, number]>(
      "DELETE FROM due WHERE origin = ? AND work = ? AND start_s = ?",
    ),
    dropDueOf: database.prepare<unknown, [number]>("DELETE FROM due WHERE origin = ?"),
    countDue: database.prepare<{ count: number }, []>("SELECT count(*) AS count FROM due"),
  };
}
