/** Reading chunks back: by time for searches, by position for tails. */
import type { Database } from "bun:sqlite";

import { parseInstant } from "#src/lib/instant.ts";
import type { LogFilter, LogsPage, StoredEntry } from "#src/protocol/api.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { type Place, isOlder, newestFirst, readCursor, writeCursor } from "./cursor.ts";
import { levelBit, levelsFrom, readChunk } from "./chunk.ts";
import type { LogSearch, LogsAfter, Scope } from "./port.ts";

/** A search gives way to other work this often, in milliseconds. */
const turnMs = 8;
/** Inflated bytes that one call of `after` looks at, at most (one chunk always). */
const stretchBytes = 8 * 1024 * 1024;
/** Chunks read by tails that are kept inflated: several tails, or one in small steps, want the same one. */
const keptChunks = 4;

type Meta = {
  id: number;
  server: string;
  last_position: number;
  last_ms: number;
  levels: number;
};
type Candidate = Place & { readonly serverId: string; readonly entry: LogEntry };

export type LogReader = {
  readonly search: (search: LogSearch, signal?: AbortSignal) => Promise<LogsPage>;
  readonly after: (position: number, filter: ScopedFilter, limit: number) => LogsAfter;
};

type ScopedFilter = Omit<LogFilter, "project"> & { readonly scope: Scope };

/**
 * Scopes up to this size are part of the query. For a larger one that would mean thousands of ids for each page of it,
 * and most chunks are in it anyway: then each chunk's server is looked up.
 */
const queriedScope = 64;

