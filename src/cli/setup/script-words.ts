/** What a script of an application is called, and who it runs as. */
import { readFileSync, statSync } from "node:fs";

import { check } from "#src/protocol/schema.ts";
import { type Script, type ScriptInput, script as scriptSchema } from "#src/protocol/scripts.ts";

import type { Session } from "../session.ts";

/** A source's name as a script may be called: lowercase letters, digits, hyphens. */
export function scriptNameFor(source: string): string {
  const name = source
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, 64)
    .replace(/-+$/, "");
  return name === "" ? "app" : name;
}

/**
 * The user that an application in this folder runs as, when the agent could run it as anybody: whose folder it is.
 * Undefined: as the agent itself.
 */
export function ownerOf(folder: string, { dir }: Session): string | undefined {
  // below --dir, agent and applications are one user's
  if (dir !== undefined) return undefined;
  const { uid } = statSync(folder);
  if (uid === 0) return undefined;
  return nameOf(uid) ?? String(uid);
}

/** passwd(5) */
function nameOf(uid: number): string | undefined {
  let text: string;
  try {
    text = readFileSync("/etc/passwd", "utf8");
  } catch {
    // a minimal image has none: the number says the same
    return undefined;
  }
  const line = text.split("\n").find((entry) => entry.split(":")[2] === String(uid));
  return line?.split(":")[0];
}

/** Whether a script that is there does what the wanted one would: what the wizard does not ask about may differ. */
export function sameScript(there: Script, wanted: ScriptInput): boolean {
  const full = check(scriptSchema, wanted, "the script");
  const asked = ["command", "cwd", "autoRestart", "captureOutput", "user"] as const;
  return asked.every((key) => there[key] === full[key]);
}
