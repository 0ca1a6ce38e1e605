/** Going back to the program of before. */
import { readFileSync, renameSync } from "node:fs";

import { setCloseOnExec } from "#src/lib/libc.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";

import type { LogPort } from "./door.ts";
import { execute } from "./execute.ts";
import { type Handover, readHandover, removeHandover, startTicksOf, writeHandover } from "./handover.ts";
import { ownImage, previousPath } from "./image.ts";

/** So long may whoever started the daemon (runit, OpenRC, a person's loop) take to start it again by themselves. */
const othersWithinMs = 3000;
/** systemd does it for certain, unless somebody has told it not to. */
const systemdWithinMs = 30_000;
const lookEveryMs = 25;

/**
 * Renames `<path>.previous` to `path`. When that can't be, the new program stays there, and the log says so.
 * @returns the program to go on with
 */
export function putBack(path: string, log: LogPort): string {
  try {
    renameSync(previousPath(path), path);
    return path;
  } catch (error) {
    log.warn(`${previousPath(path)} can't be put back as ${path}: ${reasonOf(error)}`);
    return ownImage;
  }
}

/**
 * Waits until somebody has started the daemon again, who takes `note` away; otherwise this process becomes the daemon.
 * @throws {Fault} when it can't
 */
export async function startAgain(world: {
  readonly note: Handover;
  readonly runDir: string;
  /** the program to become */
  readonly program: string;
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pipes: readonly number[];
}): Promise<void> {
  const { note, runDir, program, words, env, pipes } = world;
  const supervised = (env["NOTIFY_SOCKET"] ?? "") !== "";
  const deadline = performance.now() + (supervised ? systemdWithinMs : othersWithinMs);
  while (performance.now() < deadline) {
    await Bun.sleep(lookEveryMs);
    if (readHandover(runDir) === undefined) return;
    // one that was started before the note was written has not seen it
    if (isHeld(runDir, note.pid)) return removeHandover(runDir);
  }
  // a service that was told to stay down stays down
  if (supervised) return;
  for (const fd of pipes) setCloseOnExec(fd, false);
  const startTicks = startTicksOf(process.pid) ?? note.startTicks;
  writeHandover(runDir, { ...note, pid: process.pid, startTicks, pipes: [...pipes] });
  execute(program, words, env);
  throw new Fault("failed", `${program} can't be executed: no agent runs now`, { hint: "Start it: orion agent" });
}

/** Whether the lock names a process that is there and is not the one that ended. */
function isHeld(runDir: string, ended: number): boolean {
  const pid = Number(readFileSync(`${runDir}/agent.lock`, "utf8"));
  return pid > 0 && pid !== ended && startTicksOf(pid) !== undefined;
}
