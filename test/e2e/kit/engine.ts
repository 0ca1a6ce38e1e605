/** A Docker engine of a test's own: its own data, its own socket, no network; it can be killed and started again. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";

import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { type Program, startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

export type TestEngine = AsyncDisposable & {
  readonly socket: string;
  /** Runs `docker …`. Throws with what it said when it fails. @returns what it printed, without the last newline */
  docker(...words: readonly string[]): Promise<string>;
  /** Ends the engine; containers go on, as with `live-restore`. */
  end(signal: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
};

/** Holds a shell and what small programs need; made of Debian's busybox-static. */
export const image = "orion-test-busybox";
const busybox = "/bin/busybox";
const commands = ["sh", "sleep", "seq", "cat", "dd", "tr", "head", "true", "date", "kill", "usleep", "yes"];

/** Why there can be no engine here, or undefined. With CI=true whatever is missing is a failure. */
export function engineMissing(): string | undefined {
  if (process.env["CI"] === "true") return undefined;
  if (process.getuid?.() !== 0) return "needs root";
  if (Bun.which("dockerd") === null) return "needs dockerd (docker.io)";
  if (Bun.which("unshare") === null) return "needs unshare (util-linux)";
  if (Bun.which("docker") === null) return "needs docker (docker-cli)";
  return existsSync(busybox) ? undefined : "needs busybox-static";
}

export async function startEngine(): Promise<TestEngine> {
  const folder = temporaryFolder("orion-engine-");
  const socket = folder.at("docker.sock");
  let program: Program | undefined;

  const engine: TestEngine = {
    socket,
    async docker(...words) {
      const child = Bun.spawn(["docker", "--host", `unix://${socket}`, ...words], { stdout: "pipe", stderr: "pipe" });
      const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
      if ((await child.exited) !== 0) throw new Error(`docker ${words.join(" ")}: ${err}`);
      return out.trimEnd();
    },
    async start() {
      const started = startProgram(
        [
          // a network namespace of its own: an engine without a bridge removes docker0, which is another engine's
          "unshare",
          "--net",
          "dockerd",
          `--host=unix://${socket}`,
          `--data-root=${folder.at("data")}`,
          `--exec-root=${folder.at("exec")}`,
          `--pidfile=${folder.at("pid")}`,
          "--bridge=none",
          "--iptables=false",
          "--ip6tables=false",
          "--live-restore",
          "--storage-driver=vfs",
        ],
        { env: { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin" } },
      );
      program = started;
      let ended = false;
      void started.exited.then(() => (ended = true));
      await until(
        () => {
          if (ended) throw new Error(`the engine ended: ${started.output()}`);
          return engine.docker("version").catch(() => undefined);
        },
        "the engine",
        30_000,
      );
    },
    async end(signal) {
      program?.kill(signal);
      await program?.exited;
      program = undefined;
      // its containerd ends with it; where nobody reaps orphans, its zombie would count as running
      if (signal === "SIGKILL") rmSync(folder.at("exec", "containerd", "containerd.pid"), { force: true });
    },
    async [Symbol.asyncDispose]() {
      try {
        await removeContainers(engine).catch(() => {});
        await engine.end("SIGTERM");
      } finally {
        endLeftovers(folder);
        for (const place of mountsBelow(folder.path)) Bun.spawnSync(["umount", "--lazy", place]);
        await folder[Symbol.asyncDispose]();
      }
    },
  };
  await engine.start();
  await engine.docker("import", packImage(folder), image);
  return engine;
}

/** Packs the image's tree into a file in `folder`, for an engine's import; gives its path. */
export function packImage(folder: Folder): string {
  mkdirSync(folder.at("image", "bin"), { recursive: true });
  mkdirSync(folder.at("image", "tmp"));
  copyFileSync(busybox, folder.at("image", "bin", "busybox"));
  chmodSync(folder.at("image", "bin", "busybox"), 0o755);
  for (const name of commands) symlinkSync("busybox", folder.at("image", "bin", name));
  const packed = Bun.spawnSync(["tar", "-C", folder.at("image"), "-cf", folder.at("image.tar"), "."]);
  if (packed.exitCode !== 0) throw new Error(packed.stderr.toString());
  return folder.at("image.tar");
}

async function removeContainers(engine: TestEngine): Promise<void> {
  const ids = (await engine.docker("ps", "--all", "--quiet")).split("\n").filter((id) => id !== "");
  if (ids.length > 0) await engine.docker("rm", "--force", ...ids);
}

/** An engine that was killed leaves its containerd behind, and that the containers: all that name the folder go. */
function endLeftovers(folder: Folder): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${folder.path}/`)) continue;
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
      for (const child of [...children.filter((id) => id !== ""), pid]) process.kill(Number(child), "SIGKILL");
    } catch {
      // it has ended by itself
    }
  }
}

/** What is mounted below a path, the innermost first. */
export function mountsBelow(path: string): string[] {
  const places = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "");
  return places.filter((place) => place.startsWith(`${path}/`)).toReversed();
}
