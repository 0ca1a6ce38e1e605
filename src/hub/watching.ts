/**
 * Who watches the servers whose agents are silent, plugged together: the fleet notices, SSH looks, the measures take it
 * in. Of several hubs one does it.
 */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import type { PolledReport } from "#src/protocol/polled.ts";
import { createTurns } from "./fleet/turns.ts";
import type { Rooms } from "./rooms.ts";
import { openSession } from "./ssh/connection.ts";
import { createPolling } from "./ssh/polling/polling.ts";
import type { OpenSession, SshTargets } from "./ssh/port.ts";
import type { Cluster } from "./store/cluster/port.ts";
import { createSoleHub } from "./store/cluster/sole.ts";

export type WatchingWorld = {
  readonly rooms: {
    readonly servers: Rooms["servers"];
    readonly state: Pick<Rooms["state"], "appendEvents" | "newestOf">;
  };
  readonly targets: SshTargets;
  readonly record: (serverId: string, report: PolledReport) => void;
  readonly clock: Clock;
  readonly log: { debug(message: string): void; info(message: string): void; warn(message: string): void };
  /** left out: the hub is alone */
  readonly cluster?: Pick<Cluster, "take">;
  /** another way to sessions, for tests */
  readonly open?: OpenSession;
};

/** Strives for it. @returns ends it; to be called before the rooms are closed */
export function startWatching(world: WatchingWorld): () => Promise<void> {
  const { cluster = createSoleHub(world) } = world;
  let end: Cancel | undefined;
  return cluster.take("watching", {
    async begin() {
      end = await watch(world);
    },
    end: () => end?.(),
  });
}

/** Begins. @returns ends it at once */
async function watch({ rooms, targets, record, clock, log, open = openSession }: WatchingWorld): Promise<Cancel> {
  const { servers, state: events } = rooms;
  const turns = await createTurns({ servers, events, isWatched: targets.has, clock, log });
  const { tell, wasFailing } = turns;
  let over = false;
  const watched = {
    ...servers,
    setWatch(...[id, how]: Parameters<typeof servers.setWatch>) {
      // whoever watches next goes on from what was seen last
      if (!over) servers.setWatch(id, how);
    },
  };
  // left by whoever watched before
  for (const server of servers.all()) {
    const { id } = server;
    if (servers.status(server).ssh !== undefined && (servers.isPresent(id) || !targets.has(id))) {
      servers.setWatch(id, null);
    }
  }
  const polling = createPolling({ servers: watched, targets, openSession: open, record, tell, clock, log }, wasFailing);
  polling.start();
  return () => {
    over = true;
    polling.stop();
    turns.close();
  };
}
