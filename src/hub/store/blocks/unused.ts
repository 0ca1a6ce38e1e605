/** Names that nothing has any more are forgotten, and after a while what was put aside: neither may grow for ever. */
import type { Database } from "bun:sqlite";

import type { Commits } from "../commits.ts";
import { dayMs } from "./block.ts";
import type { Names } from "./names.ts";
import type { Turns } from "./turns.ts";

/** Names looked at at once. */
const pageNames = 1024;
/** How long damaged blocks stay after `repair` has put them aside. */
const quarantineMs = 30 * dayMs;

export type UnusedWorld = {
  readonly database: Database;
  readonly commits: Commits;
  readonly turns: Turns;
  readonly names: { readonly origins: Names; readonly sources: Names };
  readonly now: () => number;
};

/** Runs alone. */
export async function forgetUnused(world: UnusedWorld): Promise<void> {
  const { database, commits, names, now } = world;
  await forgetNames(world, "sources", names.sources, [
    "SELECT 1 FROM block_sources WHERE source = names.id",
    "SELECT 1 FROM chunk_sources WHERE source = names.id",
  ]);
  await forgetNames(world, "origins", names.origins, ["SELECT 1 FROM blocks WHERE origin = names.id"]);
  const old = now() - quarantineMs;
  const find = database.query<{ id: number }, [number]>("SELECT id FROM quarantine WHERE at_ms < ? LIMIT 1");
  const remove = database.query<unknown, [number]>("DELETE FROM quarantine WHERE at_ms < ?");
  if (find.get(old) !== null) await commits.write(0, () => remove.run(old));
}

async function forgetNames(
  { database, commits, turns }: UnusedWorld,
  table: "origins" | "sources",
  names: Names,
  uses: readonly string[],
): Promise<void> {
  const isUnused = uses.map((use) => `NOT EXISTS (${use})`).join(" AND ");
  const page = database.query<{ id: number; unused: number }, [number]>(
    `SELECT id, ${isUnused} AS unused FROM ${table} AS names WHERE id > ? ORDER BY id LIMIT ${pageNames}`,
  );
  // asked again: one may have come into use meanwhile
  const remove = database.query<unknown, [number, number]>(
    `DELETE FROM ${table} AS names WHERE id > ? AND id <= ? AND ${isUnused}`,
  );
  let from = 0;
  for (let rows = page.all(from); rows.length > 0; rows = page.all(from)) {
    const begin = from;
    from = rows.at(-1)?.id ?? from;
    if (rows.some((row) => row.unused === 1)) {
      const end = from;
      await commits.write(0, () => {
        remove.run(begin, end);
        names.forget();
      });
    }
    await turns.breathe();
  }
}
