/**
 * How long logs and events are kept: by age and by size, as the hub's settings say or a project has it; and by the space
 * that is left on the disk.
 */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { type Disk, type DiskState, diskProblem } from "./disk.ts";
import type { Cluster } from "./store/cluster/port.ts";
import { createSoleHub } from "./store/cluster/sole.ts";
import type { BlockStore, Keeping } from "./store/log-port.ts";
import type { StateStore } from "./store/port.ts";

/** How often old data is looked for. */
const pruneEveryMs = 10 * 60_000;
/** How often the disk is looked at. */
const lookEveryMs = 5000;
const dayMs = 86_400_000;
/**
 * The newest logs that stay however full the disk is: others may fill it, and then nothing would be won by throwing away
 * everything.
 */
const leastKeptBytes = 1024 ** 3;
const leastKeptShare = 0.1;

type Kept = { readonly days: number | null; readonly bytes: number | null };

export type RetentionWorld = {
  readonly logs: Pick<BlockStore, "prune" | "sizes">;
  readonly events: Pick<StateStore, "prune">;
  readonly projects: {
    all(): readonly { readonly id: string; readonly retention: Kept }[];
    get(id: string): { readonly retention: Kept } | undefined;
    sources(projectId: string): readonly { readonly id: string }[];
    source(id: string): { readonly projectId: string } | undefined;
  };
  readonly servers: {
    all(): readonly { readonly id: string; readonly projectId: string }[];
    get(id: string): { readonly projectId: string } | undefined;
  };
  /** of everything that no project says anything else about */
  readonly limits: { readonly days: number; readonly bytes: number };
  /** others that forget by age: they are told since when something of a server or source is kept */
  readonly followers: readonly ((since: (serverId: string) => number) => Promise<void>)[];
  readonly disk: Disk;
  /** whether log lines are on that disk, so that deleting them makes room; left out: they are */
  readonly linesOnDisk?: boolean;
  /** of several hubs one deletes; left out: the hub is alone */
  readonly cluster?: Pick<Cluster, "take">;
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void };
};

/** Looks after what is kept from now on. @returns ends it; what is being deleted is finished by the store's end */
export function startRetention(world: RetentionWorld): () => Promise<void> {
  const { logs, events, disk, clock, log, limits, linesOnDisk = true, cluster = createSoleHub(world) } = world;
  let cancelPrune: Cancel | undefined;
  // the turn of duty that goes on; one that is over may still be deleting
  let duty: symbol | undefined;
  let cancelLook: Cancel | undefined;
  let stopped = false;
  let problem: DiskState["state"] = "enough";
  let busy = false;

  async function prune(): Promise<void> {
    const since = createSince(world);
    const lines = await logs.prune({ since, shares: sharesOf(world), bytes: limits.bytes });
    const forgotten = await events.prune(since, clock.now() - limits.days * dayMs);
    for (const follow of world.followers) await follow(since);
    if (lines + forgotten > 0) log.info(`retention deleted ${lines} log lines and ${forgotten} events`);
  }

  /** Makes room by the oldest lines. @returns how many went */
  async function makeRoom({ freeBytes, reserveBytes, sizeBytes }: DiskState): Promise<number> {
    const { bytes } = logs.sizes();
    const least = Math.min(leastKeptBytes, sizeBytes * leastKeptShare);
    const wanted = bytes - (reserveBytes - freeBytes);
    if (bytes <= least) return 0;
    const keeping: Keeping = { since: () => -Infinity, shares: [], bytes: Math.max(least, wanted) };
    return await logs.prune(keeping);
  }

  async function look(): Promise<void> {
    const state = disk.read();
    const changed = state.state !== problem;
    problem = state.state;
    if (changed) {
      const text = diskProblem(state, linesOnDisk);
      if (text === null) log.info("there is enough free space for the hub's data again");
      else log.warn(text);
    }
    if (state.state === "enough" || !linesOnDisk) return;
    const lines = await makeRoom(state);
    if (lines > 0) log.warn(`deleted the oldest ${lines} log lines to keep space free`);
    else if (changed) log.warn("no log lines are left to delete for it: free space on the disk of the hub's data");
  }

  function pruneAgain(mine: symbol): void {
    const done = prune().finally(() => {
      if (duty === mine) cancelPrune = clock.after(pruneEveryMs, () => pruneAgain(mine));
    });
    keep(done, (error) => {
      if (duty === mine) log.warn(`retention failed, it is tried again: ${reasonOf(error)}`);
    });
  }

  function lookAgain(): void {
    cancelLook = clock.after(lookEveryMs, lookAgain);
    if (busy) return;
    busy = true;
    const done = look().finally(() => {
      busy = false;
    });
    keep(done, (error) => {
      if (!stopped) log.warn(`space could not be made, it is tried again: ${reasonOf(error)}`);
    });
  }

  const stopPruning = cluster.take("retention", {
    begin() {
      duty = Symbol("retention");
      pruneAgain(duty);
    },
    end() {
      duty = undefined;
      cancelPrune?.();
    },
  });
  lookAgain();
  return async () => {
    stopped = true;
    cancelLook?.();
    await stopPruning();
  };
}

/** Since when something of a server or source is kept, in milliseconds since the epoch. */
function createSince({ projects, servers, limits, clock }: RetentionWorld): (serverId: string) => number {
  const now = clock.now();
  return (serverId) => {
    const projectId = servers.get(serverId)?.projectId ?? projects.source(serverId)?.projectId;
    const days = projectId === undefined ? null : projects.get(projectId)?.retention.days;
    return now - (days ?? limits.days) * dayMs;
  };
}

/** What projects with a limit of their own may take. */
function sharesOf({ projects, servers }: RetentionWorld): Keeping["shares"] {
  return projects.all().flatMap(({ id, retention: { bytes } }) => {
    if (bytes === null) return [];
    const own = servers.all().filter((server) => server.projectId === id);
    return { serverIds: new Set([...own, ...projects.sources(id)].map((one) => one.id)), bytes };
  });
}
