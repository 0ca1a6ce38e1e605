/**
 * Entries as the body of an INSERT in ClickHouse's Native format, written column by column out of the columns in which they
 * came: no object is made of a line.
 */
import type { LogColumns } from "#src/protocol/log-columns.ts";
import { logColumns } from "./logs-tables.ts";
import { fillInts, writeText, writeVarint } from "./native-bytes.ts";

/** Entries of one sender that stand one behind the other. */
export type Stretch = {
  readonly serverId: string;
  readonly firstPosition: number;
  readonly columns: LogColumns;
};

/** Level 1 is as good as 3 on a wire within a data centre, and twice as fast. */
const zstdLevel = 1;
/** Names and types of columns, lengths. */
const headBytes = 1024;

/** LowCardinality: a dictionary stands before the indexes, of this version … */
const dictionaryVersion = 1;
/** … for this block alone: HasAdditionalKeysBit | NeedUpdateDictionary. */
const dictionaryFlags = (1 << 9) | (1 << 10);

const types: Readonly<Record<(typeof logColumns)[number], string>> = {
  server: "LowCardinality(String)",
  source: "LowCardinality(String)",
  at: "Int64",
  seq: "Int64",
  position: "UInt64",
  level: "UInt8",
  stream: "UInt8",
  message: "String",
  fields: "String",
  odd: "String",
  arrived: "DateTime64(3, 'UTC')",
};

/** The statement whose data {@link insertBody} makes. */
export function insertSql(table: string): string {
  return `INSERT INTO ${table} (${logColumns.join(", ")}) FORMAT Native`;
}

/** The body of an insert of all that `stretches` hold, in zstd. */
export async function insertBody(stretches: readonly Stretch[], arrivedMs: number): Promise<Uint8Array<ArrayBuffer>> {
  const body = await Bun.zstdCompress(nativeBlock(stretches, arrivedMs), { level: zstdLevel });
  return new Uint8Array(body.buffer as ArrayBuffer, body.byteOffset, body.length);
}

/** The one row of an insert that came to nothing: no entry, but with the same token nothing else can be there. */
export async function markBody(position: number, arrivedMs: number): Promise<Uint8Array<ArrayBuffer>> {
  const columns: LogColumns = {
    count: 1,
    times: new Float64Array([arrivedMs]),
    seqs: new Float64Array(1),
    levels: new Uint8Array(1),
    streams: new Uint8Array(1),
    text: Buffer.from("\n"),
    offsets: new Uint32Array([0, 1]),
    fields: null,
    sources: [""],
    sourceIndex: null,
    odd: new Map(),
  };
  return await insertBody([{ serverId: "", firstPosition: position, columns }], arrivedMs);
}

/** One block, which ClickHouse makes one part of. */
export function nativeBlock(stretches: readonly Stretch[], arrivedMs: number): Uint8Array<ArrayBuffer> {
  const rows = stretches.reduce((sum, { columns }) => sum + columns.count, 0);
  const bytes = Buffer.allocUnsafeSlow(sizeOf(stretches, rows));
  let at = writeVarint(bytes, 0, logColumns.length);
  at = writeVarint(bytes, at, rows);

  const head = (name: (typeof logColumns)[number]): void => {
    at = writeText(bytes, at, name);
    at = writeText(bytes, at, types[name]);
  };
  // 64-bit numbers are made in words and copied, since columns begin anywhere
  const words = new Uint32Array(rows * 2);
  const ints = (name: (typeof logColumns)[number], fill: (words: Uint32Array) => void): void => {
    head(name);
    fill(words);
    bytes.set(new Uint8Array(words.buffer), at);
    at += words.byteLength;
  };
  const eachInts = (of: (columns: LogColumns) => ArrayLike<number>) => (into: Uint32Array) => {
    let row = 0;
    for (const { columns } of stretches) {
      fillInts(into, row, of(columns));
      row += columns.count;
    }
  };
  const small = (name: "level" | "stream", of: (columns: LogColumns) => Uint8Array): void => {
    head(name);
    for (const { columns } of stretches) {
      bytes.set(of(columns), at);
      at += columns.count;
    }
  };
  const texts = (name: "message" | "fields" | "odd", write: (columns: LogColumns) => void): void => {
    head(name);
    for (const { columns } of stretches) write(columns);
  };
  const empty = (count: number): void => {
    bytes.fill(0, at, at + count);
    at += count;
  };

  head("server");
  at = writeDictionary(bytes, at, rows, serverRanks(stretches));
  head("source");
  at = writeDictionary(bytes, at, rows, sourceRanks(stretches));
  ints(
    "at",
    eachInts(({ times }) => times),
  );
  ints(
    "seq",
    eachInts(({ seqs }) => seqs),
  );
  ints("position", (into) => {
    let row = 0;
    for (const { firstPosition, columns } of stretches) {
      fillInts(into, row, risingFrom(firstPosition, columns.count));
      row += columns.count;
    }
  });
  small("level", ({ levels }) => levels);
  small("stream", ({ streams }) => streams);
  texts("message", ({ count, text, offsets }) => {
    for (let i = 0; i < count; i++) {
      const from = offsets[i] as number;
      // each is followed by a newline that is none of it
      const to = (offsets[i + 1] as number) - 1;
      at = writeVarint(bytes, at, to - from);
      text.copy(bytes, at, from, to);
      at += to - from;
    }
  });
  texts("fields", ({ count, fields }) => {
    if (fields === null) empty(count);
    else for (let i = 0; i < count; i++) at = writeText(bytes, at, fields[i] ?? "");
  });
  texts("odd", ({ count, odd }) => {
    if (odd.size === 0) empty(count);
    else
      for (let i = 0; i < count; i++) {
        const found = odd.get(i);
        at = writeText(bytes, at, found === undefined ? "" : JSON.stringify(found));
      }
  });
  ints("arrived", (into) => {
    fillInts(into, 0, [arrivedMs]);
    const [low = 0, high = 0] = into;
    for (let i = 0; i < into.length; i += 2) {
      into[i] = low;
      into[i + 1] = high;
    }
  });
  return new Uint8Array(bytes.buffer, 0, at);
}

