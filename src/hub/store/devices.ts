/** Requests to sign a device in: where from and for what, for as long as they can be approved. */
import type { Clock } from "#src/lib/clock.ts";
import type { StateStore } from "./port.ts";
import type { StateDatabase } from "./state-database.ts";
import type { StateTables } from "./state-tables.ts";
import { asGiven, run, statement } from "./statement.ts";

export type DevicesTable = Pick<StateStore, "putDevice" | "device">;

export function createDevicesTable({ queries, read, write }: StateDatabase, clock: Clock): DevicesTable {
  const put = statement<StateTables["devices"]>((value) =>
    queries
      .insertInto("devices")
      .values({
        user_code: value("user_code"),
        hostname: value("hostname"),
        address: value("address"),
        purpose: value("purpose"),
        created_at_ms: value("created_at_ms"),
        expires_at_ms: value("expires_at_ms"),
      })
      .onConflict((on) =>
        on.column("user_code").doUpdateSet(asGiven("hostname", "address", "purpose", "created_at_ms", "expires_at_ms")),
      ),
  );
  const dropExpired = statement<{ readonly nowMs: number }>((value) =>
    queries.deleteFrom("devices").where("expires_at_ms", "<=", value("nowMs")),
  );

  return {
    putDevice: ({ userCode, hostname, address, purpose, createdAtMs, expiresAtMs }) =>
      write(function* () {
        yield* run(
          dropExpired.with({ nowMs: clock.now() }),
          put.with({
            user_code: userCode,
            hostname,
            address,
            purpose,
            created_at_ms: createdAtMs,
            expires_at_ms: expiresAtMs,
          }),
        );
      }),
    async device(userCode) {
      const [row] = await read(
        queries
          .selectFrom("devices")
          .selectAll()
          .where("user_code", "=", userCode)
          .where("expires_at_ms", ">", clock.now()),
      );
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
