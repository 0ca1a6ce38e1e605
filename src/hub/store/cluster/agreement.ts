/** What all hubs of a database must have alike: the first one says it. */
import { type Postgres, faultOf } from "../postgres/connection.ts";
import { type ClusterTables, ensureClusterTables } from "./tables.ts";

/** @returns what is agreed on: `value`, unless another was before */
export async function agreeOn(postgres: Postgres, name: string, value: string): Promise<string> {
  try {
    await ensureClusterTables(postgres);
    const db = postgres.queries<ClusterTables>();
    await db
      .insertInto("hub_agreements")
      .values({ name, value })
      .onConflict((on) => on.doNothing())
      .execute();
    const agreed = db.selectFrom("hub_agreements").select("value").where("name", "=", name);
    return (await agreed.executeTakeFirstOrThrow()).value;
  } catch (error) {
    throw faultOf(error);
  }
}
