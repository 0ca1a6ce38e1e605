/** The agent as its own image, run by this machine's engine with the flags that docs/containers.md gives. */
import { statSync } from "node:fs";
import { resolve } from "node:path";

import { orionBinary } from "#test/kit/binary.ts";

import type { Outcome } from "./orion.ts";

const script = resolve(import.meta.dir, "../../../scripts/agent-image.sh");
/** Where the engine listens, on the host and in the container. */
export const engineSocket = "/var/run/docker.sock";

/** Why the image can't be tried here, or undefined. With CI=true whatever is missing is a failure. */
export function imageMissing(): string | undefined {
  if (process.env["CI"] === "true") return undefined;
  if (Bun.which("docker") === null) return "needs Docker";
  if (Bun.which("ldd") === null) return "needs ldd";
  if (statSync(engineSocket, { throwIfNoEntry: false }) === undefined) return `needs an engine at ${engineSocket}`;
  const found = Bun.spawnSync(["docker", "info"], { stdout: "ignore", stderr: "ignore" });
  return found.exitCode === 0 ? undefined : "needs a running Docker engine";
}

/** Runs `docker …` to its end. */
export async function tryDocker(...words: readonly string[]): Promise<Outcome> {
  const child = Bun.spawn(["docker", ...words], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

/** The same, giving what it printed, without the last newline. Throws with what it said when it fails. */
export async function docker(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await tryDocker(...words);
  if (code !== 0) throw new Error(`docker ${words.join(" ")}: ${stderr}`);
  return stdout.trimEnd();
}

/** Builds the image. Disposing it takes the image away with every container of it. */
export async function buildImage(): Promise<AsyncDisposable & { readonly tag: string }> {
  const tag = `orion-agent-test:${process.pid}`;
  const child = Bun.spawn(["bash", script, await orionBinary(), tag], { stdout: "pipe", stderr: "pipe" });
  const [said, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${said}`);
  return {
    tag,
    async [Symbol.asyncDispose]() {
      const ids = (await docker("ps", "--all", "--quiet", "--filter", `ancestor=${tag}`)).split("\n");
      await tryDocker("rm", "--force", "--volumes", ...ids.filter((id) => id !== ""));
      await tryDocker("image", "rm", "--force", tag);
    },
  };
}

/** Where this machine is reached from containers: its address on their bridge. */
export async function gateway(): Promise<string> {
  return await docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}");
}

let counter = 0;
export const newName = (): string => `orion-image-${process.pid}-${counter++}`;

/** How the reference runs its agent; the network of a test has no TLS. */
export const flags = (): readonly string[] => [
  "--restart=unless-stopped",
  "--read-only",
  `--group-add=${statSync(engineSocket).gid}`,
  "--volume=/proc:/host/proc:ro",
  `--volume=${engineSocket}:${engineSocket}:ro`,
  "--env=OCORE_PROC_PATH=/host/proc",
  "--env=OCORE_INSECURE_HTTP=true",
  "--env=OCORE_PUSH_INTERVAL=10",
];

export type Ran = AsyncDisposable & {
  readonly name: string;
  /** What `docker logs` shows, both streams. */
  said(): Promise<string>;
  /** A field of `docker inspect`. */
  state(format: string): Promise<string>;
  /** `orion …` in it. */
  orion(...words: readonly string[]): Promise<Outcome>;
};

/** Starts a container of the image in the background. */
export async function run(tag: string, ...options: readonly string[]): Promise<Ran> {
  const name = newName();
  await docker("run", "--detach", "--name", name, ...options, tag);
  return {
    name,
    async said() {
      const { stdout, stderr } = await tryDocker("logs", name);
      return stdout + stderr;
    },
    state: (format) => docker("inspect", "--format", format, name),
    orion: (...words) => tryDocker("exec", name, "/usr/local/bin/orion", ...words),
    async [Symbol.asyncDispose]() {
      await tryDocker("rm", "--force", "--volumes", name);
    },
  };
}
