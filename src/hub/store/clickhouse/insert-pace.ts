/**
 * How long deliveries wait for others before they go to ClickHouse together. Every insert of every hub makes a part there,
 * which it merges with others: where it falls behind with that, all hubs gather for longer, and so insert less often.
 */
import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { type Client, ofLogs, systemTable } from "./retention-days.ts";

/** How often parts are counted while there are inserts. */
const countEveryMs = 5000;
const timeoutMs = 5000;
/** Of one day on one server: so many are left behind by a ClickHouse that keeps up. From 1,000 on it slows inserts down. */
const usualParts = 100;
/** However many there are, lines are to be seen within a second or two. */
const longestMs = 1000;

/** Milliseconds. @param parts of the day that has the most */
export function gatherMsFor(parts: number, leastMs: number): number {
  return Math.max(leastMs, Math.min(longestMs, (leastMs * parts) / usualParts));
}

/** The first answer is `leastMs`; asking is what keeps it up to date. */
export function createPace(client: Client, clock: Pick<Clock, "monotonic">, leastMs: number): () => number {
  let countedAt = -Infinity;
  let gatherMs = leastMs;

  async function count(): Promise<void> {
    const [row] = await client.rows<{ parts: number }>(
      `SELECT max(parts) AS parts FROM (SELECT count() AS parts FROM ${systemTable(client, "parts")}
       WHERE active AND ${ofLogs(client)} GROUP BY hostName(), partition_id)`,
      { timeoutMs },
    );
    gatherMs = gatherMsFor(row?.parts ?? 0, leastMs);
  }

  return () => {
    const now = clock.monotonic();
    if (now - countedAt >= countEveryMs) {
      countedAt = now;
      keep(count(), () => {
        // whoever inserts says that ClickHouse is away; it is asked again
      });
    }
    return gatherMs;
  };
}
