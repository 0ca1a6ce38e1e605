/** What of a group of deliveries goes into an insert. */
import { pickColumns } from "#src/protocol/columns/stretch.ts";
import type { Gathered } from "./insert-gathering.ts";
import type { Admitted } from "./ledger.ts";
import type { Stretch } from "./native-insert.ts";

/** New entries with their positions, in the order of the deliveries. */
export function stretchesOf(
  group: readonly Pick<Gathered, "batch">[],
  { verdicts, firstPosition }: Admitted,
): readonly Stretch[] {
  const stretches: Stretch[] = [];
  let next = firstPosition;
  for (const [i, { batch }] of group.entries()) {
    const verdict = verdicts[i];
    if (verdict?.kind !== "taken" || (verdict.fresh !== "all" && verdict.fresh.length === 0)) continue;
    const { fresh } = verdict;
    const columns = fresh === "all" ? batch.columns : pickColumns(batch.columns, fresh);
    stretches.push({ serverId: batch.serverId, firstPosition: next, columns });
    next += columns.count;
  }
  return stretches;
}
