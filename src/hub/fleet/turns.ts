/**
 * What becomes of agents, as events: silent, and back. One silence is told once, however often the hub is started and
 * whichever hub looks for turns.
 */
import { type Cancel, type Clock, timestamp } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { HubEvent } from "#src/protocol/event.ts";
import type { Fleet, ServerRecord } from "./port.ts";

/** An event that the store can't take now is tried again after this time. */
const retryMs = 1000;

export type TurnsWorld = {
  readonly servers: Pick<Fleet, "get" | "all" | "isPresent" | "onPresence">;
  readonly events: {
    appendEvents(batch: {
      readonly serverId: string;
      /** what was told under this name before is not told again */
      readonly batchId: string;
      readonly events: readonly HubEvent[];
    }): Promise<unknown>;
    newestOf(
      types: readonly HubEvent["type"][],
    ): Promise<readonly { readonly serverId: string; readonly event: HubEvent }[]>;
  };
  /** Whether the hub watches the server itself while its agent is silent. */
  readonly isWatched: (serverId: string) => boolean;
  readonly clock: Pick<Clock, "now" | "after">;
  readonly log: { info(message: string): void; warn(message: string): void };
};

export type Turns = {
  /** Puts an event of a server down. */
  readonly tell: (serverId: string, event: HubEvent) => void;
  /** Whether it was told last that watching it over SSH fails. */
  readonly wasFailing: (serverId: string) => boolean;
  /** Nothing is told any more; what could not be put down yet is left to whoever looks for turns next. */
  readonly close: Cancel;
};

/** The last report of each agent that is known to be silent, RFC 3339. */
export async function silencesIn(events: Pick<TurnsWorld["events"], "newestOf">): Promise<Map<string, string>> {
  const turns = await events.newestOf(["agent.silent", "agent.back"]);
  return new Map(
    turns.flatMap(({ serverId, event }) => (event.type === "agent.silent" ? [[serverId, event.since]] : [])),
  );
}

/**
 * Looks for turns from now on, and tells those that came while nobody looked. The fleet must be open. Rejects when what
 * was told so far can't be read.
 */
export async function createTurns({ servers, events, isWatched, clock, log }: TurnsWorld): Promise<Turns> {
  // silent servers, and their last report
  const silent = await silencesIn(events);
  const failing = new Set<string>();
  for (const { serverId, event } of await events.newestOf(["watch.failed", "watch.restored"])) {
    if (event.type === "watch.failed") failing.add(serverId);
  }
  // the last event of each server that is on its way
  const ways = new Map<string, Promise<void>>();
  const waits = new Set<Cancel>();
  const life = new AbortController();

  async function put(serverId: string, event: HubEvent): Promise<void> {
    // the same turn has the same name in every hub, so that one that was told and not answered is not told twice
    const batchId = `${event.type} ${"since" in event ? event.since : event.at}`;
    for (let tries = 1; !life.signal.aborted; tries++) {
      try {
        await events.appendEvents({ serverId, batchId, events: [event] });
        return;
      } catch (error) {
        const passes = error instanceof Fault && error.code === "unavailable";
        const outlook = passes ? "is not in the store yet" : "is lost";
        if (tries === 1) log.warn(`the event ${event.type} of server ${serverId} ${outlook}: ${reasonOf(error)}`);
        if (!passes) return;
      }
      await new Promise<void>((resolve) => {
        const cancel = clock.after(retryMs, () => {
          waits.delete(cancel);
          resolve();
        });
        waits.add(cancel);
      });
    }
  }

  function tell(serverId: string, event: HubEvent): void {
    if (event.type === "watch.failed") failing.add(serverId);
    else if (event.type === "watch.restored") failing.delete(serverId);
    // one after the other, so that the newest is the last
    const before = ways.get(serverId);
    const way = before === undefined ? put(serverId, event) : before.then(() => put(serverId, event));
    ways.set(serverId, way);
    const over = way.finally(() => {
      if (ways.get(serverId) === way) ways.delete(serverId);
    });
    keep(over, (error) => log.warn(`the event ${event.type} of server ${serverId} is lost: ${reasonOf(error)}`));
  }

  /** Whether its newest report came after that of which its silence was told. */
  function hasReportedSince({ lastSeenMs }: ServerRecord, since: string): boolean {
    return lastSeenMs !== null && lastSeenMs > Date.parse(since);
  }

  function fellSilent(id: string): void {
    const server = servers.get(id);
    // removed, or its token was revoked: nobody waits for it any more
    if (server === undefined || server.lastSeenMs === null || server.digest === null) return;
    const told = silent.get(id);
    if (told !== undefined && !hasReportedSince(server, told)) return;
    const since = timestamp(server.lastSeenMs);
    silent.set(id, since);
    const watch = isWatched(id) ? ("ssh" as const) : null;
    const watched = watch === null ? "it has no SSH details, so nobody watches it" : "watched over SSH";
    log.info(`the agent of ${server.hostname} is silent since ${since}: ${watched}`);
    tell(id, { type: "agent.silent", at: timestamp(clock.now()), since, version: server.version, watch });
  }

  function cameBack(id: string): void {
    const server = servers.get(id);
    const since = silent.get(id);
    silent.delete(id);
    if (server === undefined || since === undefined) return;
    log.info(`the agent of ${server.hostname} is back, it was silent since ${since}`);
    tell(id, { type: "agent.back", at: timestamp(clock.now()), since, version: server.version });
  }

  const cancel = servers.onPresence((id, present) => (present ? cameBack(id) : fellSilent(id)));
  for (const server of servers.all()) {
    const since = silent.get(server.id);
    if (!servers.isPresent(server.id)) fellSilent(server.id);
    else if (since !== undefined && hasReportedSince(server, since)) cameBack(server.id);
  }
  return {
    tell,
    wasFailing: (id) => failing.has(id),
    close() {
      life.abort();
      cancel();
      for (const end of waits) end();
    },
  };
}
