/** How servers are watched whose agents are silent: the newest of it, as whoever watches has written it. */
import { sql } from "kysely";

import type { StateStore } from "./port.ts";
import type { StateDatabase } from "./state-database.ts";
import { asGiven, statement } from "./statement.ts";

export type WatchesTable = Pick<StateStore, "watches" | "putWatches">;

export function createWatchesTable({ queries, read, writeLightly, isOneOf }: StateDatabase): WatchesTable {
  const put = statement<{ readonly server: string; readonly body: string }>((value) =>
    queries
      .insertInto("watches")
      .columns(["server", "body"])
      // of a server that is gone nothing
      .expression(
        queries
          .selectFrom("servers")
          .select(["id", sql<string>`CAST(${value("body")} AS text)`.as("body")])
          .where("id", "=", value("server")),
      )
      .onConflict((on) => on.column("server").doUpdateSet(asGiven("body"))),
  );
  const drop = statement<{ readonly server: string }>((value) =>
    queries.deleteFrom("watches").where("server", "=", value("server")),
  );

  return {
    async watches(ids) {
      const all = queries.selectFrom("watches").selectAll();
      const rows = await read(ids === undefined ? all : all.where(isOneOf("server", ids)));
      return rows.map(({ server, body }) => ({ serverId: server, body }));
    },
    putWatches: (rows) =>
      // the next look at the server brings it again
      writeLightly(function* ({ changed }) {
        for (const { serverId: server, body } of rows) {
          yield body === null ? drop.with({ server }) : put.with({ server, body });
          changed("beat", server);
        }
      }),
  };
}
