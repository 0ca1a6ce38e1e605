/**
 * LISTEN on one connection for all channels. It never fails: where the database has no NOTIFY (CockroachDB), or is away,
 * nothing is heard, and whoever listens looks from time to time anyway.
 */
import type { SQL } from "bun";

import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { sqlstateOf } from "./faults.ts";

/** Between two attempts to listen at all; later losses Bun mends itself. */
const retryMs = 1000;
/** For the server's answer that it sends nothing more. */
const endWithinMs = 1000;
/** SQLSTATE: feature not supported, syntax error, undefined function. */
const lacking = /^(?:0A000|42601|42883)$/;

/** null: listening has begun, or begun again after a loss: anything may have been missed. */
export type Hear = (payload: string | null) => void;

/** Hears what is notified on `channel`. @returns resolves once nothing more will be heard */
export type Listen = (channel: string, hear: Hear) => () => Promise<void>;

export type ListenWorld = {
  readonly sql: Pick<SQL, "listen">;
  readonly clock: Pick<Clock, "after">;
  readonly log: { warn(message: string): void };
};

export function createListen({ sql, clock, log }: ListenWorld): Listen {
  return (channel, hear) => {
    const ending = new AbortController();
    const { signal } = ending;

    /** A listener that fails is our defect; it must not end the process, as Bun would have it. */
    function tell(payload: string | null): void {
      if (signal.aborted) return;
      try {
        hear(payload);
      } catch (error) {
        log.warn(`what came on the database's channel ${channel} was not taken: ${reasonOf(error)}`);
      }
    }

    /** Resolves after `ms`, or when nobody listens any more. */
    function pause(ms: number): Promise<void> {
      return new Promise((resolve) => {
        const cancel = clock.after(ms, resolve);
        signal.addEventListener("abort", () => {
          cancel();
          resolve();
        });
      });
    }

    async function subscribe(): Promise<SQL.ListenSubscription | undefined> {
      while (!signal.aborted) {
        try {
          return await sql.listen(channel, tell, () => tell(null));
        } catch (error) {
          if (lacking.test(sqlstateOf(error) ?? "")) return undefined;
          await pause(retryMs);
        }
      }
      return undefined;
    }

    const subscribed = subscribe();
    keep(subscribed, (error) => log.warn(`the database's channel ${channel} is not listened to: ${reasonOf(error)}`));
    return async () => {
      ending.abort();
      const ended = subscribed.then((subscription) => subscription?.unlisten());
      // a connection that is lost has nothing to take back, and none is worth a wait
      keep(ended, () => undefined);
      const late = Promise.withResolvers<void>();
      const cancel = clock.after(endWithinMs, late.resolve);
      await Promise.race([ended.catch(() => undefined), late.promise]);
      cancel();
    };
  };
}
