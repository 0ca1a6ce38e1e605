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
    return (await read(postgres, name)) ?? value;
  } catch (error) {
    throw faultOf(error);
  }
}

/** @returns what is agreed on; null: nothing yet */
export async function agreedOn(postgres: Postgres, name: string): Promise<string | null> {
  try {
    await ensureClusterTables(postgres);
    return await read(postgres, name);
  } catch (error) {
    throw faultOf(error);
  }
}

async function read(postgres: Postgres, name: string): Promise<string | null> {
  const agreed = postgres.queries<ClusterTables>().selectFrom("hub_agreements").select("value");
  return (await agreed.where("name", "=", name).executeTakeFirst())?.value ?? null;
}
