/** `.orion/config.json` in an application's folder, and keeping it out of version control. */
import { existsSync, lchownSync, lstatSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

import { writeFileAtomic } from "#src/lib/files.ts";
import { parseJson } from "#src/lib/json.ts";
import { readOwnedFile } from "#src/lib/owned-file.ts";
import { runProgram } from "#src/lib/program.ts";
import { type SourceConfig, sourceConfig } from "#src/protocol/config.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { z } from "#src/protocol/schema.ts";

import { CliFault, exitCodes } from "../exit.ts";

export const sourceFilePath = (folder: string): string => join(folder, ".orion", "config.json");

/** What is there from before; undefined when nothing is, or nothing that can be used again. @throws {CliFault} */
export function readSourceFile(folder: string): SourceConfig | undefined {
  const path = sourceFilePath(folder);
  // a link would lead the writing elsewhere, with the rights of whoever runs this
  if (lstatSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() === false)
    throw unusable(dirname(path), "it is no folder", "Remove it");
  const file = readOwnedFile(path, { anyOwner: true });
  if (file.state === "absent") return undefined;
  if (file.state === "refused") throw unusable(path, file.why, file.todo);
  const json = parseJson(file.text);
  if (!json.ok) throw unusable(path, `line ${json.failure.line}: ${json.failure.reason}`, "Mend or remove it");
  const read = z.core.safeParse(sourceConfig, json.value);
  return read.success ? read.data : undefined;
}

/** Writes it (0600 in a folder of 0700), belonging to whom the application's folder belongs to. @throws {CliFault} */
export function writeSourceFile(folder: string, config: SourceConfig): void {
  const path = sourceFilePath(folder);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const owner = ownerOf(folder);
    // not followed: a link in its place would give away what it leads to
    if (owner !== undefined) lchownSync(dirname(path), owner.uid, owner.gid);
    writeFileAtomic(path, `${JSON.stringify(config, null, 2)}\n`, 0o600, owner);
  } catch (error) {
    throw unusable(path, reasonOf(error), `May this user write ${folder}?`, error);
  }
}

const unusable = (path: string, why: string, todo: string, cause?: unknown) =>
  new CliFault(exitCodes.failed, "invalid", `${path} can't be used: ${why}`, todo, cause);

/** With sudo, files in a user's folder are still that user's: the application must be able to read them. */
function ownerOf(folder: string): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const { uid, gid } = statSync(folder);
  return { uid, gid };
}

/**
 * Adds `.orion/` to the folder's `.gitignore`, if it is in a git repository that does not ignore it yet.
 * @returns whether it did
 */
export async function ignoreInGit(folder: string, env: Readonly<Record<string, string | undefined>>): Promise<boolean> {
  if (!isInRepository(folder)) return false;
  const file = join(folder, ".gitignore");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  if (text.split("\n").some((line) => /^\/?\.orion\/?\s*$/.test(line))) return false;
  if (await gitIgnores(folder, env)) return false;
  // whole and not appended: a link in its place is replaced, and root writes to nothing that it leads to
  const known = lstatSync(file, { throwIfNoEntry: false });
  const mode = known?.isFile() === true ? known.mode & 0o777 : 0o644;
  writeFileAtomic(file, `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}.orion/\n`, mode, ownerOf(folder));
  return true;
}

function isInRepository(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    // a folder, or in a worktree a file
    if (existsSync(join(at, ".git"))) return true;
    if (at === dirname(at)) return false;
  }
}

/** What git itself says, which knows the ignore files of all folders above and of the user. */
async function gitIgnores(folder: string, env: Readonly<Record<string, string | undefined>>): Promise<boolean> {
  if (Bun.which("git", { PATH: env["PATH"] ?? "" }) === null) return false;
  const command = ["git", "-C", folder, "check-ignore", "--quiet", ".orion/config.json"];
  return (await runProgram(command, { env, timeoutMs: 5000 })).code === 0;
}
