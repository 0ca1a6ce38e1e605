import { expect, test } from "bun:test";

import { openLines } from "#src/hub/store/blocks/columns.ts";
import { createKept } from "#src/hub/store/blocks/kept.ts";
import { numberLines } from "#src/hub/store/blocks/lines.ts";
import type { Piece } from "#src/hub/store/blocks/reader-port.ts";
import { createColumnBuilder } from "#src/protocol/columns/builder.ts";

const piece = (id: number, rawBytes: number, kind: Piece["kind"] = "block"): Piece => ({
  kind,
  id,
  serverId: "s",
  source: null,
  lines: 0,
  firstMs: 0,
  lastMs: 0,
  firstPosition: 1,
  lastPosition: 1,
  levels: 0,
  streams: 0,
  rawBytes,
});
const opened = (of: Piece) => openLines(of, numberLines(createColumnBuilder().columns(), 1));

test("what was used last is kept, within its bytes, blocks apart from deliveries of the same number", () => {
  const kept = createKept(300);
  const all = [piece(1, 100), piece(2, 100), piece(1, 100, "hot")];
  for (const one of all) kept.put(opened(one));
  expect(all.map((one) => kept.get(one)?.piece)).toEqual(all);
  // used again, so that the second one is the oldest now
  kept.get(piece(1, 100));
  kept.put(opened(piece(3, 100)));
  expect(kept.get(piece(2, 100))).toBeUndefined();
  expect(kept.get(piece(1, 100))).toBeDefined();
  // larger than all that may be kept
  kept.put(opened(piece(4, 500)));
  expect([1, 3, 4].map((id) => kept.get(piece(id, 0)))).toEqual([undefined, undefined, undefined]);
  kept.put(opened(piece(5, 300)));
  expect(kept.get(piece(5, 300))).toBeDefined();
  kept.clear();
  expect(kept.get(piece(5, 300))).toBeUndefined();
});
