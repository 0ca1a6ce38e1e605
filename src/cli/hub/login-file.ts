/** `login.json`: whom the command line is signed in as. One person's file, one hub at a time. */
import { chmodSync } from "node:fs";
import { dirname } from "node:path";

import { makeFolder, removeIfThere, writeFileAtomic } from "#src/lib/files.ts";
import { parseJson } from "#src/lib/json.ts";
import { readOwnedFile } from "#src/lib/owned-file.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { type Login, login } from "#src/protocol/login.ts";
import { describeIssue, z } from "#src/protocol/schema.ts";

import { CliFault, exitCodes } from "../exit.ts";
import type { Session } from "../session.ts";
import type { HubAddress } from "./address.ts";

/** Where it lies: below `--dir` when there is one, else in the user's config folder (XDG Base Directory Specification). */
export function loginPath({ dir, environment: { variables, home } }: Session): string {
  if (dir !== undefined) return `${dir}/login.json`;
  const config = variables["XDG_CONFIG_HOME"];
  // the specification has relative paths ignored
  return `${config?.startsWith("/") === true ? config : `${home}/.config`}/orion/login.json`;
}

/**
 * The login; undefined when there is none.
 * @throws {CliFault} the file can't be used, saying why
 */
export function readLogin(path: string): Login | undefined {
  const file = readOwnedFile(path);
  if (file.state === "absent") return undefined;
  if (file.state === "refused") throw unusable(path, file.why, file.todo);
  const json = parseJson(file.text);
  if (!json.ok) throw unusable(path, `line ${json.failure.line}: ${json.failure.reason}`, "Sign in anew: orion login");
  const read = z.core.safeParse(login, json.value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const why = issue === undefined ? "it is no login" : describeIssue(issue, json.value);
  throw unusable(path, why, "Sign in anew: orion login");
}

const unusable = (path: string, why: string, todo: string) =>
  new CliFault(exitCodes.failed, "invalid", `${path} can't be used: ${why}`, todo);

/** The hub of a login. */
export function addressOf({ url, caFile, insecureHttp }: Login): HubAddress {
  return { url, ...(caFile === undefined ? {} : { caFile }), ...(insecureHttp === true ? { insecureHttp } : {}) };
}

/** @throws {CliFault} naming the folder when it can't be written */
export function writeLogin(path: string, value: Login): void {
  const folder = dirname(path);
  try {
    makeFolder(folder, 0o700);
    // a folder that others may write is one in which they may exchange the file
    if (folder.endsWith("/orion")) chmodSync(folder, 0o700);
    writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
  } catch (error) {
    throw new CliFault(
      exitCodes.failed,
      "failed",
      `the login can't be kept in ${folder}: ${reasonOf(error)}`,
      "Choose another folder with --dir or XDG_CONFIG_HOME, or use ORION_API_URL and ORION_API_TOKEN",
      error,
    );
  }
}

export const removeLogin = (path: string): void => removeIfThere(path);
