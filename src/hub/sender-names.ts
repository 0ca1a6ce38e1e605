/** What servers and sources are called, for the hub's own command line: in its data folder or in Postgres. */
import type { HubSettings } from "./settings.ts";
import type { HubWorld } from "./world.ts";
import { openPostgres } from "./store/postgres/connection.ts";
import { type SenderNames, readSenderNames, readSharedNames } from "./store/sender-names.ts";

export type { SenderNames } from "./store/sender-names.ts";

/** Rejects with a Fault when Postgres can't be asked. */
export async function readNames(
  { dataDir, databaseUrl }: Pick<HubSettings, "dataDir" | "databaseUrl">,
  world: HubWorld,
): Promise<SenderNames> {
  if (databaseUrl === null) return readSenderNames(dataDir);
  const postgres = await openPostgres(databaseUrl, world);
  try {
    return await readSharedNames(postgres);
  } finally {
    await postgres.close();
  }
}
