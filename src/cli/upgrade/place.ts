/** The program's place on disk: whatever happens there is whole or not done, and the program of before is kept. */
import { linkSync, realpathSync, renameSync } from "node:fs";
import { dirname } from "node:path";

import { removeIfThere, syncFolder } from "#src/lib/files.ts";
import { errnoOf, reasonOf } from "#src/protocol/fault.ts";

import { CliFault, exitCodes } from "../exit.ts";

/** Where the running program lies. @throws {CliFault} when it is no binary that could be replaced */
export function ownProgram(): string {
  const path = process.execPath.replace(/ \(deleted\)$/, "");
  if (Bun.main.startsWith("/$bunfs/")) return realpathSync(path);
  throw new CliFault(
    exitCodes.failed,
    "conflict",
    "this is Orion's source, not an installed program",
    "Upgrade it as you got it, such as: git pull",
  );
}

/** A new file beside the program, which nobody but us knows of. @throws {CliFault} when the folder can't be written */
export function makeRoom(program: string): string {
  const folder = dirname(program);
  const fresh = `${folder}/.orion.${process.pid}.new`;
  try {
    removeIfThere(fresh);
    // a hard link needs the same rights as what is to come, and no space
    linkSync(program, fresh);
    removeIfThere(fresh);
  } catch (error) {
    const denied = errnoOf(error) === "EACCES" || errnoOf(error) === "EPERM";
    const why = denied ? "this user may not write there" : reasonOf(error);
    const hint = denied ? "Run it as root: sudo orion upgrade" : `Look at it: ls -ld ${folder}`;
    throw new CliFault(exitCodes.failed, "denied", `${program} can't be replaced: ${why}`, hint, error);
  }
  return fresh;
}

/** Keeps the program as `<program>.previous` and gives its name to `fresh`, which is on disk already. */
export function swap(program: string, fresh: string): void {
  const linked = `${program}.previous.${process.pid}.tmp`;
  removeIfThere(linked);
  linkSync(program, linked);
  renameSync(linked, `${program}.previous`);
  renameSync(fresh, program);
  syncFolder(dirname(program));
}

/** Takes a swap back. @returns whether there was anything to take back */
export function swapBack(program: string): boolean {
  try {
    renameSync(`${program}.previous`, program);
    return true;
  } catch (error) {
    // the agent's guard was faster
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}
