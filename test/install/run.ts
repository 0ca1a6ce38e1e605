/** Runs install.sh as people do: as a file, or piped into bash; in a folder of its own. */
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const script = resolve(import.meta.dir, "../../install.sh");
export const isRoot = process.getuid?.() === 0;

export type Outcome = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** A folder that is removed with everything in it; others may enter it, since some tests run as nobody. */
export type Place = AsyncDisposable & {
  readonly path: string;
  at(name: string): string;
  /** everything below, as sorted relative paths */
  list(): Promise<string[]>;
};

export async function makePlace(): Promise<Place> {
  const path = await mkdtemp(join(tmpdir(), "orion-install-"));
  await chmod(path, 0o755);
  return {
    path,
    at: (name) => join(path, name),
    list: async () => (await readdir(path, { recursive: true })).sort(),
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true });
    },
  };
}

export type InstallOptions = {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** what bash reads; the script itself if left out */
  readonly text?: string;
  /** programs before bash, such as `setpriv …` */
  readonly before?: readonly string[];
  readonly cwd?: string;
};

/** `cat install.sh | bash -s -- args`, in an environment that holds nothing but PATH and what is given. */
export async function pipeInstall(options: InstallOptions): Promise<Outcome> {
  const text = options.text ?? (await Bun.file(script).text());
  const child = Bun.spawn([...(options.before ?? []), "bash", "-s", "--", ...(options.args ?? [])], {
    cwd: options.cwd ?? "/",
    env: { PATH: systemPath, ...options.env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  void child.stdin.write(text);
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
    // bash may end before it has read everything: a broken pipe is no failure of the test
    Promise.resolve(child.stdin.end()).catch(() => undefined),
  ]);
  return { code, stdout, stderr };
}

/** The folders of a plain system. */
export const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A folder with programs made of shell text, to stand before the real ones in PATH. */
export async function fakePrograms(place: Place, programs: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, text] of Object.entries(programs)) {
    await Bun.write(place.at(`fake/${name}`), `#!/bin/sh\n${text}\n`);
    await chmod(place.at(`fake/${name}`), 0o755);
  }
  return `${place.at("fake")}:${systemPath}`;
}

/** A PATH with the named programs of this system and no others. */
export async function onlyPrograms(place: Place, names: readonly string[]): Promise<string> {
  for (const name of names) {
    const real = Bun.which(name, { PATH: systemPath });
    if (real === null) throw new Error(`${name} is not on this system`);
    await Bun.write(place.at("only/.keep"), "");
    if (!existsSync(place.at(`only/${name}`))) await symlink(real, place.at(`only/${name}`));
  }
  return place.at("only");
}
