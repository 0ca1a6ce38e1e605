/** What a hub is given from outside beside its settings. */
import type { Clock } from "#src/lib/clock.ts";

export type HubWorld = {
  readonly clock: Clock;
  readonly log: {
    debug(message: string): void;
    info(message: string): void;
    warn(message: string): void;
    error(message: string): void;
  };
};
