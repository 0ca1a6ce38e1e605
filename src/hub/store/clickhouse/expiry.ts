/** What tables forget by themselves, and when: their TTL. */
import type { Clickhouse } from "./client.ts";

const dayS = 86_400;
/**
 * The moments of a TTL end in the year 2106, and what lies beyond comes out as long ago: rows would be gone at once. What
 * is kept for longer than this, a table does not forget by itself.
 */
const longestS = 10_000 * dayS;

/**
 * A part knows when it expires. When its table's TTL changes, that is written anew, and not the part with it: without,
 * what is kept for longer from now on would go at the time that was said before.
 */
export const expirySetting = "materialize_ttl_recalculate_only = 1";

export type Expiry = {
  /** of type DateTime */
  readonly time: string;
  readonly seconds: number;
  /** which rows; left out: all */
  readonly where?: string;
};

/** What stands behind TTL, in the words in which ClickHouse gives it back; "": nothing is forgotten. */
export function expirySql(kinds: readonly Expiry[]): string {
  return kinds
    .filter(({ seconds }) => seconds <= longestS)
    .map(({ time, seconds, where }) => {
      const whole = Math.ceil(seconds);
      const span = whole % dayS === 0 ? `toIntervalDay(${whole / dayS})` : `toIntervalSecond(${whole})`;
      return `${time} + ${span}${where === undefined ? "" : ` WHERE ${where}`}`;
    })
    .join(", ");
}

/** Makes a table forget as `wanted` says, unless it does already; `target` is what stands behind ALTER TABLE. */
export async function setExpiry(
  client: Pick<Clickhouse, "rows" | "run">,
  table: string,
  target: string,
  wanted: string,
): Promise<void> {
  const [found] = await client.rows<{ engine: string }>(
    "SELECT engine_full AS engine FROM system.tables WHERE database = currentDatabase() AND name = {table: String}",
    { parameters: { table } },
  );
  if (found === undefined) return;
  const now = / TTL (.*?) SETTINGS /.exec(found.engine)?.[1] ?? "";
  if (now === wanted) return;
  await client.run(`ALTER TABLE ${target} ${wanted === "" ? "REMOVE TTL" : `MODIFY TTL ${wanted}`}`);
}
