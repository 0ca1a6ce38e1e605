/** Bringing a backup back: checked whole before anything is touched, and exchanged in one step. */
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join, resolve } from "node:path";

import { type Clock, timestamp } from "#src/lib/clock.ts";
import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import {
  type BackupManifest,
  type DataPart,
  backupManifest,
  dataParts,
  manifestName,
  maxManifestBytes,
} from "./backup-manifest.ts";
import { lockFolder } from "./lock.ts";
import { blockMigrations } from "./blocks/tables.ts";
import { errorMigrations } from "./errors/tables.ts";
import { decide, finishReplacement, giveToOwner, stagingFolder } from "./replacement.ts";
import { stateMigrations } from "./state-migrations.ts";
import { type TarFile, TornTar, readTar, writePiece } from "./tar.ts";

export type RestoreReport = {
  readonly manifest: BackupManifest;
  /** where the data that was there before is now; null: there was none */
  readonly aside: string | null;
};

export type RestoreOptions = {
  /** moves data that is there aside; without it, such data refuses the restore */
  readonly force: boolean;
  readonly clock: Pick<Clock, "now">;
};

/**
 * Makes the backup in `file` the data of `dataDir`. Rejects with a Fault, and has changed nothing then: `conflict` when a
 * hub runs there or data is there without `force`; `not-found` when `file` is not there; `invalid` when it is no
 * backup, torn, damaged, or of a newer Orion; `unavailable` when the disk is full; `failed` otherwise.
 */
export async function restore(file: string, dataDir: string, options: RestoreOptions): Promise<RestoreReport> {
  const folder = resolve(dataDir);
  await using archive = await openArchive(file);
  try {
    const files = readTar(archive);
    const manifest = await readManifest(file, files);
    const made = mkdirSync(folder, { recursive: true, mode: 0o700 });
    const unlock = lockFolder(folder);
    try {
      giveToOwner(folder, join(folder, "hub.lock"));
      return await replace(folder, manifest, files, options);
    } catch (error) {
      rmSync(stagingFolder(folder), { recursive: true, force: true });
      if (made !== undefined) rmSync(folder, { recursive: true, force: true });
      throw error;
    } finally {
      unlock();
    }
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (error instanceof TornTar) throw damaged(file, error.message);
    const full = errnoOf(error) === "ENOSPC";
    throw new Fault(full ? "unavailable" : "failed", `can't restore ${file} to ${folder}: ${reasonOf(error)}`, {
      hint: full ? `Free some space on the disk of ${folder}` : "Check the rights of both",
      cause: error,
    });
  }
}

async function replace(
  folder: string,
  manifest: BackupManifest,
  files: AsyncGenerator<TarFile>,
  { force, clock }: RestoreOptions,
): Promise<RestoreReport> {
  const present = dataParts.some((part) => existsSync(join(folder, part)));
  if (present && !force) {
    throw new Fault("conflict", `there is a hub's data in ${folder} already`, {
      hint: "Restore to another folder, or with --force, which moves the old data aside",
    });
  }
  const staging = stagingFolder(folder);
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { mode: 0o700 });
  giveToOwner(folder, staging);
  await unpack(files, manifest, staging);
  for (const { name } of manifest.files) {
    inspect(join(staging, name), name);
    giveToOwner(folder, join(staging, name));
  }
  const aside = `before-restore-${timestamp(clock.now()).replaceAll(":", "-")}`;
  decide(folder, manifest, aside);
  finishReplacement(folder);
  return { manifest, aside: present ? join(folder, aside) : null };
}

async function openArchive(file: string): Promise<FileHandle> {
  try {
    return await open(file, "r");
  } catch (error) {
    const missing = errnoOf(error) === "ENOENT";
    throw new Fault(missing ? "not-found" : "failed", `can't read ${file}: ${reasonOf(error)}`, {
      hint: "Name a file that `orion hub backup` has made",
      cause: error,
    });
  }
}

async function readManifest(file: string, files: AsyncGenerator<TarFile>): Promise<BackupManifest> {
  const foreign = new Fault("invalid", `${file} is not a backup of a hub`, {
    hint: "Name a file that `orion hub backup` has made",
  });
  let first: TarFile | undefined;
  try {
    first = (await files.next()).value as TarFile | undefined;
  } catch (error) {
    if (error instanceof TornTar) throw foreign;
    throw error;
  }
  if (first?.name !== manifestName || first.bytes > maxManifestBytes) throw foreign;
  const pieces: Uint8Array[] = [];
  for await (const piece of first.pieces()) pieces.push(Uint8Array.from(piece));
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch {
    // not JSON: then it is not ours, which is all there is to say
    throw foreign;
  }
  const result = backupManifest.safeParse(value);
  if (result.success) return result.data;
  const newer = typeof value === "object" && value !== null && "format" in value && Number(value.format) > 1;
  throw newer ? tooNew(file) : foreign;
}

/** Writes the files of the manifest to `staging`, on disk, and checks each against it. */
async function unpack(files: AsyncGenerator<TarFile>, manifest: BackupManifest, staging: string): Promise<void> {
  for (const wanted of manifest.files) {
    const next = await files.next();
    if (next.done === true || next.value.name !== wanted.name || next.value.bytes !== wanted.bytes) {
      throw new TornTar(`${wanted.name} is missing in it`);
    }
    const hasher = new Bun.CryptoHasher("sha256");
    await using target = await open(join(staging, wanted.name), "wx", 0o600);
    for await (const piece of next.value.pieces()) {
      hasher.update(piece);
      await writePiece(target, piece);
    }
    if (hasher.digest("hex") !== wanted.sha256) throw new TornTar(`its ${wanted.name} is not what was backed up`);
    await target.sync();
  }
}

/** Of databases whose tables are ours to know. */
const migrations: Partial<Readonly<Record<DataPart, object>>> = {
  "state.db": stateMigrations,
  "logs.db": blockMigrations,
  "errors.db": errorMigrations,
};

/** Whether a database is sound, and one that this Orion can read. */
function inspect(path: string, part: DataPart): void {
  if (!part.endsWith(".db")) return;
  using database = new Database(path, { readonly: true, strict: true });
  const [first] = database.query<{ integrity_check: string }, []>("PRAGMA integrity_check(1)").all();
  if (first?.integrity_check !== "ok") throw new TornTar(`its ${part} is broken: ${first?.integrity_check ?? ""}`);
  const known = migrations[part];
  if (known === undefined) return;
  const run = database.query<{ name: string }, []>("SELECT name FROM kysely_migration").all();
  if (run.some(({ name }) => !(name in known))) throw tooNew(part);
}

function tooNew(what: string): Fault {
  return new Fault("invalid", `${what} is of a newer Orion than this one`, { hint: "Upgrade this one first" });
}

function damaged(file: string, why: string): Fault {
  return new Fault("invalid", `${file} can't be restored: ${why}`, {
    hint: "Take another backup; nothing was changed",
  });
}
