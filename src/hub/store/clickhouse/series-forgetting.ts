/**
 * Forgetting origins that are gone. Every hub hears of it and any of them may die, so each deletes what it finds, after a
 * pause of its own: whoever comes later finds nothing. What is missed all the same goes with its age.
 */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Clickhouse } from "./client.ts";
import { type SeriesPlace, countOrigins, forgetOrigins } from "./series-tables.ts";

/** What other hubs had gathered of an origin is in ClickHouse by then. */
const pauseMs = 10_000;
const spreadMs = 20_000;
const againMs = 60_000;
/** Origins of one statement. */
const atOnce = 200;
/** That are remembered as gone; long after they are deleted nobody asks for them any more. */
const mostRemembered = 10_000;

export type Forgetting = {
  readonly forget: (origin: string) => void;
  /** Samples of it came in again. */
  readonly remember: (origin: string) => void;
  readonly isForgotten: (origin: string) => boolean;
  readonly close: () => Promise<void>;
};

export type ForgettingWorld = {
  readonly client: Pick<Clickhouse, "rows" | "run">;
  readonly place: SeriesPlace;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
};

export function createForgetting({ client, place, clock, warn }: ForgettingWorld): Forgetting {
  const forgotten = new Set<string>();
  const todo = new Set<string>();
  const stopping = new AbortController();
  let cancel: Cancel | undefined;
  let busy: Promise<void> = Promise.resolve();

  async function deleteSome(): Promise<void> {
    const ask = { signal: stopping.signal };
    while (todo.size > 0) {
      const origins = [...todo].slice(0, atOnce);
      const [row] = await client.rows<{ count: number }>(countOrigins(origins), ask);
      if ((row?.count ?? 0) > 0)
        for (const statement of forgetOrigins(origins, place)) await client.run(statement, ask);
      for (const origin of origins) todo.delete(origin);
    }
  }

  function later(ms: number): void {
    cancel ??= clock.after(ms, () => {
      busy = deleteSome()
        .catch((error: unknown) => {
          if (!stopping.signal.aborted) warn(`metrics of removed servers can't be deleted yet: ${reasonOf(error)}`);
        })
        .finally(() => {
          cancel = undefined;
          if (todo.size > 0 && !stopping.signal.aborted) later(againMs);
        });
      keep(busy, (error) => warn(reasonOf(error)));
    });
  }

  return {
    forget(origin) {
      if (stopping.signal.aborted) return;
      forgotten.add(origin);
      todo.add(origin);
      if (forgotten.size > mostRemembered) for (const oldest of forgotten) return void forgotten.delete(oldest);
      later(pauseMs + Math.random() * spreadMs);
    },
    remember: (origin) => void (forgotten.size > 0 && forgotten.delete(origin)),
    isForgotten: (origin) => forgotten.has(origin),
    async close() {
      stopping.abort();
      cancel?.();
      await busy;
    },
  };
}
