/** Error groups: `errors.db` as the first snapshot of the log that hubs share, and back. */
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import { createErrorLog } from "../errors/shared-log.ts";
import { packEntry, textOf } from "../errors/shared-operations.ts";
import { loadSnapshot, removeDatabase, saveSnapshot } from "../errors/shared-snapshot.ts";
import type { ErrorLogTables } from "../errors/shared-tables.ts";
import type { Postgres } from "../postgres/connection.ts";
import { type Sums, addSum } from "./sums.ts";

const fileName = "errors.db";
const checkedName = "errors-checked.db";

export type ErrorsCopy = {
  /** of the hub that stands still */
  readonly dataDir: string;
  readonly postgres: Postgres;
  readonly clock: Clock;
  /** a folder for what is on its way */
  readonly scratch: string;
};

/**
 * Makes what is in the folder what the shared log begins with; whatever a run before has brought is forgotten.
 * @returns what the folder has, and what was read back, by table
 */
export async function copyErrors({ dataDir, postgres, clock, scratch }: ErrorsCopy) {
  const file = join(dataDir, fileName);
  const [wanted, found]: [Sums, Sums] = [new Map(), new Map()];
  // a hub that never grouped anything
  if (!existsSync(file)) return { wanted, found };
  const log = createErrorLog(postgres.queries<ErrorLogTables>(), postgres.patient<ErrorLogTables>());
  const term = crypto.randomUUID();
  const { position: after } = await log.begin(term);
  const position = after + 1;
  const place = { folder: scratch, log, clock };
  const source = new Database(file, { readonly: true, strict: true });
  try {
    const pinned = { database: source, mark: { logId: "", position, term }, close: () => undefined };
    const snapshot = await saveSnapshot(place, pinned);
    const body = await packEntry(textOf({ op: "anew" }), []);
    const { over } = await log.add({ term, after, rows: [{ position, body }], answers: [], snapshot });
    if (over) throw new Fault("conflict", "a hub works on the target", { hint: "Stop it, and run this again" });
    sumAll(wanted, source);
    if (!(await loadSnapshot(place, snapshot, checkedName))) {
      throw new Fault("failed", "the error groups are not in the target");
    }
    const copy = new Database(join(scratch, checkedName), { readonly: true, strict: true });
    try {
      sumAll(found, copy);
    } finally {
      copy.close();
    }
  } finally {
    source.close();
    removeDatabase(scratch, checkedName);
  }
  return { wanted, found };
}

/** Every row of every table, but for what says how far a copy of the log is. */
export function sumAll(sums: Sums, database: Database): void {
  const tables = database
    .query<{ name: string }, []>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'kysely%' AND name != 'copy_mark'",
    )
    .all();
  for (const { name } of tables) {
    const key = `errors ${name}`;
    addSum(sums, key, 0, 0n);
    const rows = database.prepare<unknown, []>(`SELECT * FROM "${name}"`);
    for (const row of rows.iterate()) {
      const values = Object.values(row as Record<string, unknown>);
      const plain = values.map((value) =>
        value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
      );
      addSum(sums, key, 1, Bun.hash.xxHash64(JSON.stringify(plain)));
    }
    rows.finalize();
  }
}
