/** Deliveries that are at hand until their entries become blocks. */
import type { Arrived } from "#src/protocol/log-columns.ts";
import type { Cut } from "./cutting.ts";
import { createGathering } from "./gathering.ts";

/** Full: with ten sources that is a block each. A search reads at most this much of what has no filter yet. */
const mostLines = 49_152;
export const generationBytes = 6 * 1024 * 1024;

/** What one origin delivered: its rows go when all of its blocks are written. */
type OriginPart = {
  readonly serverId: string;
  /** first positions of what was added */
  readonly rows: readonly number[];
  /** sorted, each made when it is asked for */
  readonly blocks: Iterable<Cut>;
};

export type Generation = {
  add(arrived: Arrived): void;
  origins(): Iterable<OriginPart>;
  /** of messages and fields */
  readonly bytes: number;
  readonly empty: boolean;
  readonly full: boolean;
  /** Empty again, with the room that its entries took. */
  reset(): void;
};

export function createGeneration(): Generation {
  const gathering = createGathering();
  const rows = new Map<string, number[]>();
  return {
    add({ serverId, firstPosition, columns }) {
      const own = rows.get(serverId);
      if (own === undefined) rows.set(serverId, [firstPosition]);
      else own.push(firstPosition);
      gathering.add(serverId, columns, firstPosition);
    },
    *origins() {
      for (const { serverId, blocks } of gathering.origins()) {
        yield { serverId, rows: rows.get(serverId) ?? [], blocks };
      }
    },
    get bytes() {
      return gathering.bytes;
    },
    get empty() {
      return rows.size === 0;
    },
    get full() {
      return gathering.count >= mostLines || gathering.bytes >= generationBytes;
    },
    reset() {
      rows.clear();
      gathering.reset();
    },
  };
}
