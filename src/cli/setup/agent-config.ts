/** The agent's `config.json`, changed by a wizard: its other keys stay, also those that nobody knows. */
import { accessSync, constants, existsSync, realpathSync } from "node:fs";
import { dirname } from "node:path";

import { makeFolder, writeFileAtomic } from "#src/lib/files.ts";
import { parseJson } from "#src/lib/json.ts";
import { readOwnedFile } from "#src/lib/owned-file.ts";
import { reasonOf } from "#src/protocol/fault.ts";

import { CliFault, exitCodes } from "../exit.ts";
import type { HubAddress } from "../hub/address.ts";

/** What the file holds. */
export type AgentConfig = Readonly<Record<string, unknown>>;

export type NewConnection = {
  readonly address: HubAddress;
  readonly token: string;
  readonly serverId: string;
  /** its name, for people; undefined: not known */
  readonly project: string | undefined;
};

/** @throws {CliFault} the file can't be used, saying why: it is not overwritten then */
export function readAgentConfig(path: string): AgentConfig {
  const file = readOwnedFile(path);
  if (file.state === "absent") return {};
  if (file.state === "refused") throw unusable(path, file.why, file.todo);
  const json = parseJson(file.text);
  if (!json.ok) {
    const { line, column, reason } = json.failure;
    throw unusable(path, `line ${line}, column ${column}: ${reason}`, `Mend line ${line}, or remove the file`);
  }
  if (typeof json.value !== "object" || json.value === null || Array.isArray(json.value))
    throw unusable(path, "it is no JSON object", "Mend or remove the file");
  return { ...json.value };
}

const unusable = (path: string, why: string, todo: string) =>
  new CliFault(exitCodes.failed, "invalid", `${path} can't be used: ${why}`, todo);

/** The hub that the file names, if it names one. */
export function hubOf(config: AgentConfig): HubAddress | undefined {
  const { apiUrl, caFile, insecureHttp } = config;
  if (typeof apiUrl !== "string" || !URL.canParse(apiUrl)) return undefined;
  return {
    url: apiUrl.replace(/\/+$/, ""),
    ...(typeof caFile === "string" ? { caFile } : {}),
    ...(insecureHttp === true ? { insecureHttp } : {}),
  };
}

/** @throws {CliFault} this user may not write there: who may is said */
export function refuseWithoutRight(path: string, command: string): void {
  const folder = dirname(path);
  let at = folder;
  while (!existsSync(at) && at !== dirname(at)) at = dirname(at);
  try {
    accessSync(at, constants.W_OK | constants.X_OK);
  } catch (error) {
    const root = process.getuid?.() === 0;
    throw new CliFault(
      exitCodes.failed,
      "denied",
      `this user may not write ${folder}`,
      root ? `Is it mounted read-only? findmnt -T ${at}` : `Run it with sudo: sudo ${command}`,
      error,
    );
  }
}

/** Writes the connection (mode 0600, in one step). @throws {CliFault} it can't be written; the old file stays */
export function writeConnection(path: string, before: AgentConfig, connection: NewConnection): void {
  const { address, token, serverId, project } = connection;
  const { caFile: _, insecureHttp: __, project: ___, ...rest } = before;
  const config = {
    ...rest,
    apiUrl: address.url,
    token,
    serverId,
    ...(project === undefined ? {} : { project }),
    ...(address.caFile === undefined ? {} : { caFile: address.caFile }),
    ...(address.insecureHttp === true ? { insecureHttp: true } : {}),
  };
  try {
    makeFolder(dirname(path), 0o750);
    writeFileAtomic(existsSync(path) ? realpathSync(path) : path, `${JSON.stringify(config, null, 2)}\n`);
  } catch (error) {
    throw new CliFault(
      exitCodes.failed,
      "failed",
      `${path} can't be written: ${reasonOf(error)}`,
      `Is there space left? df -h ${dirname(path)}`,
      error,
    );
  }
}
