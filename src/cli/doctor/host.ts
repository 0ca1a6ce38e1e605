/** This host: procfs and disk space. */
import { constants, accessSync, readFileSync, statSync, statfsSync } from "node:fs";
import { dirname } from "node:path";

import { errnoOf, reasonOf } from "#src/protocol/fault.ts";

import { bytes } from "../units.ts";
import { type Finding, type Patient, fail, ok, warn } from "./finding.ts";
import type { Known } from "./settings.ts";

/** Below this many bytes the buffer can't keep even a short absence of the hub. */
const tooLittleSpace = 16 * 1024 * 1024;

/** The files of procfs that the metrics are made of. */
export function checkProcfs({ procPath }: Known): readonly Finding[] {
  const failures: string[] = [];
  for (const name of ["stat", "meminfo", "loadavg", "uptime", "net/dev"]) {
    try {
      if (readFileSync(`${procPath}/${name}`, "utf8") === "") failures.push(`${name} is empty`);
    } catch (error) {
      failures.push(`${name}: ${errnoOf(error) ?? reasonOf(error)}`);
    }
  }
  if (failures.length === 0) return [ok("procfs", `${procPath} is readable`)];
  return [
    fail(
      "procfs",
      `${procPath} can't be read (${failures.join(", ")})`,
      "Set procPath (ORION_PROC_PATH) to where procfs is mounted; in a container: -v /proc:/host/proc:ro",
    ),
  ];
}

/** Space and rights for the buffer, where it lies or will lie. */
export function checkSpace({ paths, uid }: Patient, { bufferBytes }: Known): readonly Finding[] {
  const folder = existingFolder(dirname(paths.buffer));
  try {
    const { bavail, bsize, ffree, files } = statfsSync(folder);
    const free = bavail * bsize;
    const found: Finding[] = [];
    if (free < tooLittleSpace)
      found.push(
        fail("disk", `only ${bytes(free)} are free for the buffer in ${folder}`, `Free space there: df -h ${folder}`),
      );
    else if (free < bufferBytes)
      found.push(
        warn(
          "disk",
          `${bytes(free)} are free in ${folder}, the buffer may take ${bytes(bufferBytes)}`,
          "Free space there, or lower buffer.maxBytes in the config file",
        ),
      );
    if (files > 0 && ffree < 100)
      found.push(fail("disk", `no inodes are left in ${folder}`, `Remove files there: df -i ${folder}`));
    if (uid === 0 && !mayWrite(folder))
      found.push(fail("disk", `${folder} can't be written`, `Is it mounted read-only? findmnt -T ${folder}`));
    return found.length > 0 ? found : [ok("disk", `${bytes(free)} free for the buffer in ${folder}`)];
  } catch (error) {
    return [fail("disk", `the space in ${folder} can't be read: ${reasonOf(error)}`, `ls -ld ${folder}`)];
  }
}

function existingFolder(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    try {
      if (statSync(at, { throwIfNoEntry: false }) !== undefined || at === dirname(at)) return at;
    } catch {
      // not for this user to enter: its parent is on the same disk as a rule
      if (at === dirname(at)) return at;
    }
  }
}

function mayWrite(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    // the answer, not an error
    return false;
  }
}
