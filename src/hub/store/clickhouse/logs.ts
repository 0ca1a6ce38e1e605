/** The store of log entries in ClickHouse: what the hub asks of it (log-port.ts), put together from its parts. */
import type { BlockStore } from "../log-port.ts";
import { type IntakeWorld, type LogIntake, openClickhouseIntake } from "./intake.ts";
import { createClickhouseSearching } from "./search/search.ts";

export type ClickhouseLogs = Omit<BlockStore, "close"> & LogIntake;

/**
 * Makes the tables, settles what earlier hubs have left, and begins to follow. Rejects with a Fault. The client, the ledger
 * and the cluster stay whoever's they are; they are closed after it.
 */
export async function openClickhouseLogs(world: IntakeWorld): Promise<ClickhouseLogs> {
  const { client, clock, log } = world;
  const intake = await openClickhouseIntake(world);
  const searching = createClickhouseSearching({ client, url: client.url, clock, warn: (message) => log.warn(message) });
  return {
    ...intake,
    ...searching,
    async close() {
      await searching.close();
      await intake.close();
    },
  };
}
