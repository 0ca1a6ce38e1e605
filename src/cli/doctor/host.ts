/** This host: procfs, disk space, Docker. */
import { constants, accessSync, readFileSync, statSync, statfsSync } from "node:fs";
import { dirname } from "node:path";

import { errnoOf, reasonOf } from "#src/protocol/fault.ts";

import { bytes } from "../units.ts";
import { type Finding, type Patient, fail, ok, warn } from "./finding.ts";
import type { Known } from "./settings.ts";

/** Below this many bytes the buffer can't keep even a short absence of the hub. */
const tooLittleSpace = 16 * 1024 * 1024;
const dockerWithinMs = 3000;

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

/** The Docker engine, which a host need not have. */
export async function checkDocker({ dockerSocket }: Known): Promise<readonly Finding[]> {
  try {
    const stat = statSync(dockerSocket, { throwIfNoEntry: false });
    if (stat === undefined) return [ok("docker", `no ${dockerSocket}: no containers are watched here`)];
    if (!stat.isSocket())
      return [warn("docker", `${dockerSocket} is no socket`, "Set dockerSocket in the config file")];
    const answer = await fetch("http://docker/_ping", {
      unix: dockerSocket,
      signal: AbortSignal.timeout(dockerWithinMs),
    });
    if (answer.ok) return [ok("docker", `the engine at ${dockerSocket} answers`)];
    return [
      warn("docker", `the engine at ${dockerSocket} answers ${answer.status}`, "Look at its log: journalctl -u docker"),
    ];
  } catch (error) {
    const denied = mayUse(dockerSocket) ? undefined : "this user may not use it";
    const why = denied ?? reasonOf(error);
    const todo =
      denied === undefined
        ? "Is it running? systemctl status docker"
        : "Join its group and sign in again: sudo usermod -aG docker $USER";
    return [warn("docker", `the engine at ${dockerSocket} does not answer: ${why}`, todo)];
  }
}

function mayUse(socket: string): boolean {
  try {
    accessSync(socket, constants.R_OK | constants.W_OK);
    return true;
  } catch (error) {
    return errnoOf(error) !== "EACCES";
  }
}
