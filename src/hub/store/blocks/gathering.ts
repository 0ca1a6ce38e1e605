/**
 * Entries as they come, of any number of origins and sources, in one place: what they take depends on how much they are, and
 * not on how many send them. Text is copied, so that nothing of a delivery is kept alive.
 */
import { copyRange, createColumnRoom, growColumnRoom } from "#src/protocol/columns/room.ts";
import { createTextRoom, makeTextRoom } from "#src/protocol/columns/text-room.ts";
import type { LogColumns } from "#src/protocol/log-columns.ts";
import { type Cut, type Gathered, type Key, cutGroup, groupEntries } from "./cutting.ts";
import type { Odd } from "./lines.ts";

/** Room for what is gathered as a rule; of pages that were never written to the kernel has none. Doubled for more. */
const usualLines = 64 * 1024;
const usualBytes = 8 * 1024 * 1024;

export type Gathering = {
  /** Entries, and bytes of messages and fields. */
  readonly count: number;
  readonly bytes: number;
  /** Adds entries of one origin: the position of the first of neighbours, or of each. */
  add(serverId: string, columns: LogColumns, positions: number | Float64Array): void;
  /** The entries of each origin as sorted lines that make a block each, each made when it is asked for. */
  origins(): Iterable<{ readonly serverId: string; readonly blocks: Iterable<Cut> }>;
  /** Forgets the entries and keeps the room, so that large buffers are not made anew all the time. */
  reset(): void;
};

export function createGathering(): Gathering {
  let room = createColumnRoom(usualLines);
  let positions = new Float64Array(room.levels.length);
  let keyOf = new Uint32Array(room.levels.length);
  let text = createTextRoom(usualBytes);
  let count = 0;
  let fields: string[] | undefined;
  let fieldsBytes = 0;
  let odd = new Map<number, Odd>();
  let keys: Key[] = [];
  const origins = new Map<string, Map<string, number>>();

  function makeRoom(more: number): void {
    if (count + more <= room.levels.length) return;
    room = growColumnRoom(room, count + more);
    const [widerPositions, widerKeys] = [new Float64Array(room.levels.length), new Uint32Array(room.levels.length)];
    widerPositions.set(positions.subarray(0, count));
    widerKeys.set(keyOf.subarray(0, count));
    [positions, keyOf] = [widerPositions, widerKeys];
  }

  /** The key of each of an origin's sources. */
  function keysOf(serverId: string, names: readonly string[]): readonly number[] {
    let known = origins.get(serverId);
    if (known === undefined) origins.set(serverId, (known = new Map<string, number>()));
    const sources = known;
    return names.map((source) => {
      let key = sources.get(source);
      if (key === undefined) sources.set(source, (key = keys.push({ serverId, source }) - 1));
      return key;
    });
  }

  function addFields(given: readonly string[] | null, more: number): void {
    if (given === null && fields === undefined) return;
    fields ??= Array.from({ length: count }, () => "");
    for (let i = 0; i < more; i++) {
      const own = given?.[i] ?? "";
      fields.push(own);
      fieldsBytes += own.length;
    }
  }

  function gathered(): Gathered {
    return { ...room, keyOf, positions, text: text.bytes, fields: fields ?? null, odd, count };
  }

  return {
    get count() {
      return count;
    },
    get bytes() {
      return text.size + fieldsBytes;
    },
    add(serverId, columns, given) {
      const { count: more, sourceIndex } = columns;
      makeRoom(more);
      makeTextRoom(text, columns.text.length);
      columns.text.copy(text.bytes, text.size);
      copyRange(columns, 0, more, room, count, text.size);
      text.size += columns.text.length;
      const own = keysOf(serverId, columns.sources);
      if (sourceIndex === null) keyOf.fill(own[0] ?? 0, count, count + more);
      else for (let i = 0; i < more; i++) keyOf[count + i] = own[sourceIndex[i] as number] ?? 0;
      if (typeof given === "number") for (let i = 0; i < more; i++) positions[count + i] = given + i;
      else positions.set(given, count);
      addFields(columns.fields, more);
      for (const [index, found] of columns.odd) odd.set(count + index, found);
      count += more;
    },
    *origins() {
      const all = gathered();
      for (const { serverId, groups } of groupEntries(all, keys)) {
        yield { serverId, blocks: groups.values().flatMap((order) => cutGroup(all, keys, order)) };
      }
    },
    reset() {
      count = fieldsBytes = 0;
      fields = undefined;
      odd = new Map();
      keys = [];
      origins.clear();
      if (text.bytes.length > usualBytes) text = createTextRoom(usualBytes);
      text.size = 0;
    },
  };
}
