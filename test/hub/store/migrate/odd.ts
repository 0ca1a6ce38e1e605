/** Entries that do not fit where most do. */
import type { LogEntry } from "#src/protocol/log.ts";

export const odd: LogEntry[] = [
  {
    seq: 1,
    at: "2026-06-01T12:00:00.123456Z",
    source: "web",
    stream: "stderr",
    level: "error",
    message: "a\nb\u0000\t",
  },
  { seq: 2, at: "2026-06-01T14:00:00Z", source: "db", stream: "stdout", level: "fatal", message: "lone \ud800" },
  { seq: 3, at: "1969-12-31T23:59:59.000Z", source: "web", stream: "stdout", level: "debug", message: "" },
  {
    seq: 4,
    at: "2026-06-01T12:00:00.000Z",
    source: "web",
    stream: "stdout",
    level: "info",
    message: "Grüße 🚀",
    fields: { n: 1.5, deep: { list: [null, "\ud800"] } },
  },
];
