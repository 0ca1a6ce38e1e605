/** Retention of logs: whole chunks go, the oldest first, in small transactions so that ingest is never held up. */
import type { Database } from "bun:sqlite";

import type { Commits } from "./commits.ts";

/** Chunks deleted in one transaction. */
const stepChunks = 200;
/** Free pages given back to the file system after each step. */
const vacuumPages = 2000;

/** Deletes chunks whose newest entry is older than `beforeMs`, then the oldest while all take more than `maxBytes`. */
export async function pruneLogs(
  database: Database,
  commits: Commits,
  beforeMs: number,
  maxBytes: number,
): Promise<number> {
  const oldest = database.prepare<{ id: number; last_ms: number; bytes: number; count: number }, [number]>(
    "SELECT id, last_ms, bytes, last_position - id + 1 AS count FROM chunks ORDER BY last_ms, id LIMIT ?",
  );
  const total = database.prepare<{ value: number }, []>("SELECT value FROM counters WHERE name = 'bytes'");
  const addToTotal = database.prepare<unknown, [number]>("UPDATE counters SET value = value + ? WHERE name = 'bytes'");
  const dropSources = database.prepare<unknown, [number]>("DELETE FROM chunk_sources WHERE chunk = ?");
  const dropChunk = database.prepare<unknown, [number]>("DELETE FROM chunks WHERE id = ?");
  let excess = (total.get()?.value ?? 0) - maxBytes;
  let lines = 0;
  for (;;) {
    const doomed = oldest.all(stepChunks).filter((row) => {
      const goes = row.last_ms < beforeMs || excess > 0;
      if (goes) excess -= row.bytes;
      return goes;
    });
    if (doomed.length === 0) return lines;
    await commits.write(0, () => {
      for (const row of doomed) {
        dropSources.run(row.id);
        dropChunk.run(row.id);
        addToTotal.run(-row.bytes);
      }
    });
    database.run(`PRAGMA incremental_vacuum(${vacuumPages})`);
    lines += doomed.reduce((sum, row) => sum + row.count, 0);
  }
}
