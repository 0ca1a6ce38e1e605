/** A store of blocks in a folder of its own, and what it should hold as a plain array. */
import { cpSync } from "node:fs";

import { type Blocks, openBlocks } from "#src/hub/store/blocks/blocks.ts";
import type { PieceLimits } from "#src/hub/store/blocks/reader-port.ts";
import { systemClock } from "#src/lib/clock.ts";
import { parseInstant } from "#src/lib/instant.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogEntry } from "#src/protocol/log.ts";
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
  const times = Float64Array.from(entries, (entry) => parseInstant(entry.at));
  return await store.append({ serverId, batchId, entries, times, ndjson: null, zstd: null });
}

/** Everything by time, as `export` gives it. */
export async function exported(store: Blocks, limits: PieceLimits = everything): Promise<StoredEntry[]> {
  const all: StoredEntry[] = [];
  for await (const text of store.export(limits, () => true)) all.push(...(Bun.JSONL.parse(text) as StoredEntry[]));
  return all;
}

/** Everything in order of arrival, in steps. */
export function arrived(store: Blocks, step: number): StoredEntry[] {
  const all: StoredEntry[] = [];
  for (let position = 0; ;) {
    const next = store.after(position, step);
    all.push(...next.entries);
    if (next.entries.length === 0 && next.position >= store.head()) return all;
    position = next.position;
  }
}

export const byTime = (entries: readonly StoredEntry[]): StoredEntry[] =>
  entries.toSorted((a, b) => parseInstant(a.at) - parseInstant(b.at) || Number(a.id) - Number(b.id));
