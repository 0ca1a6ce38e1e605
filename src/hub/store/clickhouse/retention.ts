/**
 * How long logs stay in ClickHouse: the table forgets whole days by itself after the longest time that anybody keeps
 * something; what is kept for less long or takes too much is deleted. One hub does this; when two do, nothing more goes
 * than with one.
 */
import type { Clock } from "#src/lib/clock.ts";
import type { Keeping } from "../log-port.ts";
import { deleteOld, dropOldDays, keepFor, readAgeLimits } from "./retention-age.ts";
import { type Client, dayMs, readDays } from "./retention-days.ts";
import { createWeights, cutAll, cutShare } from "./retention-size.ts";

export type Retention = {
  /** @returns lines deleted, as far as they were counted: what the table forgets by itself is not among them */
  prune(keeping: Keeping): Promise<number>;
};

export function createRetention(client: Client, clock: Pick<Clock, "now" | "monotonic">): Retention {
  const weights = createWeights(client, clock.monotonic);
  // by how many days something is kept: when what is older was deleted
  const deletedAt = new Map<number, number>();

  async function pruneByAge(since: Keeping["since"]): Promise<number> {
    const { longestMs, groups } = await readAgeLimits(client, since);
    if (longestMs === -Infinity) return 0;
    const now = clock.now();
    // counted before the table forgets them by itself
    let lines = await dropOldDays(client, await readDays(client), longestMs);
    await keepFor(client, Math.max(1, Math.ceil((now - longestMs) / dayMs)));
    for (const [fromMs, servers] of groups) {
      const days = Math.round((now - fromMs) / dayMs);
      if (fromMs === -Infinity || clock.monotonic() - (deletedAt.get(days) ?? -Infinity) < dayMs) continue;
      lines += await deleteOld(client, fromMs, servers, fromMs === longestMs);
      deletedAt.set(days, clock.monotonic());
    }
    return lines;
  }

  async function pruneShares(shares: Keeping["shares"]): Promise<number> {
    if (shares.length === 0) return 0;
    const known = await weights.read();
    const days = await readDays(client);
    let lines = 0;
    for (const share of shares) lines += await cutShare(client, share, known, days);
    return lines;
  }

  return {
    async prune({ since, shares, bytes }) {
      const old = await pruneByAge(since);
      if (old > 0) weights.forget();
      const shared = await pruneShares(shares);
      if (shared > 0) weights.forget();
      return old + shared + (bytes === Infinity ? 0 : await cutAll(client, bytes));
    },
  };
}
