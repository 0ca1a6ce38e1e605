/** Entries that say which they are. */
import { timestamp } from "#src/lib/clock.ts";
import type { LogEntry } from "#src/protocol/log.ts";

const start = Date.UTC(2026, 5, 1);

export function numbered(from: number, count: number): LogEntry[] {
  return Array.from({ length: count }, (_, i) => ({
    seq: from + i,
    at: timestamp(start + from + i),
    source: `web${(from + i) % 3}`,
    stream: "stdout",
    level: "info",
    message: `line ${from + i} of many`,
  }));
}
