/**
 * What the agent is told to do: `config.json` and, above it, the environment. The only file of the agent that knows the
 * names of environment variables.
 */
import { parseJson } from "#src/lib/json.ts";
import { fileStamp, readOwnedFile } from "#src/lib/owned-file.ts";
import { type Config, type EnvironmentName, config, environmentNames } from "#src/protocol/config.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Problem } from "#src/protocol/ipc.ts";
import { type Paths, pathsFor } from "#src/protocol/paths.ts";
import { describeIssue, z } from "#src/protocol/schema.ts";

import { findConnection } from "./connection.ts";
import type { Connection } from "./delivery/door.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** One consistent set of settings. */
export type Settings = {
  readonly config: Config;
  /** null: no hub is configured, or not completely */
  readonly connection: Connection | null;
  readonly userAgent: string;
};

/** What is wrong, by whether it costs a setting. */
type Found = { readonly broken: Problem[]; readonly odd: Problem[] };

/** Settings that follow their files. */
export type SettingsSource = {
  readonly paths: Paths;
  /** variables of ours that every script gets; never a setting of the agent, such as its token */
  readonly inherit: Readonly<Record<string, string>>;
  current(): Settings;
  /** What is wrong with the files now; the settings go on without it. */
  problems(): readonly Problem[];
  /** Those of them that cost a setting: an agent that starts now would run without it. */
  broken(): readonly Problem[];
  /** Reads the files again when they have changed (a stat(2) each when not). @returns whether anything was read */
  refresh(): boolean;
};

/** Every key that `config.json` may hold. */
const knownKeys: ReadonlySet<string> = new Set(Object.keys(config.shape));
const prefixes = ["ORION", "OCORE"] as const;
/** Where programs are found, and how they speak and count time. */
const inheritedNames = ["PATH", "LANG", "LC_ALL", "TZ"] as const;

/**
 * Opens the settings for an environment; `dir` is the flag `--dir`. A config file that is wrong costs the settings in
 * it, never the start: applications must run, and the problem is shown.
 * @throws {Fault} `invalid` when an environment variable is wrong, naming it
 */
export function openSettings(options: {
  readonly env: Environment;
  readonly dir?: string | undefined;
  readonly version: string;
}): SettingsSource {
  const { env, version } = options;
  const paths = options.dir === undefined ? pathsFor(env) : pathsFor(env, options.dir);
  const fromEnvironment = readEnvironment(env);
  const tokenFile = fromEnvironment.tokenFile;
  const files = tokenFile === undefined ? [paths.config] : [paths.config, tokenFile.path];
  const stampNow = (): string => files.map(fileStamp).join(" ");

  let found: Found = { broken: [], odd: [] };
  let lastGood: Partial<Config> = {};
  let lastToken: string | undefined;
  let stamp = stampNow();
  let settings = read();

  function read(): Settings {
    found = { broken: [], odd: [] };
    lastGood = readConfigFile(paths.config, lastGood, found);
    if (tokenFile !== undefined) lastToken = readTokenFile(tokenFile, found) ?? lastToken;
    const token = lastToken === undefined ? {} : { token: lastToken };
    const merged = config.parse({ ...lastGood, ...token, ...fromEnvironment.values });
    const connection = findConnection(merged, paths.config, found.odd);
    return { config: merged, connection, userAgent: `${fromEnvironment.product}/${version}` };
  }

  return {
    paths,
    inherit: pick(env, inheritedNames),
    current: () => settings,
    problems: () => [...found.broken, ...found.odd],
    broken: () => found.broken,
    refresh() {
      const now = stampNow();
      if (now === stamp) return false;
      stamp = now;
      settings = read();
      return true;
    },
  };
}

function pick(env: Environment, names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of names) {
    const value = env[name];
    if (value !== undefined && value !== "") picked[name] = value;
  }
  return picked;
}

type TokenFile = { readonly variable: string; readonly path: string };

type FromEnvironment = {
  readonly values: Partial<Config>;
  readonly tokenFile: TokenFile | undefined;
  /** how the agent introduces itself: by the name that it was configured with */
  readonly product: "orion-agent" | "ocore-agent";
};

