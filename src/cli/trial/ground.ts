/** The ground of a trial: one folder, for one process, and nobody else's. */
import { closeSync, openSync, readFileSync, writeSync, ftruncateSync } from "node:fs";

import { makeFolder, writeFileAtomic } from "#src/lib/files.ts";
import { parseJson } from "#src/lib/json.ts";
import { tryLock } from "#src/lib/libc.ts";
import { errnoOf, reasonOf } from "#src/protocol/fault.ts";
import { type Paths, pathsFor } from "#src/protocol/paths.ts";

import type { Environment } from "../environment.ts";
import { CliFault, exitCodes } from "../exit.ts";

/** Bytes of a Unix socket's path, the closing NUL left out (sun_path, unix(7)). */
const longestSocketPath = 107;

/** Where the trial lives when nobody says. */
export const defaultFolder = (environment: Environment): string => `${environment.home}/.local/share/orion`;

/** Variables that would lead the trial's agent to another hub, or its files elsewhere. */
const foreign =
  /^(?:ORION|OCORE)_(?:ENDPOINT|AGENT_TOKEN|AGENT_TOKEN_FILE|SERVER_ID|PUSH_INTERVAL)$|^ORION_(?:CONFIG_DIR|RUN_DIR|LOG_FILE|DIR)$/;

/** The environment without what belongs to an agent elsewhere. */
export function ownVariables(environment: Environment): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.entries(environment.variables).filter(([name]) => !foreign.test(name)));
}

export type Ground = { readonly paths: Paths; release(): void };

/**
 * Makes the folders (0700) and takes them for this process.
 * @throws {CliFault} the path is too long, the folder can't be made, or another process has it (named by its pid)
 */
export function takeGround(dir: string): Ground {
  const paths = pathsFor({}, dir);
  const length = Buffer.byteLength(paths.socket);
  if (length > longestSocketPath) {
    throw new CliFault(
      exitCodes.usage,
      "invalid",
      `the folder ${dir} is too long: its socket's path would be ${length} bytes, and Unix sockets allow ${longestSocketPath}`,
      "Choose a shorter one with --dir",
    );
  }
  try {
    // what is there already keeps its mode: it may be a folder that is not ours to close
    for (const folder of [dir, paths.configDir, paths.runDir, `${dir}/log`, paths.dataDir]) makeFolder(folder, 0o700);
  } catch (error) {
    throw new CliFault(
      exitCodes.failed,
      "failed",
      `the folder ${dir} can't be made: ${reasonOf(error)}`,
      "Choose one that you may write with --dir",
      error,
    );
  }
  const path = `${paths.runDir}/up.lock`;
  const fd = openSync(path, "a+", 0o600);
  if (!tryLock(fd)) {
    closeSync(fd);
    throw held(dir, "orion up", path);
  }
  refuseIfHeld(`${paths.runDir}/agent.lock`, dir, "an agent");
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid}\n`);
  return {
    paths,
    release() {
      ftruncateSync(fd, 0);
      closeSync(fd);
    },
  };
}

/** Looks whether another process holds a lock file, and leaves it alone. */
function refuseIfHeld(path: string, dir: string, who: string): void {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  const free = tryLock(fd);
  // closing it gives the lock back
  closeSync(fd);
  if (!free) throw held(dir, who, path);
}

function held(dir: string, who: string, lock: string): CliFault {
  const pid = readFileSync(lock, "utf8").trim();
  return new CliFault(
    exitCodes.failed,
    "conflict",
    `${who} already runs in ${dir}${pid === "" ? "" : ` (pid ${pid})`}`,
    "Stop it first, or choose another folder with --dir",
  );
}

/**
 * Points the agent of this folder to the trial's hub; other settings in the file stay.
 * @throws {CliFault} the file can't be understood, or belongs to an agent of another hub: it is not overwritten then
 */
export function writeConfig(path: string, connection: { apiUrl: string; token: string; serverId: string }): void {
  const before = readConfig(path);
  const apiUrl = before["apiUrl"];
  if (typeof apiUrl === "string" && !isLoopback(apiUrl)) {
    throw new CliFault(
      exitCodes.failed,
      "conflict",
      `${path} belongs to an agent of ${apiUrl}`,
      "Choose another folder with --dir",
    );
  }
  // as often as an agent may: a trial wants to be looked at
  const config = { heartbeatInterval: 10, ...before, ...connection };
  writeFileAtomic(path, `${JSON.stringify(config, null, 2)}\n`);
}

function readConfig(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return {};
    throw error;
  }
  const json = parseJson(text);
  if (json.ok && typeof json.value === "object" && json.value !== null && !Array.isArray(json.value))
    return { ...json.value };
  const where = json.ok ? "it is no JSON object" : `line ${json.failure.line}: ${json.failure.reason}`;
  throw new CliFault(exitCodes.failed, "invalid", `${path} can't be understood: ${where}`, "Mend or remove it");
}

const isLoopback = (url: string): boolean =>
  URL.canParse(url) && /^(?:127(?:\.\d+){3}|localhost|\[::1\])$/.test(new URL(url).hostname);
