/** One entry out of columns, as it is answered. */
import { timestamp } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogColumns } from "#src/protocol/log-columns.ts";
import { levels, streams } from "#src/protocol/log.ts";

export function storedEntry(columns: LogColumns, index: number, serverId: string, position: number): StoredEntry {
  const { at, message } = columns.odd.get(index) ?? {};
  const fields = columns.fields?.[index] ?? "";
  return {
    id: String(position),
    serverId,
    seq: columns.seqs[index] ?? 0,
    at: at ?? timestamp(columns.times[index] ?? 0),
    source: columns.sources[columns.sourceIndex?.[index] ?? 0] ?? "",
    stream: streams[columns.streams[index] ?? 0] ?? "stdout",
    level: levels[columns.levels[index] ?? 1] ?? "info",
    message: message ?? columns.text.toString("utf8", columns.offsets[index], (columns.offsets[index + 1] ?? 1) - 1),
    ...(fields === "" ? {} : { fields: JSON.parse(fields) as Record<string, unknown> }),
  };
}
