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
import { type JobStore, createJobsTable } from "./jobs.ts";
import { type PendingTokenStore, createPendingTokensTable } from "./pending-tokens.ts";
import type { StateStore } from "./port.ts";
import { createProjectsTable } from "./projects.ts";
import { createServersTable } from "./servers.ts";
import { type SshStore, createSshTable } from "./ssh.ts";
import { type StateTables, stateMigrations } from "./state-tables.ts";
import { createTokensTable } from "./tokens.ts";

/** All tables of `state.db`. */
export type OpenedState = StateStore & SshStore & JobStore & PendingTokenStore;

/** Opens `state.db` below `folder`; `tell` hears of a copy that is made before its tables are changed. Rejects with a Fault `failed` when it can't be opened. */
export async function openStateStore(
  folder: string,
  clock: Clock,
  tell?: (message: string) => void,
): Promise<OpenedState> {
  const opened = await openDatabase<StateTables>(join(folder, "state.db"), stateMigrations, tell);
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
    ...createSshTable(opened, commits),
    ...createJobsTable(opened, commits),
    ...createPendingTokensTable(opened, commits),
    ...audit,
    ...events,
    appendEvents: (batch) => commits.write(0, () => append(batch)),
    prune: (since, strangersMs) =>
      commits.write(0, () => {
        pruneAudit(strangersMs);
        return prune(since);
      }),
    ready: () => ping.get()?.one === 1,
    close() {
      commits.flush();
      database.close(true);
    },
  };
}
