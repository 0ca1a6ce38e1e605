/** Log lines as NDJSON, out of the files of a hub that runs or does not. */
import { existsSync } from "node:fs";
import { join } from "node:path";

import { Fault } from "#src/protocol/fault.ts";
import { selectionOf } from "./api/routes/log-selection.ts";
import { exportLines } from "./store/search/export.ts";
import { createSearching } from "./store/search/search.ts";
import { readSenderNames } from "./store/sender-names.ts";

export type ExportWish = {
  /** RFC 3339; from <= at < to */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** name of a source, as entries have it */
  readonly source: string | undefined;
  /** hostname or id */
  readonly server: string | undefined;
  /** in the query language, which is valid */
  readonly query: string | undefined;
};

/**
 * What is asked for, oldest first, in pieces of whole lines; the store goes on meanwhile. `onDamaged` hears of blocks that
 * are left out because they are damaged. Rejects with a Fault `not-found` when there are no logs, or no such server.
 */
export async function* exportLogs(
  dataDir: string,
  { server, ...wish }: ExportWish,
  onDamaged: () => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const file = join(dataDir, "logs.db");
  if (!existsSync(file)) {
    throw new Fault("not-found", `there are no logs of a hub in ${dataDir}`, {
      hint: "Name the hub's folder with --data-dir",
    });
  }
  const names = readSenderNames(dataDir);
  const ids = server === undefined ? null : names.idsOf(server);
  if (ids?.length === 0) {
    throw new Fault("not-found", `the hub has no server or source "${server}"`, {
      hint: "Name one by its hostname or id, as orion server list shows it",
    });
  }
  const asked = { q: wish.query, source: wish.source, from: wish.from, to: wish.to };
  const selection = { ...selectionOf(asked, null, () => names.servers), servers: ids };
  const searching = createSearching(file);
  try {
    yield* exportLines(searching, selection, signal, onDamaged);
  } finally {
    searching.close();
  }
}
