/**
 * The door of fallback polling: every server that has SSH details and whose agent is silent is looked at once a minute,
 * from the moment at which the agent falls silent to the moment at which it reports again.
 */
import type { Cancel } from "#src/lib/clock.ts";
import { createGate } from "./gate.ts";
import { type Host, type HostWorld, watchHost } from "./host.ts";
import type { PollingWorld } from "./port.ts";

export type { PolledServer, PolledServers, PollingWorld } from "./port.ts";

/**
 * Sessions that are opened at once. A host that is down holds a place for 20 s and costs a socket, nothing more: so many
 * that a rack that goes down leaves room for the others, and far from 1,024 files, the limit of a process unless it is
 * raised.
 */
const openingAtOnce = 256;
/** A handshake is some milliseconds of work: a whole fleet that falls silent at once must not stop the hub for seconds. */
const openingPaceMs = 10;
/** Hosts that failed before are asked less often, and wait among themselves. */
const openingAgainAtOnce = 32;
const openingAgainPaceMs = 50;
/** Kept between polls; each is a socket and some 160 kB. Of more hosts, a session is opened for each poll. */
const maxKept = 256;

export type Polling = {
  /** Watches who is silent now, and whoever falls silent. */
  readonly start: () => void;
  /** Ends all of it at once; what is under way is dropped. */
  readonly stop: () => void;
};

/** @param wasFailing whether it was told, before this start, that watching a server fails */
export function createPolling(world: PollingWorld, wasFailing: (serverId: string) => boolean): Polling {
  const { servers, targets, clock } = world;
  const hosts = new Map<string, Host>();
  let kept = 0;
  let ends: readonly Cancel[] = [];
  const hostWorld: HostWorld = {
    ...world,
    gate: createGate({ places: openingAtOnce, paceMs: openingPaceMs, clock }),
    backGate: createGate({ places: openingAgainAtOnce, paceMs: openingAgainPaceMs, clock }),
    kept: {
      take() {
        if (kept >= maxKept) return false;
        kept++;
        return true;
      },
      giveBack: () => void kept--,
    },
  };

  function leave(id: string): void {
    const host = hosts.get(id);
    hosts.delete(id);
    host?.stop();
  }

  function look(id: string): void {
    const server = servers.get(id);
    if (server === undefined || servers.isPresent(id) || !targets.has(id)) leave(id);
    else if (!hosts.has(id)) hosts.set(id, watchHost(server, hostWorld, wasFailing(id)));
  }

  return {
    start() {
      ends = [
        servers.onPresence(look),
        servers.onChange((id) => {
          if (hosts.has(id) && servers.get(id) === undefined) leave(id);
        }),
        targets.onChange((id) => {
          // whatever was known of it may no longer be true
          leave(id);
          look(id);
        }),
      ];
      for (const id of targets.ids()) look(id);
    },
    stop() {
      for (const end of ends) end();
      ends = [];
      for (const id of hosts.keys()) leave(id);
    },
  };
}