export function createLogReader(database: Database, head: () => number): LogReader {
  const bodyOf = database.prepare<{ body: Uint8Array }, [number]>("SELECT body FROM chunks WHERE id = ?");
  const nextOnes = database.prepare<Meta & { raw_bytes: number }, [number]>(
    "SELECT id, server, last_position, last_ms, levels, raw_bytes FROM chunks WHERE last_position > ? ORDER BY last_position LIMIT 64",
  );
  const metaOf = database.prepare<Meta, [number]>(
    "SELECT id, server, last_position, last_ms, levels FROM chunks WHERE id = ?",
  );
  const sourceId = database.prepare<{ id: number }, [string]>("SELECT id FROM sources WHERE name = ?");
  const hasSource = database.prepare<{ found: number }, [number, number, number]>(
    "SELECT 1 AS found FROM chunk_sources WHERE source = ? AND last_ms = ? AND chunk = ?",
  );
  const kept = new Map<number, readonly LogEntry[]>();

  function open(id: number): LogEntry[] {
    const row = bodyOf.get(id);
    return row === null ? [] : readChunk(row.body);
  }

  function openKept(id: number): readonly LogEntry[] {
    const known = kept.get(id);
    if (known !== undefined) return known;
    const entries = open(id);
    for (const oldest of kept.keys()) {
      if (kept.size < keptChunks) break;
      kept.delete(oldest);
    }
    kept.set(id, entries);
    return entries;
  }

  /** Chunks that may hold matches, newest first; now and then undefined, to let others have their turn. */
  function* candidates(search: LogSearch, before: Place | null): Generator<Meta | undefined> {
    const where = ["first_ms <= ?", "last_ms >= ?", "(levels & ?) <> 0"];
    const to = search.to === undefined ? Infinity : parseInstant(search.to) - 1;
    const newest = Math.min(before?.ms ?? Infinity, to);
    const values: (string | number)[] = [
      Number.isFinite(newest) ? newest : Number.MAX_SAFE_INTEGER,
      search.from === undefined ? Number.MIN_SAFE_INTEGER : parseInstant(search.from),
      search.level === undefined ? -1 : levelsFrom(search.level),
    ];
    let table = "chunks";
    if (search.source !== undefined) {
      const source = sourceId.get(search.source);
      if (source === null) return;
      table = "chunk_sources AS s JOIN chunks ON chunks.id = s.chunk";
      where.push("s.source = ?");
      values.push(source.id);
    }
    if (search.server !== undefined) {
      where.push("server = ?");
      values.push(search.server);
    }
    const { scope } = search;
    if (scope !== null && scope.size <= queriedScope) {
      // an index by server would not help: the page is ordered by time
      where.push(`+server IN (${[...scope].map(() => "?").join(", ")})`);
      values.push(...scope);
    }
    const [lastMs, id] = search.source === undefined ? ["chunks.last_ms", "chunks.id"] : ["s.last_ms", "s.chunk"];
    const page = database.prepare<{ id: number; last_ms: number; server: string }, (string | number)[]>(
      `SELECT ${id} AS id, ${lastMs} AS last_ms, server FROM ${table} WHERE ${where.map((part) => part.replace(/^last_ms/, lastMs)).join(" AND ")} AND (${lastMs}, ${id}) < (?, ?) ORDER BY ${lastMs} DESC, ${id} DESC LIMIT 256`,
    );
    try {
      let place: [number, number] = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
      for (;;) {
        const rows = page.all(...values, ...place);
        for (const row of rows) {
          if (scope !== null && !scope.has(row.server)) continue;
          // deleted by retention in the meantime: nothing to give
          const meta = metaOf.get(row.id);
          if (meta !== null) yield meta;
        }
        const last = rows.at(-1);
        if (last === undefined || rows.length < 256) return;
        place = [last.last_ms, last.id];
        yield undefined;
      }
    } finally {
      page.finalize();
    }
  }

  async function search(search: LogSearch, signal?: AbortSignal): Promise<LogsPage> {
    const before = search.before === null ? null : readCursor(search.before);
    const matches = matcher(search);
    let found: Candidate[] = [];
    let more = false;
    let turnEnds = performance.now() + turnMs;
    for (const meta of candidates(search, before)) {
      const worst = found[search.limit - 1];
      // nothing in this chunk or in any later one can be newer than the page's last entry
      if (meta !== undefined && worst !== undefined && worst.ms > meta.last_ms) {
        more = true;
        break;
      }
      if (performance.now() > turnEnds) {
        await new Promise<void>((resolve) => void setImmediate(resolve));
        if (signal?.aborted === true) break;
        turnEnds = performance.now() + turnMs;
      }
      if (meta === undefined) continue;
      const entries = open(meta.id);
      for (let i = 0; i < entries.length; i++) {
        const entry = entries[i];
        if (entry === undefined || !matches(entry)) continue;
        const ms = parseInstant(entry.at);
        const place = { ms, position: meta.id + i };
        if (before !== null && !isOlder(place, before)) continue;
        found.push({ ...place, serverId: meta.server, entry });
      }
      found.sort(newestFirst);
      if (found.length > search.limit) {
        more = true;
        found = found.slice(0, search.limit);
      }
    }
    const last = found.at(-1);
    return {
      entries: found.map((one) => stored(one.entry, one.serverId, one.position)),
      cursor: more && last !== undefined ? writeCursor(last) : null,
    };
  }

  function after(position: number, filter: ScopedFilter, limit: number): LogsAfter {
    const matches = matcher(filter);
    const entries: StoredEntry[] = [];
    const wanted = filter.level === undefined ? -1 : levelsFrom(filter.level);
    const source = filter.source === undefined ? undefined : sourceId.get(filter.source);
    let bytes = 0;
    let reached = position;
    const rows = nextOnes.all(position);
    for (const meta of rows) {
      const skip =
        (meta.levels & wanted) === 0 ||
        (filter.scope !== null && !filter.scope.has(meta.server)) ||
        (filter.server !== undefined && filter.server !== meta.server) ||
        (source !== undefined && (source === null || hasSource.get(source.id, meta.last_ms, meta.id) === null));
      if (!skip) {
        if (bytes > 0 && bytes + meta.raw_bytes > stretchBytes) return { entries, position: reached };
        bytes += meta.raw_bytes;
        const lines = openKept(meta.id);
        for (let i = Math.max(0, position + 1 - meta.id); i < lines.length; i++) {
          const entry = lines[i];
          if (entry === undefined || !matches(entry)) continue;
          entries.push(stored(entry, meta.server, meta.id + i));
          if (entries.length >= limit) return { entries, position: meta.id + i };
        }
      }
      reached = meta.last_position;
    }
    // the last stretch: positions whose chunks retention has deleted are passed over as well
    return { entries, position: rows.length < 64 ? Math.max(reached, head()) : reached };
  }

  return { search, after };
}

function stored(entry: LogEntry, serverId: string, position: number): StoredEntry {
  const { seq, at, source, stream, level, message, fields } = entry;
  const id = String(position);
  return fields === undefined
    ? { id, serverId, seq, at, source, stream, level, message }
    : { id, serverId, seq, at, source, stream, level, message, fields };
}

function matcher(filter: Omit<LogFilter, "project">): (entry: LogEntry) => boolean {
  const wanted = filter.level === undefined ? -1 : levelsFrom(filter.level);
  const text = filter.q?.toLowerCase() ?? "";
  const from = filter.from === undefined ? -Infinity : parseInstant(filter.from);
  const to = filter.to === undefined ? Infinity : parseInstant(filter.to);
  const timed = filter.from !== undefined || filter.to !== undefined;
  return (entry) => {
    if ((levelBit(entry.level) & wanted) === 0) return false;
    if (filter.source !== undefined && entry.source !== filter.source) return false;
    if (timed) {
      const ms = parseInstant(entry.at);
      if (ms < from || ms >= to) return false;
    }
    return text === "" || entry.message.toLowerCase().includes(text);
  };
}
