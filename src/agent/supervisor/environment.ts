/** The environment of a script: a clean base, its file, its own variables, and the marks that tell whose it is. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import type { Script } from "#src/protocol/scripts.ts";

import type { Account } from "./account.ts";
import { parseEnvFile } from "./dotenv.ts";

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The variable that every process of one run carries, unless it cleared its environment. */
export const runMark = (runId: string): string => `ORION_RUN=${runId}`;

/**
 * What the process gets. Nothing of the daemon's own environment goes in but what `inherit` names (PATH, LANG, …):
 * the daemon's may hold its token.
 * @throws {Fault} `invalid` when the environment file can't be read or parsed
 */
export function environmentFor(
  script: Script,
  account: Account,
  runId: string,
  cwd: string,
  inherit: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    PATH: defaultPath,
    LANG: "C.UTF-8",
    ...inherit,
    HOME: account.home,
    USER: account.name,
    LOGNAME: account.name,
    SHELL: account.shell,
    ...(script.envFile === undefined ? {} : readEnvFile(resolve(cwd, script.envFile))),
    ...script.env,
    ORION_SCRIPT: script.name,
    ORION_RUN: runId,
  };
}

function readEnvFile(path: string): Record<string, string> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const why = errnoOf(error) === "ENOENT" ? "does not exist" : `can't be read: ${reasonOf(error)}`;
    throw new Fault("invalid", `environment file ${path} ${why}`, { cause: error });
  }
  return parseEnvFile(text, path);
}
