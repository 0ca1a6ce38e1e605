/** How servers are reached over SSH, and the hub's own keys. Secrets come sealed and are never looked at. */
import type { StateDatabase } from "./state-database.ts";
import type { StateTables } from "./state-tables.ts";
import { asGiven, statement } from "./statement.ts";

export type SshRow = {
  readonly serverId: string;
  /** what may be shown, as JSON */
  readonly body: string;
  /** what may not */
  readonly sealed: string;
};

export type SshStore = {
  /** @param serverIds left out: all */
  sshRows(serverIds?: readonly string[]): Promise<readonly SshRow[]>;
  putSsh(row: SshRow): Promise<void>;
  deleteSsh(serverId: string): Promise<void>;
  /** The sealed private key; undefined: none was made yet. */
  hubKey(organizationId: string): Promise<string | undefined>;
  /** Keeps the first one that is put, by whichever hub. */
  putHubKey(organizationId: string, sealed: string, createdAtMs: number): Promise<void>;
};

export function createSshTable({ queries, read, write, isOneOf }: StateDatabase): SshStore {
  const put = statement<StateTables["ssh"]>((value) =>
    queries
      .insertInto("ssh")
      .values({ server: value("server"), body: value("body"), sealed: value("sealed") })
      .onConflict((on) => on.column("server").doUpdateSet(asGiven("body", "sealed"))),
  );
  const drop = statement<{ readonly server: string }>((value) =>
    queries.deleteFrom("ssh").where("server", "=", value("server")),
  );
  const putKey = statement<StateTables["ssh_hub_keys"]>((value) =>
    queries
      .insertInto("ssh_hub_keys")
      .values({
        organization_id: value("organization_id"),
        sealed: value("sealed"),
        created_at_ms: value("created_at_ms"),
      })
      .onConflict((on) => on.doNothing()),
  );

  return {
    async sshRows(serverIds) {
      const all = queries.selectFrom("ssh").selectAll();
      const rows = await read(serverIds === undefined ? all : all.where(isOneOf("server", serverIds)));
      return rows.map(({ server, body, sealed }) => ({ serverId: server, body, sealed }));
    },
    putSsh: ({ serverId, body, sealed }) =>
      write(function* ({ changed }) {
        yield put.with({ server: serverId, body, sealed });
        changed("ssh", serverId);
      }),
    deleteSsh: (serverId) =>
      write(function* ({ changed }) {
        yield drop.with({ server: serverId });
        changed("ssh", serverId);
      }),
    async hubKey(organizationId) {
      const query = queries.selectFrom("ssh_hub_keys").select("sealed").where("organization_id", "=", organizationId);
      return (await read(query))[0]?.sealed;
    },
    putHubKey: (organizationId, sealed, createdAtMs) =>
      write(function* () {
        yield putKey.with({ organization_id: organizationId, sealed, created_at_ms: createdAtMs });
      }),
  };
}
