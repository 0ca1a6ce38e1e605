/** Everything in order, as NDJSON: a merge of pieces that overlap, each opened when its turn comes. */
import type { Columns, Piece, PieceLimits, Snapshot } from "./reader-port.ts";

/** Text is given out in pieces of about this many characters. */
const pieceSize = 256 * 1024;

type Cursor = { readonly columns: Columns; index: number };

/** Entries of pieces within the limits, oldest first, equal times in the order of arrival. */
export function* inOrder(
  snapshot: Snapshot,
  limits: PieceLimits,
): Generator<{ readonly columns: Columns; readonly index: number }> {
  const heap: Cursor[] = [];
  const pieces = snapshot.pieces(limits, "oldest")[Symbol.iterator]();
  let next: IteratorResult<Piece> = pieces.next();
  for (;;) {
    // a piece is opened when the next entry may be its own
    while (next.done !== true && (heap[0] === undefined || next.value.firstMs <= timeOf(heap[0]))) {
      const columns = snapshot.open(next.value);
      if (columns.count > 0) push(heap, { columns, index: 0 });
      next = pieces.next();
    }
    const [first] = heap;
    if (first === undefined) return;
    yield { columns: first.columns, index: first.index };
    first.index++;
    if (first.index < first.columns.count) sink(heap);
    else {
      const last = heap.pop();
      if (last !== undefined && last !== first) {
        heap[0] = last;
        sink(heap);
      }
    }
  }
}

/** NDJSON of whole entries. `matches` decides about each; `breathe` is awaited between pieces of text. */
export async function* exportText(
  snapshot: Snapshot,
  limits: PieceLimits,
  matches: (columns: Columns, index: number) => boolean,
  breathe: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  let text = "";
  for (const { columns, index } of inOrder(snapshot, limits)) {
    if (!matches(columns, index)) continue;
    text += `${JSON.stringify(columns.entry(index))}\n`;
    if (text.length < pieceSize) continue;
    yield Buffer.from(text);
    text = "";
    await breathe();
  }
  if (text !== "") yield Buffer.from(text);
}

const timeOf = ({ columns, index }: Cursor): number => columns.times[index] as number;

function isBefore(a: Cursor, b: Cursor): boolean {
  const apart = timeOf(a) - timeOf(b);
  return (
    apart < 0 || (apart === 0 && (a.columns.positions[a.index] as number) < (b.columns.positions[b.index] as number))
  );
}

// a binary heap whose first cursor has the earliest entry

function push(heap: Cursor[], cursor: Cursor): void {
  let at = heap.push(cursor) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as Cursor;
    if (!isBefore(cursor, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = cursor;
}

/** Lets the first one sink to its place. */
function sink(heap: Cursor[]): void {
  const [cursor] = heap;
  if (cursor === undefined) return;
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    const [left, right] = [heap[child], heap[child + 1]];
    if (left === undefined) break;
    if (right !== undefined && isBefore(right, left)) child++;
    const below = heap[child] as Cursor;
    if (!isBefore(below, cursor)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = cursor;
}
