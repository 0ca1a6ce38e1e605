/** Deliveries of which the table and an index say different senders: the checksum of a body does not cover whose it is. */
import type { Database } from "bun:sqlite";

import { listed } from "./damaged.ts";
import type { HotRow } from "./hot-rows.ts";
import { readHotOutlines } from "./outlines.ts";
import { readOwners } from "./remake.ts";

/** `server`: whose it is; empty: there is no telling, and a check says so. */
export type Settled = Pick<HotRow, "id" | "server">;

/** To be read before indexes are made anew out of their tables. Of the two names one that is known is right. */
export function settleDisputes(database: Database): readonly Settled[] {
  const outlines = readHotOutlines(database);
  const { origins, senders } = readOwners(database);
  const known = new Set([...origins, ...senders]);
  const { rising } = listed<Settled>(database, {
    tree: "chunks NOT INDEXED",
    columns: ["id", "server"],
    key: ["id"],
  });
  return rising.flatMap(({ id, server }) => {
    const other = outlines.get(id)?.server;
    if (other === undefined || other === server) return [];
    const candidates = [server, other].filter((name) => known.has(name));
    return [{ id, server: candidates.length === 1 ? (candidates[0] ?? "") : "" }];
  });
}

/** Writes down what was settled. */
export function settle(database: Database, settled: readonly Settled[]): void {
  const change = database.query<unknown, [string, number]>("UPDATE chunks SET server = ? WHERE id = ?");
  for (const { id, server } of settled) change.run(server, id);
}
