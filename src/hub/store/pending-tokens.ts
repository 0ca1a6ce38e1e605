/** Agent tokens that are being brought to their hosts; the ones before are good until these have arrived. */
import type { StateDatabase } from "./state-database.ts";
import type { StateTables } from "./state-tables.ts";
import { asGiven, statement } from "./statement.ts";

export type PendingTokenStore = {
  /** @param serverIds left out: all */
  pendingTokens(
    serverIds?: readonly string[],
  ): Promise<readonly { readonly serverId: string; readonly digest: Uint8Array }[]>;
  /** null: none is pending any more */
  putPendingToken(serverId: string, digest: Uint8Array | null): Promise<void>;
};

export function createPendingTokensTable({ queries, read, write, isOneOf }: StateDatabase): PendingTokenStore {
  const put = statement<StateTables["pending_tokens"]>((value) =>
    queries
      .insertInto("pending_tokens")
      .values({ server: value("server"), digest: value("digest") })
      .onConflict((on) => on.column("server").doUpdateSet(asGiven("digest"))),
  );
  const drop = statement<{ readonly server: string }>((value) =>
    queries.deleteFrom("pending_tokens").where("server", "=", value("server")),
  );

  return {
    async pendingTokens(serverIds) {
      const all = queries.selectFrom("pending_tokens").selectAll();
      const rows = await read(serverIds === undefined ? all : all.where(isOneOf("server", serverIds)));
      return rows.map(({ server, digest }) => ({ serverId: server, digest }));
    },
    putPendingToken: (server, digest) =>
      write(function* ({ changed }) {
        yield digest === null ? drop.with({ server }) : put.with({ server, digest });
        changed("pending-token", server);
      }),
  };
}
