/** What a data folder must be before it is moved. */
import { existsSync, statSync, statfsSync } from "node:fs";
import { join } from "node:path";

import { Database, SQLiteError } from "bun:sqlite";

import { Fault } from "#src/protocol/fault.ts";
import { dataParts } from "../backup-manifest.ts";
import { blockMigrations } from "../blocks/tables.ts";
import type { Clickhouse } from "../clickhouse/client.ts";
import { storageFault } from "../commits.ts";
import { faultOf } from "../postgres/connection.ts";
import { systemTable } from "../clickhouse/retention-days.ts";
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

/** What has gone wrong in a file, or in Postgres. */
export const faultOfEither = (error: unknown): Fault =>
  error instanceof SQLiteError ? storageFault(error) : faultOf(error);

/** Whether there is no hub's data in a folder. */
export function isFolderEmpty(folder: string): boolean {
  return dataParts.every((part) => !existsSync(join(folder, part)));
}

/** Files of a folder that go to ClickHouse, and come from there. */
const telemetry = ["logs.db", "metrics.db"];

/**
 * ClickHouse needs about what the folder takes; while it merges, as much again.
 * @throws {Fault} `unavailable`
 */
export async function refuseWithoutRoom(dataDir: string, clickhouse: Clickhouse | null): Promise<void> {
  if (clickhouse === null) return;
  const [disks] = await clickhouse.rows<{ free: number }>(
    "SELECT toFloat64(sum(unreserved_space)) AS free FROM system.disks",
  );
  const needed = Math.max(0, bytesIn(dataDir) * 2 - (await storedBytes(clickhouse)));
  if (disks === undefined || disks.free >= needed) return;
  throw noRoom(`ClickHouse has ${room(disks.free)} free`, needed);
}

/**
 * A folder needs about what ClickHouse takes for one copy of everything, and half as much again while lines lie as they came.
 * @throws {Fault} `unavailable`
 */
export async function refuseWithoutRoomIn(folder: string, clickhouse: Clickhouse): Promise<void> {
  const { bavail, bsize } = statfsSync(folder);
  const needed = Math.max(0, (await storedBytes(clickhouse)) * 1.5 - bytesIn(folder));
  if (bavail * bsize >= needed) return;
  throw noRoom(`the disk of ${folder} has ${room(bavail * bsize)} free`, needed);
}

/** Of a cluster, of one replica of each shard. */
async function storedBytes(clickhouse: Clickhouse): Promise<number> {
  const [row] = await clickhouse.rows<{ bytes: number }>(
    `SELECT toFloat64(sum(bytes_on_disk)) AS bytes FROM ${systemTable(clickhouse, "parts")} WHERE active AND database = currentDatabase()`,
  );
  return row?.bytes ?? 0;
}

function bytesIn(folder: string): number {
  const files = telemetry.map((name) => join(folder, name)).filter((file) => existsSync(file));
  return files.reduce((sum, file) => sum + statSync(file).size, 0);
}

const room = (bytes: number): string =>
  bytes < 1024 ** 3 ? `${Math.ceil(bytes / 1024 ** 2)} MiB` : `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

const noRoom = (has: string, needed: number): Fault =>
  new Fault("unavailable", `${has}, and this may take ${room(needed)}`, {
    hint: "Make room there, or let the hub keep less (retention.logs) first",
  });