function risingFrom(first: number, count: number): Float64Array {
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = first + i;
  return values;
}

/** At most. */
function sizeOf(stretches: readonly Stretch[], rows: number): number {
  // four columns of 8 bytes, two of 1, three lengths, two indexes of at most 4
  let size = headBytes + rows * (4 * 8 + 2 + 5 + 2 + 2 * 4);
  for (const { serverId, columns } of stretches) {
    size += columns.text.length + serverId.length * 3 + 5;
    for (const source of columns.sources) size += source.length * 3 + 5;
    for (const own of columns.fields ?? []) size += own.length * 3 + 5;
    for (const own of columns.odd.values()) size += Buffer.byteLength(JSON.stringify(own)) + 5;
  }
  return size;
}

type Ranks = {
  readonly names: readonly string[];
  /** Fills the place of each row with its name's index. */
  readonly fill: (indexes: Uint8Array | Uint16Array | Uint32Array) => void;
};

function serverRanks(stretches: readonly Stretch[]): Ranks {
  const ranks = ranked(stretches.map(({ serverId }) => serverId));
  return {
    names: [...ranks.keys()],
    fill(indexes) {
      let row = 0;
      for (const { serverId, columns } of stretches) {
        indexes.fill(ranks.get(serverId) ?? 0, row, row + columns.count);
        row += columns.count;
      }
    },
  };
}

function sourceRanks(stretches: readonly Stretch[]): Ranks {
  const ranks = ranked(stretches.flatMap(({ columns }) => columns.sources));
  return {
    names: [...ranks.keys()],
    fill(indexes) {
      let row = 0;
      for (const { columns } of stretches) {
        const own = columns.sources.map((source) => ranks.get(source) ?? 0);
        const { count, sourceIndex } = columns;
        if (sourceIndex === null) indexes.fill(own[0] ?? 0, row, row + count);
        else for (let i = 0; i < count; i++) indexes[row + i] = own[sourceIndex[i] as number] as number;
        row += count;
      }
    },
  };
}

function ranked(names: readonly string[]): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  for (const name of names) if (!ranks.has(name)) ranks.set(name, ranks.size);
  return ranks;
}

/** @returns where it ends */
function writeDictionary(bytes: Buffer, from: number, rows: number, { names, fill }: Ranks): number {
  const [kind, Indexes] = indexesFor(names.length);
  let at = bytes.writeBigUInt64LE(BigInt(dictionaryVersion), from);
  at = bytes.writeBigUInt64LE(BigInt(dictionaryFlags | kind), at);
  at = bytes.writeBigUInt64LE(BigInt(names.length), at);
  for (const name of names) at = writeText(bytes, at, name);
  at = bytes.writeBigUInt64LE(BigInt(rows), at);
  const indexes = new Indexes(rows);
  fill(indexes);
  bytes.set(new Uint8Array(indexes.buffer), at);
  return at + indexes.byteLength;
}

/** How wide indexes of so many names are, as ClickHouse numbers it. */
function indexesFor(names: number) {
  if (names <= 256) return [0, Uint8Array] as const;
  return names <= 65_536 ? ([1, Uint16Array] as const) : ([2, Uint32Array] as const);
}
