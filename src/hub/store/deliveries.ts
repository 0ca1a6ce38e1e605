/** What is remembered of a sender, so that nothing it repeats is stored twice. */
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { type Range, type Ranges, addRange } from "./seen.ts";

/** Names of its latest deliveries that are remembered; a sender has one or two on the way. */
const rememberedBatches = 32;

export type Sender = {
  readonly ranges: Ranges;
  /** hashes of the latest delivery names, oldest first */
  readonly batches: readonly string[];
};

const unknown: Sender = { ranges: [], batches: [] };

/** The columns a sender is kept in; a wrong digit in them would make new lines count as repeated. */
export type SenderRow = {
  readonly ranges: string;
  readonly batches: string;
  /** CRC-32 of the others, and of whose they are; null: it was written before there were any */
  readonly crc: number | null;
};

/** Reads the row of the sender `id`; no row: it was never seen. Throws a Fault `failed` when it is damaged. */
export function readSender(id: string, row: SenderRow | null): Sender {
  if (row === null) return unknown;
  try {
    if (row.crc !== null && row.crc !== crcOf(id, row)) throw new RangeError("its checksum is another");
    const ranges = JSON.parse(row.ranges) as Range[];
    return {
      ranges: ranges.reduce<Ranges>((all, [from, to]) => addRange(all, from, to), []),
      batches: JSON.parse(row.batches) as string[],
    };
  } catch (error) {
    throw new Fault("failed", `what is remembered of the deliveries of ${id} is damaged: ${reasonOf(error)}`, {
      hint: "Run `orion hub repair`: it is forgotten then, and what is repeated may be stored again",
      cause: error,
    });
  }
}

export function writeSender(id: string, sender: Sender): SenderRow {
  const row = { ranges: JSON.stringify(sender.ranges), batches: JSON.stringify(sender.batches) };
  return { ...row, crc: crcOf(id, row) };
}

function crcOf(id: string, { ranges, batches }: Omit<SenderRow, "crc">): number {
  return Bun.hash.crc32(`${id}\n${ranges}\n${batches}`);
}

/** A short name for a delivery's name: 64 bits are plenty to tell 32 of them apart. */
export function batchKey(batchId: string): string {
  return Bun.hash(batchId).toString(36);
}

/** The names with one more, the oldest forgotten. */
export function rememberBatch(batches: readonly string[], key: string): readonly string[] {
  return [...batches.slice(-(rememberedBatches - 1)), key];
}

/**
 * Senders by name, read once and changed by transactions: a change is seen at once within its transaction, by others
 * after its commit, and never when it is rolled back.
 */
export type Senders = {
  get(id: string): Sender;
  set(id: string, sender: Sender): void;
  commit(): void;
  rollback(): void;
};

/** Most senders kept in memory; others are read again when they come. */
const maxKept = 20_000;

export function createSenders(read: (id: string) => SenderRow | null): Senders {
  const kept = new Map<string, Sender>();
  const staged = new Map<string, Sender>();
  return {
    get(id) {
      const known = staged.get(id) ?? kept.get(id);
      if (known !== undefined) return known;
      const sender = readSender(id, read(id));
      if (kept.size >= maxKept) kept.clear();
      kept.set(id, sender);
      return sender;
    },
    set: (id, sender) => void staged.set(id, sender),
    commit() {
      for (const [id, sender] of staged) kept.set(id, sender);
      staged.clear();
    },
    rollback: () => staged.clear(),
  };
}
