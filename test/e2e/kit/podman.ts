/** A Podman of a test's own, with root or as a user: its own storage, its own socket; its service can be killed and started. */
import { chmodSync, chownSync, readFileSync, readdirSync, writeFileSync } from "node:fs";

import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { type Program, startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { image, mountsBelow, packImage } from "./engine.ts";
import { isRoot } from "./orion.ts";

export type TestPodman = AsyncDisposable & {
  readonly socket: string;
  /** Runs `podman …`. Throws with what it said when it fails. @returns what it printed, without the last newline */
  podman(...words: readonly string[]): Promise<string>;
  /** Ends the service behind the socket; containers go on. */
  end(signal: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
};

/** The user without root whom a test that has root becomes. */
const nobody = 65_534;
const busybox = "/bin/busybox";

/** Why there can be no Podman here, or undefined. With CI=true its absence is a failure. */
export function podmanMissing(): string | undefined {
  if (process.env["CI"] === "true") return undefined;
  if (Bun.which("podman") === null) return "needs podman";
  if (Bun.which("runc") === null && Bun.which("crun") === null) return "needs runc or crun";
  return Bun.file(busybox).size > 0 ? undefined : "needs busybox-static";
}

/** Why a user without root can't run containers here, or undefined. */
export function rootlessMissing(): string | undefined {
  const missing = podmanMissing();
  if (missing !== undefined) return missing;
  const become = isRoot ? ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"] : [];
  const tried = Bun.spawnSync([...become, "unshare", "--user", "--map-root-user", "true"], { stderr: "ignore" });
  return tried.exitCode === 0 ? undefined : "needs user namespaces for everybody";
}

/** Starts one, with an image to run. `rootless`: as nobody when the test has root, else as its user. */
export async function startPodman({ rootless }: { readonly rootless: boolean }): Promise<TestPodman> {
  const folder = temporaryFolder("orion-podman-");
  const other = rootless && isRoot;
  const packed = packImage(folder);
  // what is given to every container by default may be more than this machine has to give
  const limits = `default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]`;
  writeFileSync(folder.at("containers.conf"), `[containers]\n${limits}\nlog_driver = "k8s-file"\n`);
  if (other) chmodSync(folder.path, 0o711);
  if (other) for (const name of [folder.path, packed]) chownSync(name, nobody, nobody);
  const socket = folder.at("podman.sock");
  const become = other ? ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"] : [];
  const runtime = Bun.which("runc") === null ? "crun" : "runc";
  const command = [
    ...become,
    "podman",
    `--root=${folder.at("root")}`,
    `--runroot=${folder.at("run")}`,
    `--tmpdir=${folder.at("tmp")}`,
    `--runtime=${runtime}`,
    "--storage-driver=vfs",
    "--cgroup-manager=cgroupfs",
    "--events-backend=file",
  ];
  const env = {
    PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: folder.path,
    XDG_RUNTIME_DIR: folder.path,
    CONTAINERS_CONF: folder.at("containers.conf"),
  };
  let service: Program | undefined;

  const engine: TestPodman = {
    socket,
    async podman(...words) {
      const child = Bun.spawn([...command, ...words], { env, cwd: folder.path, stdout: "pipe", stderr: "pipe" });
      const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
      if ((await child.exited) !== 0) throw new Error(`podman ${words.join(" ")}: ${err}`);
      return out.trimEnd();
    },
    async start() {
      const started = startProgram([...command, "system", "service", "--time=0", `unix://${socket}`], {
        env,
        cwd: folder.path,
      });
      service = started;
      let ended = false;
      void started.exited.then(() => (ended = true));
      await until(async () => {
        if (ended) throw new Error(`Podman ended: ${started.output()}`);
        return (await fetch("http://podman/_ping", { unix: socket }).catch(() => undefined))?.ok;
      }, "Podman");
    },
    async end(signal) {
      service?.kill(signal);
      await service?.exited;
      service = undefined;
    },
    async [Symbol.asyncDispose]() {
      try {
        await engine.podman("rm", "--all", "--force", "--time=0").catch(() => {});
        await engine.end("SIGTERM");
      } finally {
        endLeftovers(folder);
        for (const place of mountsBelow(folder.path)) Bun.spawnSync(["umount", "--lazy", place]);
        await folder[Symbol.asyncDispose]();
      }
    },
  };
  await engine.podman("import", packed, image);
  await engine.start();
  return engine;
}

/** What holds the user's namespace, and whatever watches a container: all that name the folder end. */
function endLeftovers(folder: Folder): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const named = [readFileSync(`/proc/${pid}/cmdline`, "utf8"), readFileSync(`/proc/${pid}/environ`, "utf8")];
      if (Number(pid) !== process.pid && named.some((text) => text.includes(folder.path))) {
        process.kill(Number(pid), "SIGKILL");
      }
    } catch {
      // it has ended by itself, or is somebody else's
    }
  }
}
