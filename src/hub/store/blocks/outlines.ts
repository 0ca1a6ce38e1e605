/** What stands of blocks and deliveries in indexes too: enough to know them by when their rows can't be read. */
import type { Database } from "bun:sqlite";

import type { BlockRow } from "./block-rows.ts";
import { listed } from "./damaged.ts";
import type { HotRow } from "./hot-rows.ts";

/** A block as its indexes know it. */
export type Outline = Pick<BlockRow, "id" | "origin" | "first_ms" | "last_ms" | "first_position" | "last_position">;

/** Indexes of `blocks` that hold, with the id that every index ends with, whole numbers only. */
const blockIndexes = {
  blocks_by_end: ["last_ms", "id"],
  blocks_by_begin: ["first_ms", "id"],
  blocks_by_position: ["last_position", "first_position", "id"],
  blocks_by_origin: ["origin", "last_ms", "id"],
} as const;

/** Blocks by their ids; of one of which an index can't be read something is missing. */
export function readOutlines(old: Database): ReadonlyMap<number, Partial<Outline>> {
  const outlines = new Map<number, Partial<Outline>>();
  for (const [index, columns] of Object.entries(blockIndexes)) {
    const { rising, falling } = listed<Outline>(old, { tree: `blocks INDEXED BY ${index}`, columns, key: columns });
    for (const row of [...rising, ...falling]) outlines.set(row.id, { ...outlines.get(row.id), ...row });
  }
  return outlines;
}

export function isComplete(outline: Partial<Outline> | undefined): outline is Outline {
  if (outline === undefined) return false;
  return Object.values(blockIndexes).every((columns) => columns.every((column) => typeof outline[column] === "number"));
}

/** Deliveries as indexes know them. */
export function readHotOutlines(
  old: Database,
): ReadonlyMap<number, Pick<HotRow, "id" | "server" | "last_position" | "first_ms" | "last_ms">> {
  type Times = Pick<HotRow, "id" | "server" | "first_ms" | "last_ms">;
  const times = listed<Times>(old, {
    tree: "chunks INDEXED BY chunks_by_time",
    columns: ["last_ms", "id", "first_ms", "server"],
    key: ["last_ms", "id"],
  });
  const positions = listed<Pick<HotRow, "id" | "last_position">>(old, {
    tree: "chunks INDEXED BY chunks_by_position",
    columns: ["last_position", "id"],
    key: ["last_position", "id"],
  });
  const known = new Map([...times.rising, ...times.falling].map((row) => [row.id, row]));
  return new Map(
    [...positions.rising, ...positions.falling].map(({ id, last_position }) => {
      const { server = "", first_ms = 0, last_ms = 0 } = known.get(id) ?? {};
      return [id, { id, server, last_position, first_ms, last_ms }];
    }),
  );
}
