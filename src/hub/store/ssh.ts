/** In `state.db`: how servers are reached over SSH, and the hub's own keys. Secrets come sealed and are never looked at. */
import type { Commits } from "./commits.ts";
import type { Opened } from "./database.ts";
import type { StateTables } from "./state-tables.ts";

export type SshRow = {
  readonly serverId: string;
  /** what may be shown, as JSON */
  readonly body: string;
  /** what may not */
  readonly sealed: string;
};

export type SshStore = {
  sshRows(): Promise<readonly SshRow[]>;
  putSsh(row: SshRow): Promise<void>;
  deleteSsh(serverId: string): Promise<void>;
  /** The sealed private key; undefined: none was made yet. */
  hubKey(organizationId: string): Promise<string | undefined>;
  /** Keeps the first one that is put. */
  putHubKey(organizationId: string, sealed: string, createdAtMs: number): Promise<void>;
};

export function createSshTable({ database, queries }: Opened<StateTables>, commits: Commits): SshStore {
  const put = database.prepare<unknown, [string, string, string]>(
    "INSERT OR REPLACE INTO ssh (server, body, sealed) VALUES (?, ?, ?)",
  );
  const drop = database.prepare<unknown, [string]>("DELETE FROM ssh WHERE server = ?");
  const putKey = database.prepare<unknown, [string, string, number]>(
    "INSERT OR IGNORE INTO ssh_hub_keys (organization_id, sealed, created_at_ms) VALUES (?, ?, ?)",
  );

  return {
    async sshRows() {
      const rows = await queries.selectFrom("ssh").selectAll().execute();
      return rows.map(({ server, body, sealed }) => ({ serverId: server, body, sealed }));
    },
    putSsh: ({ serverId, body, sealed }) => commits.write(0, () => void put.run(serverId, body, sealed)),
    deleteSsh: (serverId) => commits.write(0, () => void drop.run(serverId)),
    async hubKey(organizationId) {
      const query = queries.selectFrom("ssh_hub_keys").select("sealed").where("organization_id", "=", organizationId);
      return (await query.executeTakeFirst())?.sealed;
    },
    putHubKey: (organizationId, sealed, createdAtMs) =>
      commits.write(0, () => void putKey.run(organizationId, sealed, createdAtMs)),
  };
}
