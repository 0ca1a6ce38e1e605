/**
 * What of deliveries is new. A delivery that repeats something is answered only when that is certainly stored: while it may
 * lie in an insert that is still on its way, its sender is told to wait, or waits.
 */
import { numberColumns } from "#src/protocol/columns/number.ts";
import { Fault } from "#src/protocol/fault.ts";
import { type Sender, rememberBatch } from "../deliveries.ts";
import { type Ranges, admit, highest } from "../seen.ts";
import { withoutRanges } from "./ledger-ranges.ts";
import type { LockedSender } from "./ledger-senders.ts";

export type Delivery = {
  readonly serverId: string;
  /** its name, shortened (deliveries.ts `batchKey`) */
  readonly batch: string | null;
  readonly seqs: Float64Array;
  /** the entries are given numbers here, none smaller than this; null: they have them */
  readonly numberFrom: number | null;
};

export type Verdict =
  | {
      readonly kind: "taken";
      /** indexes of new entries */
      readonly fresh: "all" | readonly number[];
      /** inserts on their way, of whichever hub, in which what it repeats may be */
      readonly after: readonly PendingOf[];
    }
  /** Nothing of it was taken. */
  | { readonly kind: "refused"; readonly fault: Fault };

/** What an insert added to a sender. */
export type Added = { readonly ranges: Ranges; readonly batches: readonly string[] };

export type PendingOf = { readonly id: string; readonly hub: string };
type Pending = PendingOf & { readonly senders: readonly string[] };

export type Judged = {
  readonly verdicts: readonly Verdict[];
  readonly count: number;
  readonly changed: ReadonlyMap<string, Sender>;
  readonly added: Readonly<Record<string, Added>>;
};

/**
 * Judges deliveries in their order; those of one sender see what the earlier ones added. `own` is the insert they go into;
 * a delivery that repeats entries of an insert which another hub (or an earlier life of this one) has to settle is refused.
 */
export async function judge(
  deliveries: readonly Delivery[],
  senders: ReadonlyMap<string, LockedSender>,
  { id, hub, isInFlight }: { readonly id: string; readonly hub: string; readonly isInFlight: (id: string) => boolean },
  readPending: () => Promise<readonly Pending[]>,
): Promise<Judged> {
  const changed = new Map<string, Sender>();
  const names = new Map<string, string[]>();
  const verdicts: Verdict[] = [];
  let count = 0;
  let pending: readonly Pending[] | undefined;
  for (const delivery of deliveries) {
    const { serverId, batch, seqs, numberFrom } = delivery;
    const locked = senders.get(serverId);
    if (locked?.problem !== undefined) {
      verdicts.push({ kind: "refused", fault: locked.problem as Fault });
      continue;
    }
    const sender = changed.get(serverId) ?? locked?.sender ?? { ranges: [], batches: [] };
    const isNamed = batch !== null && sender.batches.includes(batch);
    // a transaction that is run again numbers them again
    if (!isNamed && numberFrom !== null) numberColumns({ seqs }, Math.max(numberFrom, highest(sender.ranges) + 1));
    const { fresh, ranges } = isNamed ? { fresh: [], ranges: sender.ranges } : admit(sender.ranges, seqs);
    const taken = fresh === "all" ? seqs.length : fresh.length;
    let after: readonly PendingOf[] = [];
    if (taken < seqs.length) {
      pending ??= await readPending();
      after = pending.filter((one) => one.senders.includes(serverId));
      if (after.some((one) => one.hub !== hub || !isInFlight(one.id))) {
        verdicts.push({ kind: "refused", fault: beingSettled() });
        continue;
      }
      if (changed.has(serverId)) after = [...after, { id, hub }];
    }
    verdicts.push({ kind: "taken", fresh, after });
    count += taken;
    // a name stands for the whole delivery: not for one of which a part may yet come to nothing
    const isWhole = batch !== null && !isNamed && after.every((one) => one.id === id);
    if (taken === 0 && !isWhole) continue;
    // without this insert there would be no reason to remember it
    if (isWhole && taken + after.length > 0) names.set(serverId, [...(names.get(serverId) ?? []), batch]);
    changed.set(serverId, { ranges, batches: isWhole ? rememberBatch(sender.batches, batch) : sender.batches });
  }
  const added = Object.fromEntries(
    [...changed].map(([server, { ranges }]) => [
      server,
      {
        ranges: withoutRanges(ranges, senders.get(server)?.sender.ranges ?? []),
        batches: names.get(server) ?? [],
      },
    ]),
  );
  return { verdicts, count, changed, added };
}

function beingSettled(): Fault {
  return new Fault(
    "unavailable",
    "entries of this delivery came before, and it is not known yet whether they are stored",
    {
      hint: "Send it again in a moment",
    },
  );
}
