/** What a data folder must be before it is moved. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

import { Database } from "bun:sqlite";

import { Fault } from "#src/protocol/fault.ts";
import { dataParts } from "../backup-manifest.ts";
import { blockMigrations } from "../blocks/tables.ts";
import type { Clickhouse } from "../clickhouse/client.ts";
import { isHalfRestored } from "../replacement.ts";
import { stateMigrations } from "../state-migrations.ts";

/**
 * Whether the tables of a folder are those of this version.
 * @throws {Fault} `not-found`: no hub's data; `conflict`: half restored, or of another version
 */
export function refuseOtherVersion(dataDir: string): void {
  for (const name of ["state.db", "auth.db", "logs.db", "secret"]) {
    if (existsSync(join(dataDir, name))) continue;
    throw new Fault("not-found", `there is no hub's data in ${dataDir}: ${name} is missing`, {
      hint: "Name the hub's folder with --data-dir",
    });
  }
  if (isHalfRestored(dataDir)) {
    throw new Fault("conflict", `a restore of ${dataDir} was interrupted`, {
      hint: "Start the hub once: it finishes the restore",
    });
  }
  for (const [name, known] of [
    ["state.db", stateMigrations],
    ["logs.db", blockMigrations],
  ] as const) {
    using database = new Database(join(dataDir, name), { readonly: true, strict: true });
    database.run("PRAGMA busy_timeout = 5000");
    const run = database.query<{ name: string }, []>("SELECT name FROM kysely_migration").all();
    const seen = new Set(run.map((one) => one.name));
    const isNewer = [...seen].some((one) => !(one in known));
    if (!isNewer && seen.size === Object.keys(known).length) continue;
    throw new Fault(
      "conflict",
      `${join(dataDir, name)} is of ${isNewer ? "a newer" : "an older"} Orion than this one`,
      {
        hint: isNewer ? "Run this with the version that the hub has" : "Start the hub once with this version",
      },
    );
  }
}

/** Whether there is no hub's data in a folder. */
export function isFolderEmpty(folder: string): boolean {
  return dataParts.every((part) => !existsSync(join(folder, part)));
}

/**
 * ClickHouse needs about what the folder takes; while it merges, as much again.
 * @throws {Fault} `unavailable`
 */
export async function refuseWithoutRoom(dataDir: string, clickhouse: Clickhouse | null): Promise<void> {
  if (clickhouse === null) return;
  const bytes = ["logs.db", "metrics.db"]
    .map((name) => join(dataDir, name))
    .filter((file) => existsSync(file))
    .reduce((sum, file) => sum + statSync(file).size, 0);
  const [disks] = await clickhouse.rows<{ free: number; stored: number }>(
    "SELECT (SELECT sum(unreserved_space) FROM system.disks) AS free, (SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()) AS stored",
  );
  const needed = Math.max(0, bytes * 2 - (disks?.stored ?? 0));
  if (disks === undefined || disks.free >= needed) return;
  const gib = (value: number) => `${(value / 1024 ** 3).toFixed(1)} GiB`;
  throw new Fault("unavailable", `ClickHouse has ${gib(disks.free)} free, and this may take ${gib(needed)}`, {
    hint: "Give it more room, or shorten retention.logs first",
  });
}
