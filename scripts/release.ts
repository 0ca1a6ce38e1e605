/**
 * Makes a release: `bun run release [platform...]` writes `dist/orion-linux-<platform>` and `dist/SHA256SUMS`.
 *
 * A compiled binary is a Bun runtime with the program behind it. The runtimes of the other platforms are npm packages
 * of the same version; npm checks each against the registry's SHA-512, and they are kept in the cache.
 */
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import manifest from "../package.json" with { type: "json" };
import { build } from "./build.ts";

/** What install.sh can ask for; x64-baseline is for CPUs without AVX2. */
const platforms = [
  { name: "x64", runtime: "@oven/bun-linux-x64", target: "bun-linux-x64" },
  { name: "x64-baseline", runtime: "@oven/bun-linux-x64-baseline", target: "bun-linux-x64-baseline" },
  { name: "arm64", runtime: "@oven/bun-linux-aarch64", target: "bun-linux-arm64" },
  { name: "x64-musl", runtime: "@oven/bun-linux-x64-musl", target: "bun-linux-x64-musl" },
  { name: "arm64-musl", runtime: "@oven/bun-linux-aarch64-musl", target: "bun-linux-arm64-musl" },
] as const;
type Platform = (typeof platforms)[number];

const pinned = manifest.devDependencies.bun;
const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "orion-build");

/** The path of a platform's Bun executable of the pinned version, brought by npm when it is not in the cache. */
async function bringRuntime(platform: Platform): Promise<string> {
  const folder = join(cache, `${platform.runtime.replace("/", "-")}-${pinned}`);
  const executable = join(folder, "package/bin/bun");
  if (await Bun.file(executable).exists()) return executable;
  console.log(`bringing ${platform.runtime} ${pinned}`);
  await mkdir(cache, { recursive: true });
  const staging = await mkdtemp(join(cache, "runtime."));
  try {
    await run(["npm", "pack", "--loglevel=error", `${platform.runtime}@${pinned}`], staging);
    const archive = (await readdir(staging)).find((name) => name.endsWith(".tgz"));
    if (archive === undefined) throw new Error(`npm pack of ${platform.runtime} gave no archive`);
    await run(["tar", "-xzf", archive], staging);
    await rm(join(staging, archive));
    const found: { version?: string } = await Bun.file(join(staging, "package/package.json")).json();
    if (found.version !== pinned) {
      throw new Error(`${platform.runtime} is ${found.version ?? "of no version"}, but package.json pins ${pinned}`);
    }
    // in one step: another release may be at it; the first one stays
    await rename(staging, folder).catch(async (error: unknown) => {
      if (!(await Bun.file(executable).exists())) throw error;
    });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return executable;
}

async function run(command: readonly string[], cwd: string): Promise<void> {
  const child = Bun.spawn([...command], { cwd, stdin: "ignore", stdout: "ignore", stderr: "inherit" });
  const code = await child.exited;
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}`);
}

async function sha256(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hasher.update(chunk);
  return hasher.digest("hex");
}

/** The platforms named on the command line, or all. Throws for a name that is none. */
function chosen(names: readonly string[]): readonly Platform[] {
  if (names.length === 0) return platforms;
  return names.map((name) => {
    const platform = platforms.find((one) => one.name === name);
    if (platform !== undefined) return platform;
    throw new Error(`there is no platform '${name}'; there are ${platforms.map((one) => one.name).join(", ")}`);
  });
}

const { values, positionals } = parseArgs({
  options: { outdir: { type: "string", default: resolve(import.meta.dir, "../dist") } },
  allowPositionals: true,
});
const wanted = chosen(positionals);
if (Bun.version !== pinned) throw new Error(`this is Bun ${Bun.version}, but package.json pins ${pinned}`);
const outdir = resolve(values.outdir);
await mkdir(outdir, { recursive: true });
for (const name of await readdir(outdir)) {
  if (name.startsWith("orion-linux-") || name === "SHA256SUMS") await rm(join(outdir, name));
}

const sums: string[] = [];
for (const platform of wanted) {
  const name = `orion-linux-${platform.name}`;
  await build({
    outfile: join(outdir, name),
    target: platform.target,
    executablePath: await bringRuntime(platform),
  });
  sums.push(`${await sha256(join(outdir, name))}  ${name}\n`);
  console.log(`${name}  ${(Bun.file(join(outdir, name)).size / 1e6).toFixed(0)} MB`);
}
// written last: a release without it is not complete
await Bun.write(join(outdir, "SHA256SUMS"), sums.join(""));
