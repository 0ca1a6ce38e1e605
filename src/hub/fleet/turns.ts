/** What becomes of agents, as events: silent, and back. One silence is told once, however often the hub is started. */
import { type Cancel, timestamp } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { HubEvent } from "#src/protocol/event.ts";
import type { Fleet } from "./port.ts";

export type TurnsWorld = {
  readonly servers: Pick<Fleet, "get" | "onPresence">;
  readonly events: {
    appendEvents(batch: {
      readonly serverId: string;
      readonly batchId: null;
      readonly events: readonly HubEvent[];
    }): Promise<unknown>;
    newestOf(types: readonly HubEvent["type"][]): readonly { readonly serverId: string; readonly event: HubEvent }[];
  };
  /** Whether the hub watches the server itself while its agent is silent. */
  readonly isWatched: (serverId: string) => boolean;
  readonly now: () => number;
  readonly log: { info(message: string): void; warn(message: string): void };
};

export type Turns = {
  /** Puts an event of a server down. */
  readonly tell: (serverId: string, event: HubEvent) => void;
  /** Whether it was told last that watching it over SSH fails. */
  readonly wasFailing: (serverId: string) => boolean;
  readonly close: Cancel;
};

/** The last report of each agent that is known to be silent, RFC 3339. */
export function silencesIn(events: Pick<TurnsWorld["events"], "newestOf">): Map<string, string> {
  const turns = events.newestOf(["agent.silent", "agent.back"]);
  return new Map(
    turns.flatMap(({ serverId, event }) => (event.type === "agent.silent" ? [[serverId, event.since]] : [])),
  );
}

/** Looks for turns from now on. The fleet must be open. */
export function createTurns({ servers, events, isWatched, now, log }: TurnsWorld): Turns {
  // silent servers, and their last report
  const silent = silencesIn(events);
  const failing = new Set<string>();
  for (const { serverId, event } of events.newestOf(["watch.failed", "watch.restored"])) {
    if (event.type === "watch.failed") failing.add(serverId);
  }

  function tell(serverId: string, event: HubEvent): void {
    if (event.type === "watch.failed") failing.add(serverId);
    else if (event.type === "watch.restored") failing.delete(serverId);
    keep(events.appendEvents({ serverId, batchId: null, events: [event] }), (error) =>
      log.warn(`the event ${event.type} of server ${serverId} is lost: ${reasonOf(error)}`),
    );
  }

  function fellSilent(id: string): void {
    const server = servers.get(id);
    // removed, or its token was revoked: nobody waits for it any more
    if (server === undefined || server.lastSeenMs === null || server.digest === null) return;
    const since = timestamp(server.lastSeenMs);
    if (silent.get(id) === since) return;
    silent.set(id, since);
    const watch = isWatched(id) ? ("ssh" as const) : null;
    const watched = watch === null ? "it has no SSH details, so nobody watches it" : "watched over SSH";
    log.info(`the agent of ${server.hostname} is silent since ${since}: ${watched}`);
    tell(id, { type: "agent.silent", at: timestamp(now()), since, version: server.version, watch });
  }

  function cameBack(id: string): void {
    const server = servers.get(id);
    const since = silent.get(id);
    silent.delete(id);
    if (server === undefined || since === undefined) return;
    log.info(`the agent of ${server.hostname} is back, it was silent since ${since}`);
    tell(id, { type: "agent.back", at: timestamp(now()), since, version: server.version });
  }

  const close = servers.onPresence((id, present) => (present ? cameBack(id) : fellSilent(id)));
  return { tell, wasFailing: (id) => failing.has(id), close };
}