/** Reads both prefixes; ORION_ wins. An empty variable counts as unset, as `docker compose` passes it. */
function readEnvironment(env: Environment): FromEnvironment {
  const values: Record<string, unknown> = {};
  let tokenFile: TokenFile | undefined;
  let named: (typeof prefixes)[number] | undefined;
  for (const name of Object.keys(environmentNames) as EnvironmentName[]) {
    const prefix = prefixes.find((prefix) => (env[`${prefix}_${name}`] ?? "") !== "");
    if (prefix === undefined) continue;
    const variable = `${prefix}_${name}`;
    const text = (env[variable] ?? "").trim();
    const key = environmentNames[name];
    if (key === "apiUrl" || key === "token" || key === "serverId") named = named === "ORION" ? named : prefix;
    if (name === "AGENT_TOKEN_FILE") tokenFile = { variable, path: text };
    else values[key] = checkVariable(variable, key, text);
  }
  // the token itself is nearer than the name of a file with it
  if (values["token"] !== undefined) tokenFile = undefined;
  return { values, tokenFile, product: named === "OCORE" ? "ocore-agent" : "orion-agent" };
}

const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  "1": true,
  yes: true,
  on: true,
  false: false,
  "0": false,
  no: false,
  off: false,
};

function checkVariable(variable: string, key: (typeof environmentNames)[EnvironmentName], text: string): unknown {
  const flag = key === "logStream" || key === "insecureHttp";
  let value: unknown = text;
  if (flag) value = booleans[text.toLowerCase()];
  if (key === "heartbeatInterval") value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (key === "logLevel") value = text.toLowerCase();
  const result = z.core.safeParse(config.shape[key], value);
  if (result.success && value !== undefined) return result.data;
  const why = flag ? "must be true or false" : result.error?.issues[0];
  const words = typeof why === "string" || why === undefined ? (why ?? "is not valid") : describeIssue(why, value);
  const shown = key === "token" ? "" : `, not ${JSON.stringify(text)}`;
  throw new Fault("invalid", `${variable}: ${words}${shown}`, {
    hint: `Set ${variable} to a valid value and start the agent again`,
  });
}

/** The keys of `config.json` that are valid; for what is wrong, the last good value stays in force. */
function readConfigFile(path: string, lastGood: Partial<Config>, { broken, odd }: Found): Partial<Config> {
  const file = readOwnedFile(path);
  if (file.state === "absent") return {};
  const what = `the config file ${path}`;
  const kept = Object.keys(lastGood).length === 0 ? "it is left out" : "the last good settings stay in force";
  if (file.state === "refused") {
    broken.push({ what: `${what} is not used`, why: `${file.why}; ${kept}`, todo: file.todo });
    return lastGood;
  }
  const json = parseJson(file.text);
  if (!json.ok) {
    const { line, column, reason } = json.failure;
    const why = `line ${line}, column ${column}: ${reason}; ${kept}`;
    broken.push({ what: `${what} is not valid JSON`, why, todo: `Mend ${path}, line ${line}` });
    return lastGood;
  }
  const value = json.value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    broken.push({ what: `${what} is not valid`, why: `it must hold a JSON object; ${kept}`, todo: `Mend ${path}` });
    return lastGood;
  }
  return validKeys(value, path, lastGood, { broken, odd });
}

function validKeys(value: object, path: string, lastGood: Partial<Config>, { broken, odd }: Found): Partial<Config> {
  const entries: Record<string, unknown> = { ...value };
  const unknown = Object.keys(entries).filter((key) => !knownKeys.has(key));
  if (unknown.length > 0) {
    const why = `no such setting: ${unknown.join(", ")}`;
    odd.push({
      what: `${path} holds keys that are not known`,
      why,
      todo: `Check their spelling or remove them from ${path}`,
    });
  }
  const result = z.core.safeParse(config, value);
  for (const issue of result.error?.issues ?? []) {
    const key = String(issue.path[0]);
    const before: unknown = Reflect.get(lastGood, key);
    const kept = before === undefined ? "the default is used" : "the last good value is used";
    const why = `${describeIssue(issue, value)}; ${kept}`;
    broken.push({ what: `a setting in ${path} is not valid`, why, todo: `Correct ${key} in ${path}` });
    if (before === undefined) delete entries[key];
    else entries[key] = before;
  }
  return entries;
}

function readTokenFile(file: TokenFile, { broken }: Found): string | undefined {
  // a secret that an orchestrator mounts belongs to whoever it likes: only its text counts
  const read = readOwnedFile(file.path, { anyOwner: true });
  const token = read.state === "text" ? read.text.trim() : "";
  if (token !== "") return token;
  const why = read.state === "absent" ? "there is no such file" : read.state === "refused" ? read.why : "it is empty";
  broken.push({
    what: `the agent token can't be read from ${file.path} (${file.variable})`,
    why,
    todo: `Put the token into ${file.path}; it is picked up without a restart`,
  });
  return undefined;
}
