/** Requests to sign a device in, in `state.db`: where from and for what, for as long as they can be approved. */
import type { Clock } from "#src/lib/clock.ts";
import type { Commits } from "./commits.ts";
import type { Opened } from "./database.ts";
import type { DeviceRow, StateStore } from "./port.ts";
import type { StateTables } from "./state-tables.ts";

export function createDevicesTable(
  { database, queries }: Opened<StateTables>,
  commits: Commits,
  clock: Clock,
): Pick<StateStore, "putDevice" | "device"> {
  const put = database.prepare<unknown, [string, string | null, string | null, string, number, number]>(
    "INSERT OR REPLACE INTO devices (user_code, hostname, address, purpose, created_at_ms, expires_at_ms) VALUES (?, ?, ?, ?, ?, ?)",
  );
  const dropExpired = database.prepare<unknown, [number]>("DELETE FROM devices WHERE expires_at_ms <= ?");

  return {
    putDevice: (row: DeviceRow) =>
      commits.write(0, () => {
        dropExpired.run(clock.now());
        put.run(row.userCode, row.hostname, row.address, row.purpose, row.createdAtMs, row.expiresAtMs);
      }),
    async device(userCode) {
      const row = await queries
        .selectFrom("devices")
        .selectAll()
        .where("user_code", "=", userCode)
        .where("expires_at_ms", ">", clock.now())
        .executeTakeFirst();
      if (row === undefined) return undefined;
      return {
        userCode: row.user_code,
        hostname: row.hostname,
        address: row.address,
        purpose: row.purpose,
        createdAtMs: row.created_at_ms,
        expiresAtMs: row.expires_at_ms,
      };
    },
  };
}
