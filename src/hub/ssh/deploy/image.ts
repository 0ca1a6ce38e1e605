/**
 * The agent's Docker image as `docker save` would write it, made of the hub's own program and the libraries that it
 * names, without an engine or a registry. The same image as Dockerfile and scripts/agent-image.sh make.
 */
import { createReadStream, realpathSync, statSync } from "node:fs";

import { runProgram } from "#src/lib/program.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Program } from "./program.ts";
import { type TarEntry, tarFolder, tarSize, tarText, writeTar } from "./tar.ts";

export type Image = {
  readonly tag: string;
  /** what an engine calls it */
  readonly id: string;
  readonly size: number;
  readonly stream: () => AsyncIterable<Uint8Array>;
};

/** The agent's user in the image. */
const user = 1000;
const home = "var/lib/orion";
const lddWithinMs = 20_000;

export async function makeImage(program: Program, version: string, arch: string): Promise<Image> {
  const layer = [...(await rootfs(program))];
  const layerHash = new Bun.CryptoHasher("sha256");
  for await (const chunk of writeTar(layer)) layerHash.update(chunk);
  const layerDigest = layerHash.digest("hex");
  const config = JSON.stringify({
    architecture: arch === "x64" ? "amd64" : arch,
    os: "linux",
    config: {
      User: `${user}:${user}`,
      Env: ["PATH=/usr/local/bin", `ORION_DIR=/${home}`],
      Entrypoint: ["/usr/local/bin/orion"],
      Cmd: ["agent"],
      Volumes: { [`/${home}`]: {} },
      StopSignal: "SIGTERM",
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${layerDigest}`] },
    history: [{ created_by: `orion ${version}` }],
  });
  const configDigest = new Bun.CryptoHasher("sha256").update(config).digest("hex");
  const tag = `orion-agent:${version}`;
  const manifest = [{ Config: `${configDigest}.json`, RepoTags: [tag], Layers: ["layer.tar"] }];
  const entries: readonly TarEntry[] = [
    { name: "layer.tar", mode: 0o644, size: tarSize(layer), content: () => writeTar(layer) },
    tarText(`${configDigest}.json`, 0o644, config),
    tarText("manifest.json", 0o644, JSON.stringify(manifest)),
  ];
  return { tag, id: `sha256:${configDigest}`, size: tarSize(entries), stream: () => writeTar(entries) };
}

async function rootfs({ path }: Program): Promise<readonly TarEntry[]> {
  const files = new Map([["/usr/local/bin/orion", path]]);
  // each library at the place where the loader looks for it
  for (const library of await librariesOf(path)) files.set(library, realpathSync(library));
  const folders = new Set<string>();
  for (const name of files.keys()) {
    const parts = name.slice(1).split("/").slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) folders.add(`${parts.slice(0, depth).join("/")}/`);
  }
  return [
    ...["etc/", "var/", "var/lib/", ...folders].map((name) => tarFolder(name, 0o755)),
    tarFolder(`${home}/`, 0o755, user),
    tarText("etc/passwd", 0o644, `orion:x:${user}:${user}::/${home}:/sbin/nologin\n`),
    tarText("etc/group", 0o644, `orion:x:${user}:\n`),
    ...[...files].map(([name, from]): TarEntry => fileEntry(name.slice(1), from)),
  ];
}

function fileEntry(name: string, from: string): TarEntry {
  const { size } = statSync(from);
  // a library may be replaced while it is sent: no byte beyond its size goes into the archive
  const content = () => createReadStream(from, { end: Math.max(0, size - 1), highWaterMark: 262_144 });
  return { name, mode: 0o755, size, content };
}

async function librariesOf(path: string): Promise<readonly string[]> {
  const outcome = await runProgram(["ldd", path], {
    env: { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", LC_ALL: "C" },
    timeoutMs: lddWithinMs,
  }).catch((error: unknown) => ({ code: 1, stdout: "", stderr: error instanceof Error ? error.message : "" }));
  if (outcome.code !== 0) {
    throw new Fault("failed", `the libraries of the hub's program can't be found out: ldd: ${outcome.stderr.trim()}`, {
      hint: "Name an image that the host can pull, or choose the method binary",
    });
  }
  return outcome.stdout.match(/\/[^ \n]+/g) ?? [];
}
