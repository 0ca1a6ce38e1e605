/** Who may connect: root and the group `orion`, or only the user who runs the agent. */
import { chmodSync, chownSync, readFileSync } from "node:fs";

import { errnoOf } from "#src/protocol/fault.ts";

/** Members of this group may use the socket. */
export const groupName = "orion";

/** The numeric id of a group, from group(5), or undefined when there is none. */
export function groupId(name: string, groupFile = "/etc/group"): number | undefined {
  let text: string;
  try {
    text = readFileSync(groupFile, "utf8");
  } catch (error) {
    // a minimal container has no such file, and then no such group
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const fields = text.split("\n").map((line) => line.split(":"));
  const id = fields.find((field) => field[0] === name)?.[2];
  return id !== undefined && /^\d+$/.test(id) ? Number(id) : undefined;
}

/** Root with a group `orion` shares with it; anybody else keeps everything to himself. */
export function sharingGroup(): number | undefined {
  return process.getuid?.() === 0 ? groupId(groupName) : undefined;
}

/** Opens a socket, made 0600, to the group `orion` when there is one. */
export function shareSocket(path: string): void {
  const group = sharingGroup();
  if (group === undefined) return chmodSync(path, 0o600);
  chownSync(path, 0, group);
  chmodSync(path, 0o660);
}
