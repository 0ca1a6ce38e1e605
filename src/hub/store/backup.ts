/**
 * A backup of a hub's data folder: one tar archive, made from any process while the hub runs. Nothing of it is held in
 * memory, however large the logs are.
 */
import { Database } from "bun:sqlite";
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

import { type Clock, timestamp } from "#src/lib/clock.ts";
import { removeIfThere, syncFolder } from "#src/lib/files.ts";
import type { AuditEntry } from "#src/protocol/audit.ts";
import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import { version } from "#src/protocol/version.ts";
import { addAuditRow } from "./audit.ts";
import { type BackupManifest, type DataPart, manifestName } from "./backup-manifest.ts";
import { isHalfRestored } from "./replacement.ts";
import { padding, readPieces, tarEnd, tarHeader, writePiece } from "./tar.ts";

/**
 * Error groups before the logs, so that they don't know of lines that are not there: what comes in between is counted from
 * the logs after a restore. Logs early and the state last: what the logs name was registered before it logged, so a state that is read later has
 * it. The other way round, the entries of a server that came in between would belong to nobody.
 */
const order: readonly DataPart[] = ["errors.db", "logs.db", "metrics.db", "auth.db", "state.db", "secret"];

export type BackupReport = {
  readonly file: string;
  readonly bytes: number;
  readonly manifest: BackupManifest;
  /** why the hub's audit trail does not tell of it; null: it does */
  readonly untraced: string | null;
};

/**
 * Writes what the hub of `dataDir` knows at this moment to `file` (0600), which is there whole or not at all. Needs room
 * for the data twice beside `file`. Rejects with a Fault: `not-found` when there is no hub's data, `conflict` when a
 * restore was interrupted there, `unavailable` when the disk is full, `failed` otherwise.
 */
export async function backup(
  dataDir: string,
  file: string,
  { clock }: { readonly clock: Pick<Clock, "now"> },
): Promise<BackupReport> {
  if (!existsSync(join(dataDir, "state.db"))) {
    throw new Fault("not-found", `there is no hub's data in ${dataDir}`, {
      hint: "Name the hub's folder with --data-dir",
    });
  }
  if (isHalfRestored(dataDir)) {
    throw new Fault("conflict", `a restore of ${dataDir} was interrupted`, {
      hint: "Start the hub once: it finishes the restore",
    });
  }
  const target = resolve(file);
  const staging = stagingOf(target);
  try {
    removeLeftovers(target);
    mkdirSync(staging, { mode: 0o700 });
    const parts = order.filter((part) => existsSync(join(dataDir, part)));
    for (const part of parts) copy(join(dataDir, part), join(staging, part));
    const files: BackupManifest["files"] = [];
    for (const part of parts) files.push({ name: part, ...(await measure(join(staging, part))) });
    const atMs = clock.now();
    const manifest: BackupManifest = { format: 1, version, at: timestamp(atMs), files };
    const bytes = await pack(staging, manifest, atMs);
    renameSync(join(staging, "archive"), target);
    syncFolder(dirname(target));
    return { file: target, bytes, manifest, untraced: leaveTrace(dataDir, target, manifest.at) };
  } catch (error) {
    if (error instanceof Fault) throw error;
    const full = errnoOf(error) === "ENOSPC" || errnoOf(error)?.startsWith("SQLITE_FULL") === true;
    throw new Fault(full ? "unavailable" : "failed", `can't back ${dataDir} up to ${target}: ${reasonOf(error)}`, {
      hint: full ? "Choose a disk with more free space" : "Check the rights of both folders",
      cause: error,
    });
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** A copy of a file as it is at one moment. */
function copy(from: string, to: string): void {
  if (!from.endsWith(".db")) {
    copyFileSync(from, to);
    return;
  }
  using database = new Database(from, { readonly: true, strict: true });
  database.run("PRAGMA busy_timeout = 5000");
  // of the copy, which is gone soon: the archive that it goes into is what must reach the disk (6 times as fast)
  database.run("PRAGMA synchronous = OFF");
  // one read transaction: writers go on, and what they write is left out whole
  database.run("VACUUM INTO ?", [to]);
}

/**
 * Tells the audit trail: a backup holds every secret of the hub. Safe beside a hub that runs, which keeps nothing of the
 * trail in memory. @returns why it could not, or null
 */
function leaveTrace(dataDir: string, target: string, at: string): string | null {
  const entry: Omit<AuditEntry, "id"> = {
    at,
    action: "hub.backed-up",
    actor: { kind: "hub", id: null, name: "the hub's own command line" },
    target: { kind: "file", id: null, name: target },
    address: null,
    userAgent: null,
    requestId: null,
  };
  try {
    using database = new Database(join(dataDir, "state.db"), { readwrite: true, create: false, strict: true });
    database.run("PRAGMA busy_timeout = 5000");
    addAuditRow(database, null, entry);
    return null;
  } catch (error) {
    return reasonOf(error);
  }
}

async function measure(path: string): Promise<{ bytes: number; sha256: string }> {
  await using file = await open(path, "r");
  const hasher = new Bun.CryptoHasher("sha256");
  let bytes = 0;
  for await (const piece of readPieces(file)) {
    hasher.update(piece);
    bytes += piece.length;
  }
  return { bytes, sha256: hasher.digest("hex") };
}

/** Makes `archive` in `staging`. @returns its size in bytes */
async function pack(staging: string, manifest: BackupManifest, atMs: number): Promise<number> {
  const path = join(staging, "archive");
  await using archive = await open(path, "wx", 0o600);
  const text = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  await writePiece(archive, tarHeader({ name: manifestName, bytes: text.length }, 0o600, atMs));
  await writePiece(archive, text);
  await writePiece(archive, padding(text.length));
  for (const entry of manifest.files) {
    await writePiece(archive, tarHeader(entry, 0o600, atMs));
    await append(archive, join(staging, entry.name));
    await writePiece(archive, padding(entry.bytes));
    // it is in the archive: the disk need not hold it twice any longer
    removeIfThere(join(staging, entry.name));
  }
  await writePiece(archive, tarEnd);
  await archive.chmod(0o600);
  await archive.sync();
  return (await stat(path)).size;
}

async function append(archive: FileHandle, path: string): Promise<void> {
  await using file = await open(path, "r");
  for await (const piece of readPieces(file)) await writePiece(archive, piece);
}

const stagingOf = (target: string) => join(dirname(target), `.${basename(target)}.${process.pid}.partial`);

/** What backups to this file have left that were killed. */
function removeLeftovers(target: string): void {
  const prefix = `.${basename(target)}.`;
  for (const name of readdirSync(dirname(target))) {
    const pid = /^(\d+)\.partial$/.exec(name.startsWith(prefix) ? name.slice(prefix.length) : "")?.[1];
    if (pid === undefined || (Number(pid) !== process.pid && isAlive(Number(pid)))) continue;
    rmSync(join(dirname(target), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and somebody else's
    return errnoOf(error) === "EPERM";
  }
}
