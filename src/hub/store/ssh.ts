/** How servers are reached over SSH, and the hub's own keys. Secrets come sealed and are never looked at. */
import type { StateDatabase } from "./state-database.ts";
import type { StateTables } from "./state-tables.ts";
import { run, statement } from "./statement.ts";

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
  /** In place of what is `known`, undefined: nothing. False: something else is there by now, and nothing was changed. */
  putSsh(row: SshRow, known: Omit<SshRow, "serverId"> | undefined): Promise<boolean>;
  deleteSsh(serverId: string): Promise<void>;
  /** The sealed private key; undefined: none was made yet. */
  hubKey(organizationId: string): Promise<string | undefined>;
  /** Keeps the first one that is put, by whichever hub; with `broken`, the first that is put in place of that. */
  putHubKey(organizationId: string, sealed: string, createdAtMs: number, broken?: string): Promise<void>;
};

export function createSshTable({ queries, read, write, isOneOf }: StateDatabase): SshStore {
  const add = statement<StateTables["ssh"]>((value) =>
    queries
      .insertInto("ssh")
      .values({ server: value("server"), body: value("body"), sealed: value("sealed") })
      .onConflict((on) => on.doNothing()),
  );
  const change = statement<StateTables["ssh"] & { readonly knownBody: string; readonly knownSealed: string }>((value) =>
    queries
      .updateTable("ssh")
      .set({ body: value("body"), sealed: value("sealed") })
      .where("server", "=", value("server"))
      .where("body", "=", value("knownBody"))
      .where("sealed", "=", value("knownSealed")),
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
  const replaceKey = statement<StateTables["ssh_hub_keys"] & { readonly broken: string }>((value) =>
    queries
      .updateTable("ssh_hub_keys")
      .set({ sealed: value("sealed"), created_at_ms: value("created_at_ms") })
      .where("organization_id", "=", value("organization_id"))
      .where("sealed", "=", value("broken")),
  );

  return {
    async sshRows(serverIds) {
      const all = queries.selectFrom("ssh").selectAll();
      const rows = await read(serverIds === undefined ? all : all.where(isOneOf("server", serverIds)));
      return rows.map(({ server, body, sealed }) => ({ serverId: server, body, sealed }));
    },
    putSsh: ({ serverId, body, sealed }, known) =>
      write(function* ({ changed }) {
        const row = { server: serverId, body, sealed };
        const put =
          known === undefined
            ? add.with(row)
            : change.with({ ...row, knownBody: known.body, knownSealed: known.sealed });
        const done = (yield* run(put)) > 0;
        if (done) changed("ssh", serverId);
        return done;
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
    putHubKey: (organizationId, sealed, createdAtMs, broken) =>
      write(function* () {
        const row = { organization_id: organizationId, sealed, created_at_ms: createdAtMs };
        yield broken === undefined ? putKey.with(row) : replaceKey.with({ ...row, broken });
      }),
  };
}
