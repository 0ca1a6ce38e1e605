/**
 * The mark that a data folder has once its hub has moved away: from then on no hub works on what lies there, so that there
 * are never two that take lines. What lies there is left as it was, as the way back: whoever removes the mark has the hub
 * of that moment again.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { removeIfThere, writeFileAtomic } from "#src/lib/files.ts";
import { Fault, errnoOf } from "#src/protocol/fault.ts";

export const markName = "moved.json";

export type Mark = {
  readonly movedTo: string;
  readonly at: string;
  /** what lies there is no hub yet but a part of one, which is being brought from `movedTo` */
  readonly half?: boolean;
};

/** Leaves it, on disk when this returns. */
export function leaveMark(dataDir: string, mark: Mark): void {
  writeFileAtomic(join(dataDir, markName), `${JSON.stringify(mark, null, 2)}\n`, 0o600);
}

export function removeMark(dataDir: string): void {
  removeIfThere(join(dataDir, markName));
}

/** null: nothing has moved away from there. */
export function readMark(dataDir: string): Mark | null {
  let text: string;
  try {
    text = readFileSync(join(dataDir, markName), "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  }
  try {
    return JSON.parse(text) as Mark;
  } catch {
    // that it is there is what counts
    return { movedTo: "another place", at: "an unknown time" };
  }
}

/**
 * For a hub that is about to work on the files of a folder.
 * @throws {Fault} `conflict`: the hub that had them works elsewhere now
 */
export function refuseMoved(dataDir: string): void {
  const mark = readMark(dataDir);
  if (mark === null) return;
  if (mark.half === true) {
    throw new Fault("conflict", `${dataDir} holds a part of the hub that is being moved to it from ${mark.movedTo}`, {
      hint: "Finish that with `orion hub migrate --finish`; the hubs there work until then",
    });
  }
  throw new Fault("conflict", `the hub of ${dataDir} was moved to ${mark.movedTo} at ${mark.at}`, {
    hint: `Set databaseUrl and clickhouseUrl to where it is now; to go back to what is in the folder, stop the hubs there and remove ${join(dataDir, markName)}`,
  });
}
