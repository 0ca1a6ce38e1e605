/** The files that a person edits: rights and syntax. */
import { statSync } from "node:fs";

import { parseJson } from "#src/lib/json.ts";
import { readOwnedFile } from "#src/lib/owned-file.ts";
import { describeIssue, z } from "#src/protocol/schema.ts";
import { script } from "#src/protocol/scripts.ts";

import { type Finding, type Patient, fail, ok, warn } from "./finding.ts";

/** Rights of the config file; its content is the settings' own business. */
export function checkConfigRights({ paths }: Patient): Finding[] {
  const stat = lookAt(paths.config);
  if (stat === undefined) return [];
  if ((stat.mode & 0o044) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    return [warn("config", `others may read the token in ${paths.config} (mode ${mode})`, `chmod 600 ${paths.config}`)];
  }
  return [];
}

/** `scripts.json`: rights, syntax, and each entry. */
export function checkScriptsFile({ paths, uid }: Patient): Finding[] {
  const path = paths.scripts;
  const file = readOwnedFile(path);
  if (file.state === "absent") return [ok("scripts", `${path} is not there: no scripts yet`)];
  if (file.state === "refused")
    return [fail("scripts", `${path} can't be used: ${file.why}`, readersTodo(file.todo, uid))];
  const json = parseJson(file.text);
  if (!json.ok) {
    const { line, column, reason } = json.failure;
    return [fail("scripts", `${path}, line ${line}, column ${column}: ${reason}`, `Mend line ${line} of ${path}`)];
  }
  if (!Array.isArray(json.value)) return [fail("scripts", `${path} is no JSON array of scripts`, `Mend ${path}`)];
  const entries: readonly unknown[] = json.value;
  const names = new Set<string>();
  const wrong: Finding[] = [];
  for (const [index, entry] of entries.entries()) {
    const checked = z.core.safeParse(script, entry);
    const issue = checked.error?.issues[0];
    const why = issue === undefined ? undefined : describeIssue(issue, entry);
    const name = checked.data?.name ?? "";
    if (why !== undefined)
      wrong.push(
        fail("scripts", `entry ${index + 1} of ${path}: ${why}`, `Correct it in ${path}, then orion script list`),
      );
    else if (names.has(name))
      wrong.push(
        fail("scripts", `entry ${index + 1} of ${path}: the name ${name} is taken`, `Give it another name in ${path}`),
      );
    names.add(name);
  }
  return wrong.length > 0
    ? wrong
    : [ok("scripts", `${path}: ${entries.length} ${entries.length === 1 ? "script" : "scripts"}`)];
}

/** As root a file's owner is the trouble; as anybody else it is that only root may look. */
export function readersTodo(todo: string, uid: number): string {
  return uid === 0 || !todo.startsWith("sudo chown") ? todo : "Run the doctor as the daemon's user: sudo orion doctor";
}

function lookAt(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // a folder that this user may not enter; the reading of the file says so
    return undefined;
  }
}
