/**
 * Checksums of what was copied that do not ask in which order it is read back: the sum of a 64-bit hash of each row,
 * modulo 2^64. ClickHouse's `sum` over UInt64 wraps in the same way, so that either side can make one.
 */

/** How many rows there are under a key, and the sum of their hashes. */
export type Sum = { count: number; sum: bigint };
/** By key: a table, or the day and server of log lines. */
export type Sums = Map<string, Sum>;

/** What is not the same on both sides. */
export type Difference = {
  /** the table, or `logs 2026-01-31 SERVER` */
  readonly what: string;
  readonly wanted: number;
  readonly found: number;
};

export function addSum(sums: Sums, key: string, count: number, sum: bigint): void {
  const known = sums.get(key);
  if (known === undefined) sums.set(key, { count, sum: BigInt.asUintN(64, sum) });
  else {
    known.count += count;
    known.sum = BigInt.asUintN(64, known.sum + sum);
  }
}

export function addSums(sums: Sums, more: Sums): void {
  for (const [key, { count, sum }] of more) addSum(sums, key, count, sum);
}

/** What `found` has otherwise than `wanted`; `name` makes of a key what people read. Equal counts of other rows count, too. */
export function differencesOf(wanted: Sums, found: Sums, name: (key: string) => string): readonly Difference[] {
  const keys = new Set([...wanted.keys(), ...found.keys()]);
  return [...keys].sort().flatMap((key) => {
    const [one, other] = [wanted.get(key), found.get(key)];
    const same = (one?.count ?? 0) === (other?.count ?? 0) && (one?.sum ?? 0n) === (other?.sum ?? 0n);
    return same ? [] : [{ what: name(key), wanted: one?.count ?? 0, found: other?.count ?? 0 }];
  });
}

/** Sums as text, for the journal. */
export function writeSums(sums: Sums): string {
  return JSON.stringify([...sums].map(([key, { count, sum }]) => [key, count, String(sum)]));
}

export function readSums(text: string): Sums {
  const rows = JSON.parse(text) as readonly (readonly [string, number, string])[];
  return new Map(rows.map(([key, count, sum]) => [key, { count, sum: BigInt(sum) }]));
}
