/**
 * What the next daemon must know of each script: `<runDir>/scripts/<name>.json`, rewritten at each change. The folder
 * is gone after a reboot, and a boot id guards where it is not.
 */
import { readFileSync, readdirSync, renameSync } from "node:fs";

import { makeFolder, removeIfThere, writeFileAtomic } from "#src/lib/files.ts";
import { exit } from "#src/protocol/event.ts";
import { errnoOf, reasonOf } from "#src/protocol/fault.ts";
import { check, z } from "#src/protocol/schema.ts";
import { type Script, killSignals, scriptName } from "#src/protocol/scripts.ts";

import { definitionOf } from "./policy.ts";
import { states } from "./table.ts";

const count = z.number().check(z.nonnegative(), z.multipleOf(1));
const at = z.iso.datetime();

const scriptRecord = z.object({
  format: z.literal(1),
  name: scriptName,
  state: z.enum(states),
  wanted: z.enum(["up", "down"]),
  /** null: unknown, so that nothing of this record is believed later */
  bootId: z.nullable(z.string()),
  /** the run that is under way or that may have left processes; its pid is null before the spawn */
  run: z.nullable(
    z.object({
      id: z.string(),
      pid: z.nullable(count),
      startTicks: z.nullable(count),
      startedAt: at,
      cgroup: z.nullable(z.string()),
      /** how often the kernel had killed in the group before this run */
      memoryKillsBefore: count,
    }),
  ),
  crashes: count,
  restarts: count,
  nextRestartAt: z.nullable(at),
  lastExit: z.nullable(exit),
  captured: z.boolean(),
  /** how it wants to be stopped, should it be gone from the settings when the next daemon starts */
  kill: z.object({ signal: z.enum(killSignals), timeoutMs: count }),
  /** of the settings that the process was started with */
  definition: z.string(),
});
export type ScriptRecord = z.infer<typeof scriptRecord>;

/** A file that can't be understood and was set aside. */
export type BrokenRecord = { readonly path: string; readonly why: string };

export type Records = {
  /** All records; what can't be understood is renamed to `.broken` and named, never fatal. */
  readAll(): { readonly records: readonly ScriptRecord[]; readonly broken: readonly BrokenRecord[] };
  /** @throws the system's error, when the folder is full or read-only */
  write(record: ScriptRecord): void;
  remove(name: string): void;
};

/** The records below `runDir`. */
export function openRecords(runDir: string): Records {
  const folder = `${runDir}/scripts`;
  const pathOf = (name: string): string => `${folder}/${name}.json`;

  function read(file: string): ScriptRecord | BrokenRecord {
    const path = `${folder}/${file}`;
    try {
      const record = check(scriptRecord, JSON.parse(readFileSync(path, "utf8")), "the record");
      if (`${record.name}.json` !== file) throw new Error(`it is of a script called ${record.name}`);
      return record;
    } catch (error) {
      renameSync(path, `${path}.broken`);
      return { path: `${path}.broken`, why: reasonOf(error) };
    }
  }

  return {
    readAll() {
      const records: ScriptRecord[] = [];
      const broken: BrokenRecord[] = [];
      for (const file of namesIn(folder).filter((name) => name.endsWith(".json"))) {
        const found = read(file);
        if ("why" in found) broken.push(found);
        else records.push(found);
      }
      return { records, broken };
    },
    write(record) {
      makeFolder(folder, 0o700);
      writeFileAtomic(pathOf(record.name), JSON.stringify(record));
    },
    remove: (name) => removeIfThere(pathOf(name)),
  };
}

/** A short name for the settings that a process was started with; they may hold secrets, so they are hashed. */
export function definitionHash(script: Script): string {
  return new Bun.CryptoHasher("sha256").update(definitionOf(script)).digest("hex");
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
