/** Registering an application's script: with the daemon when it runs, else in `scripts.json`. */
import { existsSync, realpathSync } from "node:fs";
import { dirname } from "node:path";

import { makeFolder, writeFileAtomic } from "#src/lib/files.ts";
import { parseJson } from "#src/lib/json.ts";
import { readOwnedFile } from "#src/lib/owned-file.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { check } from "#src/protocol/schema.ts";
import { type Script, type ScriptInput, script as scriptSchema } from "#src/protocol/scripts.ts";

import { answerTimeoutMs, connectDaemon } from "../daemon.ts";
import { CliFault, exitCodes } from "../exit.ts";
import type { Session } from "../session.ts";
import { refuseWithoutRight } from "./agent-config.ts";

/** Where scripts are registered. */
export type Registry = {
  /** whether a daemon is there, that can start what is registered */
  readonly daemon: boolean;
  /** The script of a name, if there is one. */
  find(name: string): Promise<Script | undefined>;
  add(script: ScriptInput): Promise<void>;
  /** Stops and forgets it. */
  remove(name: string): Promise<void>;
  /** @returns its pid, when the daemon tells one */
  start(name: string): Promise<number | undefined>;
};

/** @throws {CliFault} there is no daemon, and the file is not this user's to write */
export async function openRegistry({ paths }: Session, command: string): Promise<Registry> {
  try {
    (await connectDaemon(paths.socket)).close();
  } catch (error) {
    if (!(error instanceof CliFault) || error.exitCode !== exitCodes.noDaemon) throw error;
    try {
      refuseWithoutRight(paths.scripts, command);
    } catch {
      // the daemon is the usual way, so what to do about it is what is told
      throw error;
    }
    return fileRegistry(paths.scripts);
  }
  return daemonRegistry(paths.socket);
}

function daemonRegistry(socket: string): Registry {
  async function ask(request: Parameters<Awaited<ReturnType<typeof connectDaemon>>["request"]>[0], timeoutMs?: number) {
    const daemon = await connectDaemon(socket);
    try {
      return await daemon.request(request, timeoutMs);
    } finally {
      daemon.close();
    }
  }
  return {
    daemon: true,
    async find(name) {
      const { scripts } = (await ask({ cmd: "script:list" })) as { scripts: readonly { script: Script }[] };
      return scripts.find(({ script }) => script.name === name)?.script;
    },
    async add(script) {
      await ask({ cmd: "script:add", script });
    },
    async remove(name) {
      // a stop may take the script's whole kill timeout, which only the daemon knows
      await ask({ cmd: "script:remove", name }, 0);
    },
    async start(name) {
      const answer = (await ask({ cmd: "script:start", name }, 6 * answerTimeoutMs)) as { pid?: unknown } | undefined;
      return typeof answer?.pid === "number" ? answer.pid : undefined;
    },
  };
}

function fileRegistry(path: string): Registry {
  const nameOf = (entry: unknown) =>
    typeof entry === "object" && entry !== null && "name" in entry ? entry.name : undefined;
  const write = (entries: readonly unknown[]) => {
    try {
      makeFolder(dirname(path), 0o750);
      writeFileAtomic(existsSync(path) ? realpathSync(path) : path, `${JSON.stringify(entries, null, 2)}\n`);
    } catch (error) {
      throw unusable(path, reasonOf(error), `Is there space left? df -h ${dirname(path)}`);
    }
  };
  return {
    daemon: false,
    async find(name) {
      const entry = readEntries(path).find((one) => nameOf(one) === name);
      return entry === undefined ? undefined : check(scriptSchema, entry, `script ${name} in ${path}`);
    },
    async add(script) {
      write([...readEntries(path), check(scriptSchema, script, "the script")]);
    },
    async remove(name) {
      write(readEntries(path).filter((entry) => nameOf(entry) !== name));
    },
    async start() {
      return undefined;
    },
  };
}

function readEntries(path: string): readonly unknown[] {
  const file = readOwnedFile(path);
  if (file.state === "absent") return [];
  if (file.state === "refused") throw unusable(path, file.why, file.todo);
  const json = parseJson(file.text);
  if (!json.ok)
    throw unusable(path, `line ${json.failure.line}: ${json.failure.reason}`, `Mend line ${json.failure.line}`);
  if (Array.isArray(json.value)) return json.value;
  throw unusable(path, "it is no JSON array of scripts", "Mend it");
}

const unusable = (path: string, why: string, todo: string) =>
  new CliFault(exitCodes.failed, "invalid", `${path} can't be used: ${why}`, todo);
