/**
 * Putting a restored data folder in the place of the old one, so that whoever opens the folder next finds all of the one
 * or all of the other. The renaming of one folder is the moment that decides; everything after it can be done again by
 * whoever locks the folder next, however often it is interrupted. The files are exchanged within the folder, because
 * the folder itself may be a mount point, or lie where its owner may not write.
 */
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { syncFolder } from "#src/lib/files.ts";
import { check } from "#src/protocol/schema.ts";
import { type BackupManifest, backupManifest, dataParts, manifestName, withSideFiles } from "./backup-manifest.ts";

const readyName = "restore.ready";
/** Names the folder that takes the old data. */
const asideName = "aside";

/** Where restored files are gathered; what lies there is worth nothing until {@link decide}. */
export function stagingFolder(folder: string): string {
  return join(folder, "restore.partial");
}

/** Whether a restore was decided but not finished: the files lie in two places. */
export function isHalfRestored(folder: string): boolean {
  return existsSync(join(folder, readyName));
}

/**
 * Decides that the files in the staging folder, which must be on disk, are the data of `folder` from now on.
 * @param aside name of the folder within `folder` that takes the old data
 */
export function decide(folder: string, manifest: BackupManifest, aside: string): void {
  const staging = stagingFolder(folder);
  writeFileSync(join(staging, manifestName), JSON.stringify(manifest), { flush: true });
  writeFileSync(join(staging, asideName), aside, { flush: true });
  syncFolder(staging);
  renameSync(staging, join(folder, readyName));
  syncFolder(folder);
}

/** Finishes what was decided, or clears away what was not. The caller has locked `folder`. */
export function finishReplacement(folder: string): void {
  const ready = join(folder, readyName);
  const staging = stagingFolder(folder);
  rmSync(staging, { recursive: true, force: true });
  if (!existsSync(ready)) return;
  const manifest = check(backupManifest, JSON.parse(readFileSync(join(ready, manifestName), "utf8")), manifestName);
  const aside = join(folder, readFileSync(join(ready, asideName), "utf8"));
  for (const part of dataParts) {
    const restored = manifest.files.some((file) => file.name === part);
    // already in its place, and what is there is the new one
    if (restored && !existsSync(join(ready, part))) continue;
    for (const path of withSideFiles(folder, part).filter((one) => existsSync(one))) {
      if (!existsSync(aside)) {
        mkdirSync(aside, { mode: 0o700 });
        giveToOwner(folder, aside);
      }
      renameSync(path, join(aside, basename(path)));
    }
    if (restored) renameSync(join(ready, part), join(folder, part));
  }
  if (existsSync(aside)) syncFolder(aside);
  syncFolder(folder);
  // first undecided, then gone: half of a decided one could not be read again
  renameSync(ready, staging);
  rmSync(staging, { recursive: true, force: true });
}

/**
 * root restores for the user that the hub runs as, who owns the folder: also what is only there for a moment, because that
 * user may have to finish.
 */
export function giveToOwner(folder: string, path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(folder);
  chownSync(path, uid, gid);
}
