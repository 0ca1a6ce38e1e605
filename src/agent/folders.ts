/** The agent's folders, made at the start when nobody made them before. An existing one is left as its maker wanted it. */
import { chmodSync, chownSync, existsSync, mkdirSync } from "node:fs";

import { Fault, reasonOf } from "#src/protocol/fault.ts";

import { sharingGroup } from "./ipc/access.ts";

const isRoot = (): boolean => process.getuid?.() === 0;

/** The folder of socket, lock and pipes: for root and the group `orion`, or only for the user who runs the agent. */
export function makeRunFolder(folder: string): void {
  make(folder, 0o700, () => {
    const group = sharingGroup();
    if (group === undefined) return;
    chownSync(folder, 0, group);
    chmodSync(folder, 0o750);
  });
}

/** The folder of config, scripts and buffer, which are 0600 themselves. */
export function makeConfigFolder(folder: string): void {
  make(folder, isRoot() ? 0o755 : 0o700);
}

function make(folder: string, mode: number, finish: () => void = () => {}): void {
  if (existsSync(folder)) return;
  try {
    mkdirSync(folder, { recursive: true, mode });
    finish();
  } catch (error) {
    throw new Fault("failed", `the folder ${folder} can't be made: ${reasonOf(error)}`, {
      cause: error,
      hint: "Run the agent as root, or below a folder of your own with --dir",
    });
  }
}
