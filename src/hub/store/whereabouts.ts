/**
 * Which of a hub's stores are not in its data folder. The hub leaves a note of it there, so that nobody who is not given the
 * same settings takes what lies in the folder for the hub's: commands are often run without the service's variables.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { removeIfThere, writeFileAtomic } from "#src/lib/files.ts";
import { Fault, errnoOf } from "#src/protocol/fault.ts";
import { z } from "#src/protocol/schema.ts";
import { copyName } from "./errors/shared-copying.ts";

const noteName = "stores.json";

const stores = z.object({
  /** host and port of what holds state and accounts; null: the data folder does */
  postgres: z.nullable(z.string()),
  /** of what holds logs and metrics */
  clickhouse: z.nullable(z.string()),
});
export type Stores = z.infer<typeof stores>;

/** For a hub that has opened its stores. */
export function noteStores(dataDir: string, now: Stores): void {
  const path = join(dataDir, noteName);
  const noted = readStoresNote(dataDir);
  // a full disk is no reason not to start
  if (noted?.postgres === now.postgres && noted.clickhouse === now.clickhouse) return;
  if (now.postgres === null && now.clickhouse === null) removeIfThere(path);
  else writeFileAtomic(path, `${JSON.stringify(now, null, 2)}\n`, 0o600);
}

/** What the last hub of the folder has noted; null: everything was in the folder, or there was none. */
export function readStoresNote(dataDir: string): Stores | null {
  let text: string;
  try {
    text = readFileSync(join(dataDir, noteName), "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  }
  try {
    return z.parse(stores, JSON.parse(text));
  } catch {
    // that it is there is what counts
    return { postgres: "another place", clickhouse: "another place" };
  }
}

/**
 * @param given what the settings say
 * @throws {Fault} `conflict`: the hub of the folder has a store elsewhere of which the settings know nothing
 */
export function refuseUntold(dataDir: string, given: Stores): void {
  const noted = readStoresNote(dataDir);
  for (const [engine, key, holds] of [
    ["postgres", "databaseUrl", "state and accounts"],
    ["clickhouse", "clickhouseUrl", "logs and metrics"],
  ] as const) {
    const at = noted?.[engine] ?? null;
    if (at === null || given[engine] !== null) continue;
    throw new Fault("conflict", `the hub of ${dataDir} has its ${holds} at ${at}, and ${key} is not set`, {
      hint: `Set it as the hub's service has it, in hub.json or as a variable; if what lies in the folder is to be the hub from now on, remove ${join(dataDir, noteName)}`,
    });
  }
}

/**
 * Databases in the data folder that hold something of the hub: others there are remnants of the time before it had these
 * stores, or copies.
 */
export function livingDatabases({ postgres, clickhouse }: Stores): readonly string[] {
  return [
    ...(postgres === null ? ["state.db", "auth.db"] : []),
    ...(clickhouse === null ? ["logs.db", "metrics.db"] : []),
    ...(postgres === null ? ["errors.db"] : []),
    ...(postgres === null && clickhouse !== null ? ["ledger.db"] : []),
  ];
}

/** All databases in the data folder that the hub works with. */
export function databasesInUse(stores: Stores): readonly string[] {
  return [...livingDatabases(stores), ...(stores.postgres === null ? [] : [copyName])];
}
