/** What counts over entries have in common: what SQL can say is counted there, what it can't is looked at here. */
import type { LogSelection } from "#src/protocol/query.ts";
import { limitsOf, saidOf, within } from "./query-said.ts";
import { TimeUp } from "./reading.ts";
import { type Selected, createRowSieve, readRows, rowColumns } from "./rows.ts";
import { type Said, isExact } from "./said.ts";
import type { World } from "./spread.ts";
import { type Sql, and, no, not } from "./sql.ts";

export type Counting = {
  /** may be counted */
  readonly upper: Sql;
  /** is to be counted, whatever the matcher says */
  readonly lower: Sql;
  readonly exact: boolean;
  /**
   * What is left for the matcher, as long as there is time. Resolves with whether it was.
   * @param all also what is certain
   */
  readonly look: (all: boolean, take: (selected: Selected) => void) => Promise<boolean>;
  /** Milliseconds that are left; null: there is no limit. */
  readonly left: () => number | null;
};

/** `provided`: what else must be true for SQL to be able to count an entry. */
export function createCounting(
  { reading, monotonic }: World,
  selection: LogSelection,
  {
    budgetMs,
    signal,
    byServer,
    provided,
  }: {
    readonly budgetMs: number | null;
    readonly signal: AbortSignal | undefined;
    readonly byServer: boolean;
    readonly provided: Sql;
  },
): Counting {
  const endsAt = budgetMs === null ? Infinity : monotonic() + budgetMs;
  const { fromMs, toMs, query } = selection;
  const said: Said = saidOf(query);
  const limits = and(limitsOf(selection), within(fromMs ?? -Infinity, toMs ?? Infinity));
  const upper = and(limits, said.upper);
  const lower = and(said.lower, provided);
  const exact = isExact({ upper: said.upper, lower });
  const left = (): number | null => (endsAt === Infinity ? null : Math.max(1, endsAt - monotonic()));
  return {
    upper,
    lower,
    exact,
    left,
    async look(all, take) {
      const condition = all ? upper : and(upper, not(lower));
      if (condition === no) return true;
      const sieve = createRowSieve(selection, byServer);
      const sql = `SELECT ${rowColumns} FROM ${reading.table} WHERE ${condition}`;
      try {
        for await (const block of reading.blocks(sql, { timeoutMs: left(), signal })) {
          for (const selected of sieve(readRows(block))) take(selected);
        }
        return true;
      } catch (error) {
        if (error instanceof TimeUp) return false;
        throw error;
      }
    },
  };
}
