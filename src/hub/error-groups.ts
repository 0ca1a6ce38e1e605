/** Error groups, plugged together: the room, its store, the log that it follows, and whose things are whose. */
import { rmSync } from "node:fs";
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { createAssembly } from "./errors/assembly.ts";
import { type Errors, createErrors } from "./errors/errors.ts";
import type { Rooms, RoomsWorld } from "./rooms.ts";
import { openErrorStore } from "./store/errors/errors.ts";
import type { BlockStore } from "./store/log-port.ts";
import { openBlockStore } from "./store/search/store.ts";
import type { StateStore } from "./store/port.ts";

export type ErrorGroupsWorld = {
  readonly dataDir: string;
  readonly logs: Pick<BlockStore, "onArrival" | "arrivalsAfter" | "head" | "extentSince">;
  readonly events: Pick<StateStore, "eventsAfter" | "eventsHead" | "onEvent">;
  readonly servers: {
    get(id: string): { readonly projectId: string; readonly hostname: string } | undefined;
    all(): readonly { readonly id: string; readonly projectId: string }[];
  };
  readonly projects: {
    all(): readonly { readonly id: string }[];
    source(id: string): { readonly projectId: string; readonly name: string } | undefined;
    sources(projectId: string): readonly { readonly id: string }[];
  };
  readonly clock: Clock;
  readonly warn: (message: string) => void;
};

export type ErrorGroups = {
  readonly groups: Errors;
  /** Forgets by age; `since`: from when on something of a server or source is kept. See retention.ts. */
  readonly prune: (since: (serverId: string) => number) => Promise<void>;
  readonly close: () => void;
};

/** Opens the store and begins to follow the log. Rejects with a Fault `failed` when it can't be opened. */
export async function openErrorGroups(world: ErrorGroupsWorld): Promise<ErrorGroups> {
  const { servers, projects, clock, warn } = world;
  removeStaging(world.dataDir);
  const store = await openErrorStore(world.dataDir, "errors.db", world.warn);
  const groups = createErrors({
    store,
    log: world.logs,
    events: world.events,
    makeAssembly: (onEvent) => createAssembly({ onEvent }),
    openStaging: () => openStaging(world.dataDir),
    owners: {
      projectOf: (origin) => servers.get(origin)?.projectId ?? projects.source(origin)?.projectId ?? null,
      nameOf: (origin) => servers.get(origin)?.hostname ?? projects.source(origin)?.name ?? origin,
    },
    clock,
    workedMs() {
      const { user, system } = process.threadCpuUsage();
      return (user + system) / 1000;
    },
    warn,
  });
  groups.start();
  return {
    groups,
    async prune(since) {
      // all of a project is kept for the same time
      const someOf = new Map(servers.all().map(({ id, projectId }) => [projectId, id]));
      const kept = projects.all().map(({ id }) => {
        const origin = someOf.get(id) ?? projects.sources(id)[0]?.id ?? "";
        return { id, beforeMs: since(origin) };
      });
      groups.prune(kept);
    },
    close() {
      groups.stop();
      store.close();
    },
  };
}

/** Error groups in the files of a hub that does not run, opened when somebody asks for them. */
export function storedErrorGroups(
  dataDir: string,
  { state, servers, projects }: Pick<Rooms, "state" | "servers" | "projects">,
  { clock, log }: RoomsWorld,
) {
  const warn = (message: string) => log.warn(message);
  let opened: Promise<{ readonly logs: BlockStore; readonly errors: ErrorGroups }> | undefined;

  async function openBoth() {
    const logs = await openBlockStore(dataDir, clock, (error) => warn(`the log store: ${reasonOf(error)}`));
    try {
      return { logs, errors: await openErrorGroups({ dataDir, logs, events: state, servers, projects, clock, warn }) };
    } catch (error) {
      logs.close();
      throw error;
    }
  }

  return {
    async open(): Promise<Errors> {
      opened ??= openBoth();
      return (await opened).errors.groups;
    },
    async close(): Promise<void> {
      // whoever opened it was told why it failed
      const both = await opened?.catch(() => undefined);
      both?.errors.close();
      both?.logs.close();
    },
  };
}

const stagingName = "errors-anew.db";

/** An empty store beside the other one. */
async function openStaging(dataDir: string) {
  removeStaging(dataDir);
  const store = await openErrorStore(dataDir, stagingName);
  return {
    store,
    file: join(dataDir, stagingName),
    close() {
      store.close();
      removeStaging(dataDir);
    },
  };
}

/** Also what a hub that was killed has left. */
function removeStaging(dataDir: string): void {
  for (const side of ["", "-wal", "-shm"]) rmSync(join(dataDir, stagingName + side), { force: true });
}
