/** `scripts.json`: which scripts there are. A person may edit it by hand while the agent runs. */
import { realpathSync } from "node:fs";

import { writeFileAtomic } from "#src/lib/files.ts";
import { parseJson } from "#src/lib/json.ts";
import { readOwnedFile } from "#src/lib/owned-file.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Problem } from "#src/protocol/ipc.ts";
import { describeIssue, z } from "#src/protocol/schema.ts";
import { type Script, script } from "#src/protocol/scripts.ts";

export type ScriptsFile = {
  /** Reads the file. What is wrong in it is a problem; the last good state of that part stays in force. */
  load(): readonly Script[];
  /** What was wrong at the last `load`. */
  problems(): readonly Problem[];
  /** Appends an entry. @throws {Fault} when the name is taken, or when the file is broken: it is not overwritten then */
  add(script: Script): void;
  /** Takes an entry out. @throws {Fault} when it is not there, or when the file is broken */
  remove(name: string): void;
};

/** What a file holds: its entries as they were written, or why it can't be used. */
type Contents = { readonly entries: readonly unknown[] } | { readonly broken: Problem };

/**
 * The file at `path`. `lastGoodPath` keeps what was last in force, so that a daemon which starts while the file is torn
 * doesn't take the scripts that run for removed ones and stop them.
 */
export function openScriptsFile(path: string, lastGoodPath: string): ScriptsFile {
  let inForce: readonly Script[] | undefined;
  let problems: readonly Problem[] = [];

  function lastGood(): readonly Script[] {
    if (inForce !== undefined) return inForce;
    const kept = readContents(lastGoodPath);
    // written by us alone; when it is not there or torn, nothing is known
    return "entries" in kept ? validEntries(kept.entries, lastGoodPath, [], []) : [];
  }

  function remember(scripts: readonly Script[], found: Problem[]): void {
    inForce = scripts;
    problems = found;
    try {
      writeFileAtomic(lastGoodPath, serialise(scripts));
    } catch (error) {
      const why = `${lastGoodPath} can't be written: ${reasonOf(error)}`;
      problems = [...found, { what: "the scripts in force can't be remembered", why, todo: `df -h ${lastGoodPath}` }];
    }
  }

  /** The entries, to be changed and written back. */
  function entriesToChange(): readonly unknown[] {
    const contents = readContents(path);
    if ("entries" in contents) return contents.entries;
    const { what, why, todo } = contents.broken;
    throw new Fault("failed", `${what}: ${why}; it is not overwritten`, { hint: todo });
  }

  function write(entries: readonly unknown[]): void {
    try {
      writeFileAtomic(target(path), serialise(entries));
    } catch (error) {
      throw new Fault("failed", `${path} can't be written: ${reasonOf(error)}`, { cause: error });
    }
  }

  return {
    load() {
      const contents = readContents(path);
      const found: Problem[] = [];
      if ("entries" in contents) remember(validEntries(contents.entries, path, lastGood(), found), found);
      else {
        inForce = lastGood();
        const kept = inForce.length === 0 ? "no script is known" : "the last good scripts stay in force";
        problems = [{ ...contents.broken, why: `${contents.broken.why}; ${kept}` }];
      }
      return inForce ?? [];
    },
    problems: () => problems,
    add(added) {
      const entries = entriesToChange();
      if (entries.some((entry) => nameOf(entry) === added.name)) {
        throw new Fault("conflict", `script ${added.name} already exists`, {
          hint: `Remove it first: orion script remove ${added.name}`,
        });
      }
      write([...entries, added]);
    },
    remove(name) {
      const entries = entriesToChange();
      const left = entries.filter((entry) => nameOf(entry) !== name);
      if (left.length === entries.length)
        throw new Fault("not-found", `script ${name} not found`, { hint: "orion script list" });
      write(left);
    },
  };
}

/** What is wrong in the file at `path`, without a daemon around it. */
export function checkScriptsFile(path: string): readonly Problem[] {
  const contents = readContents(path);
  if ("broken" in contents) return [contents.broken];
  const found: Problem[] = [];
  validEntries(contents.entries, path, [], found);
  return found;
}

function readContents(path: string): Contents {
  const file = readOwnedFile(path);
  if (file.state === "absent") return { entries: [] };
  if (file.state === "refused") {
    return { broken: { what: `the scripts file ${path} is not used`, why: file.why, todo: file.todo } };
  }
  const json = parseJson(file.text);
  if (!json.ok) {
    const { line, column, reason } = json.failure;
    const why = `line ${line}, column ${column}: ${reason}`;
    return { broken: { what: `the scripts file ${path} is not valid JSON`, why, todo: `Mend ${path}, line ${line}` } };
  }
  if (!Array.isArray(json.value)) {
    const why = "it must hold a JSON array of scripts";
    return { broken: { what: `the scripts file ${path} is not valid`, why, todo: `Mend ${path}` } };
  }
  return { entries: json.value };
}

/** The valid entries; a bad one is named, and a script that it was before goes on as it was. */
function validEntries(
  entries: readonly unknown[],
  path: string,
  before: readonly Script[],
  found: Problem[],
): readonly Script[] {
  const valid = new Map<string, Script>();
  for (const [index, entry] of entries.entries()) {
    const result = z.core.safeParse(script, entry);
    const name = nameOf(entry);
    const which = `entry ${index + 1}${name === undefined ? "" : ` (${name})`} of ${path}`;
    if (result.success && !valid.has(result.data.name)) {
      valid.set(result.data.name, result.data);
      continue;
    }
    const issue = result.error?.issues[0];
    const known = before.find((known) => known.name === name);
    const twice = name !== undefined && valid.has(name);
    const why = issue === undefined ? `the name ${name} is used by an entry before it` : describeIssue(issue, entry);
    const kept = known !== undefined && !twice ? "; the script goes on as it was before" : "";
    found.push({
      what: `${which} is not used`,
      why: `${why}${kept}`,
      todo: `Correct it, then: kill -HUP ${process.pid}`,
    });
    if (known !== undefined && !twice) valid.set(known.name, known);
  }
  return [...valid.values()];
}

function nameOf(entry: unknown): string | undefined {
  if (typeof entry !== "object" || entry === null || !("name" in entry)) return undefined;
  return typeof entry.name === "string" ? entry.name : undefined;
}

/** Where a symbolic link leads, so that the link itself is not replaced. */
function target(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // not there yet: it is made at the path itself
    return path;
  }
}

function serialise(entries: readonly unknown[]): string {
  return `${JSON.stringify(entries, null, 2)}\n`;
}
