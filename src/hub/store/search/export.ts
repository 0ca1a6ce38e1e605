/** Everything that a selection asks for, as NDJSON. */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import type { BlockStore, EntrySearch } from "../log-port.ts";

/** Entries of one search: between two of them a slow reader holds nothing of the store. */
const entriesAtOnce = 5000;

/** Oldest first, in pieces of whole lines. `onDamaged` hears when blocks are left out because they are damaged. */
export async function* exportLines(
  store: Pick<BlockStore, "search">,
  selection: LogSelection,
  signal?: AbortSignal,
  onDamaged: () => void = () => undefined,
): AsyncGenerator<Uint8Array, void, void> {
  let cursor: string | null = null;
  // a search that was aborted gives no cursor
  do {
    const search: EntrySearch = { ...selection, order: "oldest", limit: entriesAtOnce, cursor, budgetMs: null };
    cursor = null;
    for await (const part of store.search(search, signal)) {
      if (part.kind === "hits") yield linesOf(part.entries);
      else if (part.kind === "end") {
        ({ cursor } = part);
        if (part.damaged > 0) onDamaged();
      }
    }
  } while (cursor !== null);
}

function linesOf(entries: readonly StoredEntry[]): Uint8Array {
  return Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
}
