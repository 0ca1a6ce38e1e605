/**
 * The compiled binary, for tests of what a user runs. It is kept by the content of its source: built once, shared by
 * all test files and runs, and built anew when anything changed.
 */
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { build } from "../../scripts/build.ts";

const top = join(import.meta.dir, "../..");
/** Everything that the binary is made of, beside the compiler. */
const parts = ["src", "scripts/build.ts", "package.json", "bun.lock", "tsconfig.json"];
/** A binary that no test has used for so long is of a source that is gone. */
const keepMs = 3_600_000;

const built = new Map<string, Promise<string>>();

/** The path of the binary of this checkout's source, which may say that it is another version; any user may execute it. */
export function orionBinary(version = ""): Promise<string> {
  const there = built.get(version) ?? findOrBuild(version);
  built.set(version, there);
  return there;
}

async function findOrBuild(version: string): Promise<string> {
  const folder = ownFolder();
  for (;;) {
    const key = sourceKey();
    const path = join(folder, version === "" ? key : `${key}-${version}`);
    if (!existsSync(path)) await build(version === "" ? { outfile: path } : { outfile: path, version });
    utimesSync(path, new Date(), new Date());
    // two files that start together may both build: each puts the same content there in one step
    if (sourceKey() === key) {
      forgetOld(folder);
      return path;
    }
    // edited while it was compiled: what came out is of neither state
    rmSync(path, { force: true });
  }
}

/** A folder of this user's own: a binary that somebody else put there must not be run. */
function ownFolder(): string {
  const uid = process.getuid?.() ?? 0;
  const folder = join(tmpdir(), `orion-test-binaries-${uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== uid) throw new Error(`${folder} belongs to somebody else`);
  return folder;
}

function sourceKey(): string {
  const hasher = new Bun.CryptoHasher("sha256").update(`${Bun.version} ${Bun.revision} ${process.arch}`);
  const add = (path: string): void => {
    const whole = join(top, path);
    if (!existsSync(whole)) return;
    if (statSync(whole).isDirectory()) {
      for (const name of readdirSync(whole).sort()) add(join(path, name));
      return;
    }
    hasher.update(`\0${path}\0`).update(readFileSync(whole));
  };
  parts.forEach(add);
  return hasher.digest("hex").slice(0, 16);
}

function forgetOld(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat !== undefined && Date.now() - stat.mtimeMs > keepMs) rmSync(path, { recursive: true, force: true });
  }
}
