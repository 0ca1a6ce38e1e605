/** In `state.db`: agent tokens that are being brought to their hosts; the ones before are good until these have arrived. */
import type { Commits } from "./commits.ts";
import type { Opened } from "./database.ts";
import type { StateTables } from "./state-tables.ts";

export type PendingTokenStore = {
  pendingTokens(): Promise<readonly { readonly serverId: string; readonly digest: Uint8Array }[]>;
  /** null: none is pending any more */
  putPendingToken(serverId: string, digest: Uint8Array | null): Promise<void>;
};

export function createPendingTokensTable(
  { database, queries }: Opened<StateTables>,
  commits: Commits,
): PendingTokenStore {
  const put = database.prepare<unknown, [string, Uint8Array]>(
    "INSERT OR REPLACE INTO pending_tokens (server, digest) VALUES (?, ?)",
  );
  const drop = database.prepare<unknown, [string]>("DELETE FROM pending_tokens WHERE server = ?");

  return {
    async pendingTokens() {
      const rows = await queries.selectFrom("pending_tokens").selectAll().execute();
      return rows.map(({ server, digest }) => ({ serverId: server, digest }));
    },
    putPendingToken: (serverId, digest) =>
      commits.write(0, () => void (digest === null ? drop.run(serverId) : put.run(serverId, digest))),
  };
}
