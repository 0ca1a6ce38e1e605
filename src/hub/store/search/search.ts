/** Searching the block store, on threads of its own: see `pool.ts`. */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { BlockStore, SearchPart } from "../log-port.ts";
import { exportLines } from "./export.ts";
import { type Pool, type PoolTimes, createPool } from "./pool.ts";
import type { Job, Result } from "./jobs.ts";
import type { Top } from "./top.ts";

/** The part of the store that searches. */
export type Searching = Pick<BlockStore, "search" | "histogram" | "top" | "context" | "export"> & { close(): void };

/** Searches the store in `file`, which others have open and write. */
export function createSearching(file: string, times: PoolTimes = {}): Searching {
  return createSearchingBy(createPool(file, times));
}

/** Searches what the threads of a pool search. */
export function createSearchingBy(pool: Pool): Searching {
  const ignore = () => undefined;
  const searching: Omit<Searching, "export"> = {
    search: (search, signal) => partsOf(pool, { kind: "search", search }, signal),
    async histogram(selection, stepMs, budgetMs, signal) {
      const result = await pool.run({ kind: "histogram", selection, stepMs, budgetMs }, ignore, signal);
      return isHistogram(result) ? result : { stepMs: stepMs ?? 1, buckets: [], total: 0, partial: true };
    },
    async top(selection, path, limit, budgetMs, signal) {
      const result = await pool.run({ kind: "top", selection, path, limit, budgetMs }, ignore, signal);
      return isTop(result) ? result : { values: [], partial: true };
    },
    async context(id, before, after) {
      const result = await pool.run({ kind: "context", id, before, after }, ignore);
      return isEntries(result) ? result : [];
    },
    close: () => pool.close(),
  };
  return { ...searching, export: (selection, signal) => exportLines(searching, selection, signal) };
}

/** The parts of a search as they come. Whoever stops reading ends the search. */
async function* partsOf(pool: Pool, job: Job, signal?: AbortSignal): AsyncGenerator<SearchPart, void, void> {
  const stop = new AbortController();
  const parts: SearchPart[] = [];
  let bell = Promise.withResolvers<void>();
  let ended = false;
  const ring = () => bell.resolve();
  const take = (part: SearchPart) => {
    parts.push(part);
    ring();
  };
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);

  async function work(): Promise<{ readonly error: unknown } | undefined> {
    try {
      await pool.run(job, take, both);
      return undefined;
    } catch (error) {
      return { error };
    } finally {
      ended = true;
      ring();
    }
  }

  const over = work();
  try {
    for (;;) {
      // the limit of a search bounds how many can wait here
      yield* parts.splice(0);
      if (ended && parts.length === 0) break;
      await bell.promise;
      bell = Promise.withResolvers<void>();
    }
    const failed = await over;
    if (failed !== undefined) throw failed.error;
  } finally {
    stop.abort();
  }
}

const isEntries = (result: Result): result is readonly StoredEntry[] => Array.isArray(result);
const isTop = (result: Result): result is Top => result !== null && "values" in result && !isEntries(result);
const isHistogram = (result: Result): result is Extract<Result, { stepMs: number }> =>
  result !== null && "buckets" in result;
