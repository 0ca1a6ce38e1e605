/**
 * The state store. Servers, projects, sources, tokens, the audit trail and events, a file each; all of them share one
 * database and its group commit. Here it is `state.db`; on Postgres it is postgres/state.ts.
 */
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { createAuditTable } from "./audit.ts";
import type { Staged } from "./commits.ts";
import { openDatabase } from "./database.ts";
import { createDevicesTable } from "./devices.ts";
import { createEmbeddedState } from "./embedded-state.ts";
import { createEventsTable } from "./events.ts";
import { type JobStore, createJobsTable } from "./jobs.ts";
import { type PendingTokenStore, createPendingTokensTable } from "./pending-tokens.ts";
import type { StateStore } from "./port.ts";
import { createProjectsTable } from "./projects.ts";
import { createServersTable } from "./servers.ts";
import { type SshStore, createSshTable } from "./ssh.ts";
import type { StateDatabase } from "./state-database.ts";
import { stateMigrations } from "./state-migrations.ts";
import type { StateTables } from "./state-tables.ts";
import { createTokensTable } from "./tokens.ts";
import { createWatchesTable } from "./watches.ts";

/** All tables of the state. */
export type OpenedState = StateStore & SshStore & JobStore & PendingTokenStore;

/** The store of a hub that is alone: it is closed when `close` returns. */
export type EmbeddedStateStore = Omit<OpenedState, "close"> & { close(): void };

/** Opens `state.db` below `folder`; `tell` hears of a copy that is made before its tables are changed. Rejects with a Fault `failed` when it can't be opened. */
export async function openStateStore(
  folder: string,
  clock: Clock,
  tell?: (message: string) => void,
): Promise<EmbeddedStateStore> {
  const opened = await openDatabase<StateTables>(join(folder, "state.db"), stateMigrations, tell);
  const { database } = opened;
  const ping = database.prepare<{ one: number }, []>("SELECT 1 AS one");
  const embedded = createEmbeddedState(opened, clock, () => staged);
  const { staged, ...tables } = createStateTables(embedded, await embedded.head("events"), clock);
  return {
    ...tables,
    ready: async () => ping.get()?.one === 1,
    close() {
      embedded.commits.flush();
      database.close(true);
    },
  };
}

/** Everything but its beginning and its end. @param head of the events, as it is now */
export function createStateTables(
  database: StateDatabase,
  head: number,
  clock: Clock,
): Omit<OpenedState, "ready" | "close"> & { readonly staged: Staged } {
  const { prune, forget, ...events } = createEventsTable(database, head);
  const { prune: pruneAudit, ...audit } = createAuditTable(database);
  return {
    ...createServersTable(database, forget),
    ...createProjectsTable(database),
    ...createTokensTable(database),
    ...createDevicesTable(database, clock),
    ...createSshTable(database),
    ...createJobsTable(database),
    ...createPendingTokensTable(database),
    ...createWatchesTable(database),
    ...audit,
    ...events,
    async prune(since, strangersMs) {
      await database.write(() => pruneAudit(strangersMs));
      return await prune(since);
    },
  };
}
