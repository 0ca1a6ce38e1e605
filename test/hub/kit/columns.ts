/** Columns as the entries that they hold. */
import { expect } from "bun:test";

import { timestamp } from "#src/lib/clock.ts";
import type { LogColumns } from "#src/protocol/log-columns.ts";
import { type LogEntry, levels, streams } from "#src/protocol/log.ts";

export function entriesOf(columns: LogColumns): LogEntry[] {
  const { count, seqs, times, sources, sourceIndex, text, offsets } = columns;
  expect([seqs.length, times.length, offsets.length]).toEqual([count, count, count + 1]);
  return Array.from({ length: count }, (_, i) => {
    const { at, message } = columns.odd.get(i) ?? {};
    const fields = columns.fields?.[i] ?? "";
    const end = offsets[i + 1] ?? 0;
    expect(text[end - 1]).toBe(10);
    return {
      seq: seqs[i] ?? -1,
      at: at ?? timestamp(times[i] ?? 0),
      source: sources[sourceIndex?.[i] ?? 0] ?? "",
      stream: streams[columns.streams[i] ?? -1] ?? "stdout",
      level: levels[columns.levels[i] ?? -1] ?? "info",
      message: message ?? text.toString("utf8", offsets[i], end - 1),
      ...(fields === "" ? {} : { fields: JSON.parse(fields) as Record<string, unknown> }),
    };
  });
}
