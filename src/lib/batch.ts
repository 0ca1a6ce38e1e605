/** Things that changed, gathered by id and handed on together: many small writes become one. */
import type { Cancel, Clock } from "./clock.ts";
import { keep } from "./keep.ts";

export type Batch = {
  /** Notes `id`; it is handed on within the batch's time. */
  readonly add: (id: string) => void;
  /** Forgets `id` again. */
  readonly drop: (id: string) => void;
  /** Whether `id` waits to be handed on. */
  readonly has: (id: string) => boolean;
  /** Hands on what is gathered, now. Never rejects. */
  readonly flush: () => Promise<void>;
};

export type BatchTask = {
  readonly clock: Pick<Clock, "after">;
  /** an id waits at most this long, in milliseconds */
  readonly withinMs: number;
  readonly write: (ids: ReadonlySet<string>) => Promise<void>;
  /** hears of a `write` that failed, with how many ids it was given; they are not tried again */
  readonly failed: (error: unknown, count: number) => void;
};

/** A batch whose timer runs only while something is gathered. */
export function createBatch({ clock, withinMs, write, failed }: BatchTask): Batch {
  let ids = new Set<string>();
  let cancel: Cancel | undefined;

  async function flush(): Promise<void> {
    cancel?.();
    cancel = undefined;
    const gathered = ids;
    if (gathered.size === 0) return;
    ids = new Set();
    try {
      await write(gathered);
    } catch (error) {
      failed(error, gathered.size);
    }
  }

  return {
    add(id) {
      ids.add(id);
      cancel ??= clock.after(withinMs, () => keep(flush(), (error) => failed(error, 0)));
    },
    drop: (id) => void ids.delete(id),
    has: (id) => ids.has(id),
    flush,
  };
}
