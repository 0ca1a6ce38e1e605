/** The sources of a delivery, found by the bytes of their names: neighbours and near neighbours share them. */
import { isSourceName } from "./check.ts";

const quote = 34;
const backslash = 92;

/** Sources that are found by their bytes alone; of more, some are looked up by name. */
const cachedSources = 256;
/** 128 characters, four bytes each. */
const longestName = 512;

export type SourceTable = {
  /** in the order in which they came; at most as many as there are lines, far less than a rank can hold */
  readonly names: readonly string[];
  readonly ranks: ReadonlyMap<string, number>;
  /** where the name that `rankAt` found ends */
  end: number;
  /** The rank of the name between `from` and the next quote; -1: it is not in plain text, or no name of a source. */
  readonly rankAt: (from: number) => number;
  readonly rankOf: (name: string) => number;
};

export function createSourceTable(bytes: Buffer): SourceTable {
  const names: string[] = [];
  const ranks = new Map<string, number>();
  // of each hash the source that had it last, and where that stands
  const cached = new Int32Array(cachedSources).fill(-1);
  const begins = new Int32Array(cachedSources);
  const lengths = new Int32Array(cachedSources);
  const table: SourceTable = { names, ranks, end: 0, rankAt, rankOf };

  function rankAt(from: number): number {
    let at = from;
    let hash = 0;
    let byte = bytes[at] as number;
    while (byte !== quote) {
      if (byte === backslash || at - from > longestName) return -1;
      hash = (Math.imul(hash, 31) + byte) | 0;
      if (++at >= bytes.length) return -1;
      byte = bytes[at] as number;
    }
    table.end = at;
    const slot = (hash ^ (hash >>> 8)) & (cachedSources - 1);
    const known = cached[slot] as number;
    if (known !== -1 && at - from === lengths[slot] && isSame(begins[slot] as number, from, at - from)) return known;
    const name = bytes.toString("utf8", from, at);
    if (!ranks.has(name) && !isSourceName(name)) return -1;
    const rank = rankOf(name);
    cached[slot] = rank;
    begins[slot] = from;
    lengths[slot] = at - from;
    return rank;
  }

  function isSame(a: number, b: number, length: number): boolean {
    for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
    return true;
  }

  function rankOf(name: string): number {
    let rank = ranks.get(name);
    if (rank === undefined) {
      ranks.set(name, (rank = names.length));
      names.push(name);
    }
    return rank;
  }

  return table;
}
