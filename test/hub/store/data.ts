/** Hubs' data folders, made without a hub. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { Database } from "bun:sqlite";

import { openAuthDatabase } from "#src/hub/store/auth-database.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { openStateStore } from "#src/hub/store/state.ts";
import { systemClock } from "#src/lib/clock.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { entries } from "#test/hub/kit/hub.ts";
import { project, server } from "./open.ts";

/** Fills `folder` with a hub's data: `count` servers called `name`-N with ten log lines each. */
export async function makeData(folder: string, name: string, count: number): Promise<void> {
  const state = await openStateStore(folder, systemClock);
  const logs = await openBlockStore(folder, systemClock, () => undefined);
  const auth = await openAuthDatabase(folder);
  await state.putProject(project("p1"));
  for (let n = 0; n < count; n++) {
    await state.putServer(server(`${name}-${n}`, { hostname: `${name}-${n}` }));
    await logs.append(delivery(`${name}-${n}`, entries(1, 10)));
  }
  await auth.db.schema.createTable("people").addColumn("name", "text").execute();
  state.close();
  logs.close();
  auth.close();
  writeFileSync(join(folder, "secret"), `${name}${randomBytes(16).toString("hex")}`, { mode: 0o600 });
}

export type Counted = {
  /** what the servers are called, without their numbers */
  readonly names: readonly string[];
  readonly servers: number;
  readonly lines: number;
  /** servers that the logs name and the state does not know */
  readonly strangers: number;
  readonly people: boolean;
};

/** What is in a folder that no hub runs on. */
export function countData(folder: string): Counted {
  using state = new Database(join(folder, "state.db"));
  using logs = new Database(join(folder, "logs.db"));
  using auth = new Database(join(folder, "auth.db"));
  const hostnames = state.query<{ hostname: string }, []>("SELECT hostname FROM servers").all();
  const known = new Set(
    state
      .query<{ id: string }, []>("SELECT id FROM servers")
      .all()
      .map((row) => row.id),
  );
  const named = logs
    .query<{ server: string }, []>(
      "SELECT server FROM chunks UNION SELECT origins.name FROM blocks JOIN origins ON origins.id = origin",
    )
    .all();
  const lines = logs
    .query<{ n: number }, []>(
      "SELECT (SELECT coalesce(sum(last_position - id + 1), 0) FROM chunks) + (SELECT coalesce(sum(lines), 0) FROM blocks) AS n",
    )
    .get();
  return {
    names: [...new Set(hostnames.map((row) => row.hostname.replace(/-\d+$/, "")))],
    servers: hostnames.length,
    lines: lines?.n ?? 0,
    strangers: named.filter((row) => !known.has(row.server)).length,
    people: auth.query("SELECT name FROM sqlite_master WHERE name = 'people'").all().length === 1,
  };
}
