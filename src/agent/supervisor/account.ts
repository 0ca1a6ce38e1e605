/** Users and groups as passwd(5) and group(5) hold them. */
import { readFileSync } from "node:fs";

import { Fault, reasonOf } from "#src/protocol/fault.ts";

export type Account = {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
  /** supplementary groups, the primary one not among them */
  readonly groups: readonly number[];
};

/** Finds a user by name or numeric id in the text of passwd(5) and group(5). A numeric id needs no entry. */
export function findAccount(passwd: string, group: string, user: string): Account | undefined {
  const numeric = /^\d+$/.test(user);
  for (const line of passwd.split("\n")) {
    const [name, , uid, gid, , home, shell] = line.split(":");
    if (name === undefined || uid === undefined || gid === undefined) continue;
    if (name !== user && !(numeric && uid === user)) continue;
    const primary = Number(gid);
    return {
      name,
      uid: Number(uid),
      gid: primary,
      home: home === undefined || home === "" ? "/" : home,
      shell: shell === undefined || shell === "" ? "/bin/sh" : shell,
      groups: groupsOf(group, name).filter((id) => id !== primary),
    };
  }
  if (!numeric) return undefined;
  return { name: user, uid: Number(user), gid: Number(user), home: "/", shell: "/bin/sh", groups: [] };
}

function groupsOf(text: string, user: string): number[] {
  const ids: number[] = [];
  for (const line of text.split("\n")) {
    const [, , gid, members] = line.split(":");
    if (gid !== undefined && members?.split(",").includes(user) === true) ids.push(Number(gid));
  }
  return ids;
}

/**
 * The account of this machine with that name or id.
 * @throws {Fault} `invalid` when there is none
 */
export function readAccount(user: string): Account {
  const found = findAccount(readOrEmpty("/etc/passwd"), readOrEmpty("/etc/group"), user);
  if (found !== undefined) return found;
  throw new Fault("invalid", `user ${user} does not exist in /etc/passwd`, {
    hint: "Create the user, or name it by its numeric id",
  });
}

// a minimal container image has neither file: then only numeric ids can be found
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (reasonOf(error).includes("ENOENT")) return "";
    throw error;
  }
}
