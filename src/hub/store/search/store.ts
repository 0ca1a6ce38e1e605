/** The embedded log store as the hub takes it: blocks, and searches over them. */
import type { Clock } from "#src/lib/clock.ts";
import { openBlocks } from "../blocks/blocks.ts";
import type { BlockStore } from "../log-port.ts";
import { arrivedText, createArrivalTest } from "./follow.ts";
import { createSearching } from "./search.ts";

/** It closes at once. */
export type EmbeddedStore = Omit<BlockStore, "close"> & { close(): void };

/**
 * Opens `logs.db` below `folder`. What fails in the background is told to `onFailure` and tried again. Rejects with a
 * Fault `failed` when it can't be opened.
 */
export async function openBlockStore(
  folder: string,
  clock: Clock,
  onFailure: (error: unknown) => void,
  tell?: (message: string) => void,
): Promise<EmbeddedStore> {
  const blocks = await openBlocks(folder, clock, onFailure, tell);
  const searching = createSearching(blocks.file);
  return {
    ...blocks,
    ...searching,
    arrivalTest: createArrivalTest,
    arrivedText,
    close() {
      searching.close();
      blocks.close();
    },
  };
}
