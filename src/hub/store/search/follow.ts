/** Entries as they arrive, tested by whole columns: what live tails are made of. */
import type { Arrived } from "#src/protocol/log-columns.ts";
import { levels, streams } from "#src/protocol/log.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import { openLines } from "../blocks/columns.ts";
import { numberLines } from "../blocks/lines.ts";
import { storedEntry } from "../blocks/stored-entry.ts";
import type { Columns, Piece } from "../blocks/reader-port.ts";
import { type Lines, keep, linesBetween, none } from "./lines.ts";
import { createSieve } from "./select.ts";

/** Indexes of the entries that are selected, rising. */
export type ArrivalTest = (arrived: Arrived) => Lines;

/** Makes the test of a selection. What it is limited to by `scope` is whoever asks to see to. */
export function createArrivalTest(selection: LogSelection): ArrivalTest {
  const { servers, fromMs, toMs } = selection;
  const sieve = createSieve(selection);
  return (arrived) => {
    if (servers !== null && !servers.includes(arrived.serverId)) return none;
    const { times, count } = arrived.columns;
    let lines = linesBetween(0, count);
    // entries arrive in any order of their times
    if (fromMs !== null) lines = keep(lines, (line) => (times[line] ?? 0) >= fromMs);
    if (toMs !== null) lines = keep(lines, (line) => (times[line] ?? 0) < toMs);
    return sieve(columnsOf(arrived), lines).slice();
  };
}

/** An entry as JSON text. */
export function arrivedText({ columns, serverId, firstPosition }: Arrived, index: number): string {
  return JSON.stringify(storedEntry(columns, index, serverId, firstPosition + index));
}

// one view for all who test the same entries
const views = new WeakMap<Arrived, Columns>();

function columnsOf(arrived: Arrived): Columns {
  let view = views.get(arrived);
  if (view === undefined) {
    const { columns, firstPosition } = arrived;
    views.set(arrived, (view = openLines(pieceOf(arrived), numberLines(columns, firstPosition))));
  }
  return view;
}

const any = (values: readonly unknown[]) => 2 ** values.length - 1;

function pieceOf({ serverId, firstPosition, columns }: Arrived): Piece {
  return {
    kind: "hot",
    id: firstPosition,
    serverId,
    source: null,
    lines: columns.count,
    firstMs: -Infinity,
    lastMs: Infinity,
    firstPosition,
    lastPosition: firstPosition + columns.count - 1,
    levels: any(levels),
    streams: any(streams),
    rawBytes: columns.text.length,
  };
}
