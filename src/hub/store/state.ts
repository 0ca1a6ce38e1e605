/**
 * The embedded state store: `state.db`. Servers, projects, sources, tokens, the audit trail and events, a file each;
 * all of them share one connection and its group commit.
 */
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { createAuditTable } from "./audit.ts";
import { createCommits } from "./commits.ts";
import { openDatabase } from "./database.ts";
import { createDevicesTable } from "./devices.ts";
import { createEventsTable } from "./events.ts";
import type { StateStore } from "./port.ts";
import { createProjectsTable } from "./projects.ts";
import { createServersTable } from "./servers.ts";
import { type StateTables, stateMigrations } from "./state-tables.ts";
import { createTokensTable } from "./tokens.ts";

/** Opens `state.db` below `folder`. Rejects with a Fault `failed` when it can't be opened. */
export async function openStateStore(folder: string, clock: Clock): Promise<StateStore> {
  const opened = await openDatabase<StateTables>(join(folder, "state.db"), stateMigrations);
  const { database } = opened;
  const ping = database.prepare<{ one: number }, []>("SELECT 1 AS one");
  const { staged, append, prune, ...events } = createEventsTable(opened);
  const commits = createCommits(database, staged, clock);
  const { prune: pruneAudit, ...audit } = createAuditTable(opened, commits);
  return {
    ...createServersTable(opened, commits),
    ...createProjectsTable(opened, commits),
    ...createTokensTable(opened, commits),
    ...createDevicesTable(opened, commits, clock),
    ...audit,
    ...events,
    appendEvents: (batch) => commits.write(0, () => append(batch)),
    prune: (beforeMs) =>
      commits.write(0, () => {
        pruneAudit(beforeMs);
        return prune(beforeMs);
      }),
    ready: () => ping.get()?.one === 1,
    close() {
      commits.flush();
      database.close(true);
    },
  };
}
