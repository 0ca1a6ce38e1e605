/** Deliveries as the store of log entries takes them, made of entries. */
import type { LogBatch } from "#src/hub/store/port.ts";
import { parseInstant } from "#src/lib/instant.ts";
import { columnsOf } from "#src/protocol/columns/builder.ts";
import type { LogEntry } from "#src/protocol/log.ts";

/** One delivery of a server or source; one that names a batch again adds nothing. */
export function delivery(serverId: string, entries: readonly LogEntry[], batchId: string | null = null): LogBatch {
  const columns = columnsOf(
    entries,
    entries.map(({ at }) => parseInstant(at)),
  );
  return { serverId, batchId, columns, zstd: null, bytes: columns.text.length };
}
