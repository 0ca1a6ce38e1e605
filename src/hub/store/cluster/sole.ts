/** A hub alone: nobody else changes anything, and every duty is its own. */
import { type Clock, systemClock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { type Holding, createHolding } from "./holding.ts";
import type { Cluster } from "./port.ts";
import { createWaking } from "./signals.ts";

/** After a duty could not be begun. */
const retryMs = 5000;

export type SoleWorld = {
  readonly clock?: Pick<Clock, "after">;
  readonly log?: { warn(message: string): void };
};

/** The same port for a hub without others. */
export function createSoleHub({ clock = systemClock, log = { warn: () => undefined } }: SoleWorld = {}): Cluster {
  const id = crypto.randomUUID();
  const waking = createWaking(clock, log);
  const held = new Map<string, { readonly holding: Holding; cancelRetry: () => void }>();

  async function giveUp(name: string): Promise<void> {
    const one = held.get(name);
    held.delete(name);
    one?.cancelRetry();
    await one?.holding.end();
  }

  return {
    hubId: () => id,
    isMember: () => true,
    // ids of an earlier life of this hub, or of others that shared its database once
    isGone: async (hubId) => hubId !== id,
    onGone: () => () => undefined,
    onChanges: () => () => undefined,
    catchUp: async () => undefined,
    signal: waking.wake,
    onSignal: waking.on,
    take(name, duty) {
      if (held.has(name)) throw new Error(`this hub strives for "${name}" already`);
      const one = { holding: createHolding(name, duty, log), cancelRetry: () => undefined as void };
      held.set(name, one);
      const begin = async () => {
        const how = await one.holding.begin();
        if (how === "failed" && held.get(name) === one) one.cancelRetry = clock.after(retryMs, again);
      };
      const again = () => keep(begin(), (error) => log.warn(`the duty "${name}": ${reasonOf(error)}`));
      again();
      return () => (held.get(name) === one ? giveUp(name) : Promise.resolve());
    },
    duties: async () => [...held.keys()].sort().map((name) => ({ name, hubId: id })),
    standing: () => ({ renewedAgoMs: 0, duties: Object.fromEntries([...held.keys()].map((name) => [name, true])) }),
    async close() {
      await Promise.all([...held.keys()].map(giveUp));
    },
  };
}
