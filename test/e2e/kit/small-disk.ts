/** A disk that is full soon: a tmpfs of its own at a folder. Only root may mount one. */
import { mkdirSync, readdirSync, statfsSync, writeFileSync } from "node:fs";

import { errnoOf } from "#src/protocol/fault.ts";

import { isRoot } from "./orion.ts";

export type SmallDisk = AsyncDisposable & {
  /** Leaves `bytes` free, by a file that only takes space. */
  fill(bytes?: number): void;
  /** Takes that file away. */
  free(): void;
};

/** Why there can be no small disk here; undefined when there can. */
export function smallDiskMissing(): string | undefined {
  if (!isRoot) return "needs root";
  const tried = Bun.spawnSync(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], { stderr: "ignore" });
  return tried.exitCode === 0 ? undefined : "needs the right to mount";
}

/** Mounts `bytes` of disk at `folder`, which must be empty or not there. */
export async function mountSmallDisk(folder: string, bytes: number): Promise<SmallDisk> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (readdirSync(folder).length > 0) throw new Error(`${folder} is not empty`);
  await run(["mount", "-t", "tmpfs", "-o", `size=${bytes},mode=0700`, "none", folder]);
  const ballast = `${folder}/ballast`;
  return {
    fill(left = 0) {
      const { bavail, bsize } = statfsSync(folder);
      try {
        writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - left)), { flag: "a" });
      } catch (error) {
        // whoever else writes there was faster: full it is
        if (errnoOf(error) !== "ENOSPC") throw error;
      }
    },
    free: () => writeFileSync(ballast, ""),
    async [Symbol.asyncDispose]() {
      // lazily: what still has a file open there ends later
      await run(["umount", "--lazy", folder]);
    },
  };
}

async function run(command: readonly string[]): Promise<void> {
  const child = Bun.spawn([...command], { stdout: "ignore", stderr: "pipe" });
  const [said, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new Error(`${command.join(" ")}: ${said}`);
}
