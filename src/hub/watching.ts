/** Who watches the servers whose agents are silent, plugged together: the fleet notices, SSH looks, the measures take it in. */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import type { PolledReport } from "#src/protocol/polled.ts";
import { createTurns } from "./fleet/turns.ts";
import type { Rooms } from "./rooms.ts";
import { openSession } from "./ssh/connection.ts";
import { createPolling } from "./ssh/polling/polling.ts";
import type { SshTargets } from "./ssh/port.ts";

export type WatchingWorld = {
  readonly rooms: Pick<Rooms, "servers" | "state">;
  readonly targets: SshTargets;
  readonly record: (serverId: string, report: PolledReport) => void;
  readonly clock: Clock;
  readonly log: { debug(message: string): void; info(message: string): void; warn(message: string): void };
};

/** Begins. @returns ends it at once; to be called before the rooms are closed */
export function startWatching({ rooms, targets, record, clock, log }: WatchingWorld): Cancel {
  const { servers, state: events } = rooms;
  const now = () => clock.now();
  const turns = createTurns({ servers, events, isWatched: targets.has, now, log });
  const { tell, wasFailing } = turns;
  const polling = createPolling({ servers, targets, openSession, record, tell, clock, log }, wasFailing);
  polling.start();
  return () => {
    polling.stop();
    turns.close();
  };
}
