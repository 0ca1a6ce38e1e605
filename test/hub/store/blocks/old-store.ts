/** A `logs.db` as it was before there were blocks: a row for each delivery, its lines as NDJSON in zstd. */
import { join } from "node:path";

import { openDatabase } from "#src/hub/store/database.ts";
import { logMigrations } from "#src/hub/store/logs-tables.ts";
import { type LogEntry, levels } from "#src/protocol/log.ts";

/** Makes one below `folder` with the deliveries of one server, numbered from 0 on. */
export async function makeOldStore(
  folder: string,
  server: string,
  deliveries: readonly (readonly LogEntry[])[],
): Promise<void> {
  const { database } = await openDatabase(join(folder, "logs.db"), logMigrations);
  const names = [...new Set(deliveries.flat().map(({ source }) => source))];
  names.forEach((name, i) => database.query("INSERT INTO sources (id, name) VALUES (?, ?)").run(i + 1, name));
  let position = 0;
  for (const entries of deliveries) {
    const times = entries.map(({ at }) => Date.parse(at));
    const text = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
    const body = Bun.zstdCompressSync(text, { level: 1 });
    const [id, lastMs] = [position + 1, Math.max(...times)];
    position += entries.length;
    const bits = entries.reduce((all, { level }) => all | (1 << levels.indexOf(level)), 0);
    database
      .query(
        "INSERT INTO chunks (id, server, last_position, first_seq, last_seq, first_ms, last_ms, levels, raw_bytes, bytes, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      )
      .run(
        id,
        server,
        position,
        id - 1,
        position - 1,
        Math.min(...times),
        lastMs,
        bits,
        text.length,
        body.length,
        body,
      );
    for (const source of new Set(entries.map((entry) => entry.source))) {
      database
        .query("INSERT INTO chunk_sources (source, chunk, last_ms) VALUES (?, ?, ?)")
        .run(names.indexOf(source) + 1, id, lastMs);
    }
  }
  database
    .query("INSERT INTO senders (server, ranges, batches) VALUES (?, ?, '[]')")
    .run(server, `[[0,${position - 1}]]`);
  database.query("INSERT INTO counters (name, value) VALUES ('position', ?), ('bytes', 1)").run(position);
  database.close(true);
}
