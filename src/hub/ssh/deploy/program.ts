/** The program that is sent to a host: the hub's own, or a release that lies in the hub's data folder. */
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { Fault } from "#src/protocol/fault.ts";
import type { HostFacts } from "#src/protocol/ssh.ts";

export type Program = {
  readonly path: string;
  readonly size: number;
  /** SHA-256 in hexadecimal */
  readonly sha256: string;
};

export type Programs = {
  /** The program for a host. Rejects with a Fault that says where to put one, when there is none. */
  for(host: Pick<HostFacts, "cpu" | "libc">): Promise<Program>;
  /** The hub's own, for an image. Rejects with a Fault when the host has another CPU. */
  ownFor(host: Pick<HostFacts, "cpu">): Promise<Program>;
};

export type ProgramsWorld = {
  /** the hub's own compiled program; null: it runs from its source */
  readonly own: string | null;
  /** node's name of this machine's CPU */
  readonly arch: string;
  /** /proc/self/maps: names the C library that the hub runs with */
  readonly maps: string;
  /** where an operator puts releases for other machines */
  readonly releaseDir: string;
};

/** How uname(1) calls what releases call otherwise. */
const cpus: Readonly<Record<string, string>> = { x86_64: "x64", amd64: "x64", aarch64: "arm64", arm64: "arm64" };

export function createPrograms({ own, arch, maps, releaseDir }: ProgramsWorld): Programs {
  const known = new Map<string, Promise<Program>>();
  const ownName = `${arch}${/\/(?:ld-musl|libc\.musl)-/.test(maps) ? "-musl" : ""}`;

  function describe(path: string): Promise<Program> {
    const { size, mtimeMs } = statSync(path);
    const key = `${path} ${size} ${mtimeMs}`;
    const there = known.get(key) ?? sha256Of(path).then((sha256) => ({ path, size, sha256 }));
    known.set(key, there);
    return there;
  }

  function cpuOf({ cpu }: Pick<HostFacts, "cpu">): string {
    const name = cpus[cpu];
    if (name !== undefined) return name;
    throw new Fault("failed", `there is no agent for this CPU (${cpu}); there is one for x86_64 and aarch64`);
  }

  return {
    async for(host) {
      const name = `${cpuOf(host)}${host.libc === "musl" ? "-musl" : ""}`;
      if (own !== null && name === ownName) return await describe(own);
      const release = join(releaseDir, `orion-linux-${name}`);
      if (existsSync(release)) return await describe(release);
      const why =
        own === null ? "this hub runs from its source and has no program to send" : "the hub's own is another";
      throw new Fault("failed", `the host needs the program orion-linux-${name}; ${why}`, {
        hint: `Put the release orion-linux-${name} of this hub's version at ${release}`,
      });
    },
    async ownFor(host) {
      if (own === null) {
        throw new Fault("failed", "this hub runs from its source and has no program to make an image of", {
          hint: "Name an image that the host can pull",
        });
      }
      if (cpuOf(host) !== arch) {
        throw new Fault("failed", `the hub can make an image for ${arch} only; the host is ${host.cpu}`, {
          hint: "Name an image that the host can pull, or choose the method binary",
        });
      }
      return await describe(own);
    },
  };
}

async function sha256Of(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1_048_576 })) hasher.update(chunk as Buffer);
  return hasher.digest("hex");
}

/** This process, as `createPrograms` wants to know it. */
export function ownProgram(): Pick<ProgramsWorld, "own" | "arch" | "maps"> {
  // a compiled program has its code in a file system of its own
  const compiled = Bun.main.startsWith("/$bunfs/");
  // the file may have been replaced by an upgrade since: what runs is always there
  return {
    own: compiled ? `/proc/${process.pid}/exe` : null,
    arch: process.arch,
    maps: readFileSync("/proc/self/maps", "utf8"),
  };
}
