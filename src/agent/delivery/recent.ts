/** The newest entries of each source, kept in memory for `orion logs` and for the tail of a crash alert. */
import { type Cancel } from "#src/lib/clock.ts";
import { type LogEntry, levels } from "#src/protocol/log.ts";

import type { RecentQuery } from "./door.ts";

/** Most that is kept of one source, in bytes of NDJSON: a thousand lines or more. */
const maxRingBytes = 256 * 1024;
const minRingBytes = 8 * 1024;
/** Kept of a message that is too long for a ring, in characters; JSON may make six bytes of each. */
const longestShown = 16 * 1024;

/** A ring of bytes: `total` counts all that ever went in. */
type Ring = { bytes: Buffer; total: number };

export type Recent = {
  /** Remembers whole NDJSON lines of one source. */
  add(source: string, ndjson: Uint8Array): void;
  find(query: RecentQuery): LogEntry[];
  follow(query: RecentQuery, onEntry: (entry: LogEntry) => void): Cancel;
  forget(source: string): void;
};

export function createRecent(): Recent {
  const rings = new Map<string, Ring>();
  const followers = new Set<{ readonly query: RecentQuery; readonly onEntry: (entry: LogEntry) => void }>();

  return {
    add(source, ndjson) {
      let ring = rings.get(source);
      if (ring === undefined) {
        ring = { bytes: Buffer.allocUnsafe(minRingBytes), total: 0 };
        rings.set(source, ring);
      }
      append(ring, fitting(ndjson));
      if (followers.size === 0) return;
      let entries: LogEntry[] | undefined;
      for (const follower of followers) {
        if (follower.query.source !== undefined && follower.query.source !== source) continue;
        entries ??= parse(Buffer.from(ndjson.buffer, ndjson.byteOffset, ndjson.byteLength));
        for (const entry of entries) if (matches(entry, follower.query)) follower.onEntry(entry);
      }
    },
    find(query) {
      const chosen =
        query.source === undefined
          ? [...rings.values()]
          : [rings.get(query.source)].filter((ring): ring is Ring => ring !== undefined);
      const entries = chosen.flatMap((ring) => parse(content(ring)).filter((entry) => matches(entry, query)));
      if (chosen.length > 1) entries.sort((a, b) => a.seq - b.seq);
      return query.lines === 0 ? [] : entries.slice(-query.lines);
    },
    follow(query, onEntry) {
      const follower = { query, onEntry };
      followers.add(follower);
      return () => followers.delete(follower);
    },
    forget: (source) => rings.delete(source),
  };
}

/** The newest whole entries that fit into a ring; of one that is longer than that, its beginning. */
function fitting(ndjson: Uint8Array): Uint8Array {
  const excess = ndjson.length - maxRingBytes;
  if (excess <= 0) return ndjson;
  const bytes = Buffer.from(ndjson.buffer, ndjson.byteOffset, ndjson.byteLength);
  const from = bytes.indexOf(10, excess - 1) + 1;
  if (from < bytes.length) return bytes.subarray(from);
  const last = JSON.parse(bytes.toString("utf8", bytes.lastIndexOf(10, -2) + 1)) as LogEntry;
  const { message } = last;
  const shown = `${message.slice(0, longestShown)}… (${message.length} characters)`;
  return Buffer.from(`${JSON.stringify({ ...last, message: shown })}\n`);
}

function append(ring: Ring, bytes: Uint8Array): void {
  const wanted = Math.min(ring.total + bytes.length, maxRingBytes);
  if (wanted > ring.bytes.length) grow(ring, wanted);
  const size = ring.bytes.length;
  const start = ring.total % size;
  const first = Math.min(bytes.length, size - start);
  ring.bytes.set(bytes.subarray(0, first), start);
  if (first < bytes.length) ring.bytes.set(bytes.subarray(first), 0);
  ring.total += bytes.length;
}

/** Doubles the ring until `wanted` fits. Below its largest size a ring has never wrapped. */
function grow(ring: Ring, wanted: number): void {
  let size = ring.bytes.length;
  while (size < wanted) size *= 2;
  const next = Buffer.allocUnsafe(size);
  const old = content(ring);
  next.set(old);
  ring.bytes = next;
  ring.total = old.length;
}

/** The whole lines that the ring holds, oldest first. */
function content(ring: Ring): Buffer {
  const size = ring.bytes.length;
  if (ring.total <= size) return ring.bytes.subarray(0, ring.total);
  const start = ring.total % size;
  const bytes = Buffer.concat([ring.bytes.subarray(start), ring.bytes.subarray(0, start)]);
  // a ring that wrapped begins within a line
  return bytes.subarray(bytes.indexOf(10) + 1);
}

function parse(ndjson: Buffer): LogEntry[] {
  if (ndjson.length === 0) return [];
  const entries: unknown[] = Bun.JSONL.parse(ndjson);
  return entries.filter(
    (entry): entry is LogEntry => typeof entry === "object" && entry !== null && "message" in entry,
  );
}

function matches(entry: LogEntry, query: RecentQuery): boolean {
  if (query.level !== undefined && levels.indexOf(entry.level) < levels.indexOf(query.level)) return false;
  if (query.sinceMs !== undefined && Date.parse(entry.at) < query.sinceMs) return false;
  if (query.grep === undefined) return true;
  return entry.message.toLowerCase().includes(query.grep.toLowerCase());
}
