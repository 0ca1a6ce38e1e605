/** A store of blocks in a folder of its own, and what it should hold as a plain array. */
import { cpSync } from "node:fs";

import { type Blocks, openBlocks } from "#src/hub/store/blocks/blocks.ts";
import type { PieceLimits } from "#src/hub/store/blocks/reader-port.ts";
import { systemClock } from "#src/lib/clock.ts";
import { parseInstant } from "#src/lib/instant.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { entriesOf } from "#test/hub/kit/columns.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

export const everything: PieceLimits = {
  scope: null,
  servers: null,
  sources: null,
  streams: null,
  level: null,
  fromMs: null,
  toMs: null,
};

export type TestBlocks = AsyncDisposable & {
  readonly folder: Folder;
  /** the store that is open now */
  readonly store: Blocks;
  /** failures that were told of in the background */
  readonly failures: unknown[];
  reopen(): Promise<void>;
  /** Goes on with the files as a kill at this moment would leave them. */
  kill(): Promise<void>;
};

export async function openTestBlocks(nowMs: () => number = Date.now): Promise<TestBlocks> {
  const folder = temporaryFolder();
  const failures: unknown[] = [];
  let generation = 0;
  const open = () =>
    openBlocks(folder.at(`${generation}`), { ...systemClock, now: nowMs }, (error) => void failures.push(error));
  await Bun.write(folder.at("0/.keep"), "");
  let store = await open();
  return {
    folder,
    failures,
    get store() {
      return store;
    },
    async reopen() {
      store.close();
      store = await open();
    },
    async kill() {
      const before = folder.at(`${generation}`);
      generation++;
      cpSync(before, folder.at(`${generation}`), { recursive: true });
      store.close();
      store = await open();
    },
    async [Symbol.asyncDispose]() {
      store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export async function append(
  store: Blocks,
  serverId: string,
  entries: readonly LogEntry[],
  batchId: string | null = null,
) {
  return await store.append(delivery(serverId, entries, batchId));
}

/** Everything by time, as `export` gives it. */
export async function exported(store: Blocks, limits: PieceLimits = everything): Promise<StoredEntry[]> {
  const all: StoredEntry[] = [];
  for await (const text of store.export(limits, () => true)) all.push(...(Bun.JSONL.parse(text) as StoredEntry[]));
  return all;
}

/** Entries as a follower is given them. */
export function arrivedEntries({ serverId, firstPosition, columns }: Arrived): StoredEntry[] {
  return entriesOf(columns).map((entry, i) => ({ ...entry, id: String(firstPosition + i), serverId }));
}

/** Everything in order of arrival, as a follower reads it. */
export async function followed(store: Blocks, position = 0, upTo = store.head()): Promise<StoredEntry[]> {
  const all: StoredEntry[] = [];
  for await (const arrived of store.arrivalsAfter(position, upTo)) all.push(...arrivedEntries(arrived));
  return all;
}

/** Everything in order of arrival, as its pieces have it. */
export function arrived({ reader }: Blocks): StoredEntry[] {
  using snapshot = reader.snapshot();
  const all: StoredEntry[] = [];
  for (const piece of snapshot.pieces(everything, "oldest")) {
    const columns = snapshot.open(piece);
    for (let i = 0; i < columns.count; i++) all.push(columns.entry(i));
  }
  return all.toSorted((a, b) => Number(a.id) - Number(b.id));
}

export const byTime = (entries: readonly StoredEntry[]): StoredEntry[] =>
  entries.toSorted((a, b) => parseInstant(a.at) - parseInstant(b.at) || Number(a.id) - Number(b.id));
