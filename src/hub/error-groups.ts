/** Error groups, plugged together: the room, its store, the log that it follows, and whose things are whose. */
import { rmSync } from "node:fs";
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { createAssembly } from "./errors/assembly.ts";
import { type ErrorsWorld, createErrors } from "./errors/errors.ts";
import { type ErrorsDoor, createSharedErrors } from "./errors/shared.ts";
import type { Rooms } from "./rooms.ts";
import type { HubSettings } from "./settings.ts";
import { openTelemetry } from "./storage.ts";
import { openLogs } from "./telemetry.ts";
import type { HubWorld } from "./world.ts";
import type { Cluster } from "./store/cluster/port.ts";
import { openErrorStore } from "./store/errors/errors.ts";
import { openSharedErrorStore } from "./store/errors/shared.ts";
import type { BlockStore } from "./store/log-port.ts";
import type { StateStore } from "./store/port.ts";
import type { Postgres } from "./store/postgres/connection.ts";

export type ErrorGroupsWorld = {
  readonly dataDir: string;
  readonly logs: Pick<BlockStore, "onArrival" | "arrivalsAfter" | "head" | "extentSince">;
  readonly events: Pick<StateStore, "eventsAfter" | "eventsHead" | "refreshEvents" | "onEvent">;
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
  /** Left out: this hub is the only one. */
  readonly sharing?:
    | {
        readonly postgres: Postgres;
        readonly cluster: Pick<Cluster, "signal" | "onSignal" | "take">;
        /** Learns from the database where the log ends: `logs.head()` is that or later when it resolves. */
        readonly refreshHead: () => Promise<unknown>;
      }
    | undefined;
};

export type ErrorGroups = {
  readonly groups: ErrorsDoor;
  /** Forgets by age; `since`: from when on something of a server or source is kept. See retention.ts. */
  readonly prune: (since: (serverId: string) => number) => Promise<void>;
  readonly close: () => Promise<void>;
};

/**
 * Opens the store and begins to follow the log; of several hubs, the one with the duty `errors` does. Rejects with a Fault
 * when it can't be opened.
 */
export async function openErrorGroups(world: ErrorGroupsWorld): Promise<ErrorGroups> {
  removeStaging(world.dataDir);
  const { groups, close } = await (world.sharing === undefined ? openAlone(world) : openShared(world, world.sharing));
  const { servers, projects } = world;
  return {
    groups,
    async prune(since) {
      // all of a project is kept for the same time
      const someOf = new Map(servers.all().map(({ id, projectId }) => [projectId, id]));
      const kept = projects.all().map(({ id }) => {
        const origin = someOf.get(id) ?? projects.sources(id)[0]?.id ?? "";
        return { id, beforeMs: since(origin) };
      });
      await groups.prune(kept);
    },
    close,
  };
}

type Opened = { readonly groups: ErrorsDoor; readonly close: () => Promise<void> };

async function openAlone(world: ErrorGroupsWorld): Promise<Opened> {
  const store = await openErrorStore(world.dataDir, "errors.db", world.warn);
  const errors = createErrors({ ...roomWorld(world), store });
  errors.start();
  return {
    groups: {
      ...errors,
      decide: async (...decision) => errors.decide(...decision),
      prune: async (kept) => errors.prune(kept),
    },
    async close() {
      errors.stop();
      store.close();
    },
  };
}

async function openShared(world: ErrorGroupsWorld, sharing: NonNullable<ErrorGroupsWorld["sharing"]>): Promise<Opened> {
  const { dataDir, clock, warn } = world;
  const { postgres, cluster, refreshHead } = sharing;
  const shared = await openSharedErrorStore({ dataDir, postgres, cluster, clock, warn });
  const groups = createSharedErrors({ ...roomWorld(world), shared, refreshHead });
  const giveUp = cluster.take("errors", groups.duty);
  return {
    groups,
    async close() {
      await giveUp();
      await groups.close();
    },
  };
}

function roomWorld(world: ErrorGroupsWorld): Omit<ErrorsWorld, "store"> {
  const { servers, projects, clock, warn } = world;
  return {
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
  };
}

/** Error groups of a hub that does not run here, opened when somebody asks for them. */
export function storedErrorGroups(
  settings: Pick<HubSettings, "dataDir" | "retention" | "clickhouseUrl" | "clickhouseCluster">,
  {
    state,
    servers,
    projects,
    cluster,
    postgres,
  }: Pick<Rooms, "state" | "servers" | "projects" | "cluster" | "postgres">,
  world: HubWorld,
) {
  const { clock, log } = world;
  const warn = (message: string) => log.warn(message);
  const ends: (() => void | Promise<void>)[] = [];
  let opened: Promise<ErrorsDoor> | undefined;

  async function open(): Promise<ErrorsDoor> {
    const clickhouse = await openTelemetry(settings, world, postgres);
    if (clickhouse !== null) ends.push(() => clickhouse.close());
    const { logs, refreshHead } = await openLogs(settings, clickhouse, { cluster, postgres }, world, ends);
    const errors = await openErrorGroups({
      dataDir: settings.dataDir,
      logs,
      events: state,
      servers,
      projects,
      clock,
      warn,
      sharing: postgres === null ? undefined : { postgres, cluster, refreshHead },
    });
    ends.push(errors.close);
    return errors.groups;
  }

  return {
    async open(): Promise<ErrorsDoor> {
      opened ??= open();
      return await opened;
    },
    async close(): Promise<void> {
      // whoever opened it was told why it failed
      await opened?.catch(() => undefined);
      for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end();
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
