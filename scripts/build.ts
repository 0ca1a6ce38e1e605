/**
 * Compiles the one binary: `bun scripts/build.ts [--outfile dist/orion]`.
 *
 * Splitting and bytecode together are what lets one file play every role: a light command reads only its own chunk.
 * Neither `.env` nor `bunfig.toml` of the folder that it happens to be started in may change what the binary does.
 */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";

const root = resolve(import.meta.dir, "..");

export type BuildOptions = {
  readonly outfile: string;
  /** another platform, together with the runtime for it */
  readonly target?: Bun.Build.CompileTarget;
  /** the Bun executable to put the program into; this one if left out */
  readonly executablePath?: string;
  /** what `orion --version` says, instead of package.json's */
  readonly version?: string;
};

/** Writes the executable `outfile` in one step, and its folder when missing. Throws when anything does not compile. */
export async function build(options: BuildOptions): Promise<void> {
  const outfile = resolve(options.outfile);
  mkdirSync(dirname(outfile), { recursive: true });
  // the compiler also leaves its source maps beside the binary, which holds them already
  const workshop = mkdtempSync(`${dirname(outfile)}/.build-`);
  try {
    await compile(`${workshop}/compiled`, options);
    // The compiler writes in small pieces, and the page cache keeps them: every start of the file would take 1.5-2.5 ms
    // longer (of 7, measured on Linux 6.18) than with the large folios that one long copy makes.
    copyFileSync(`${workshop}/compiled`, `${workshop}/orion`);
    chmodSync(`${workshop}/orion`, 0o755);
    renameSync(`${workshop}/orion`, outfile);
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}

async function compile(outfile: string, options: BuildOptions): Promise<void> {
  const result = await Bun.build({
    // a thread is a program of its own, see hub/store/search/pool.ts
    entrypoints: [
      `${root}/src/main.ts`,
      `${root}/src/hub/store/search/thread.ts`,
      `${root}/src/hub/store/clickhouse/search/thread.ts`,
    ],
    root,
    minify: true,
    bytecode: true,
    format: "esm",
    splitting: true,
    // stacks of a binary in the field should name files and lines; it costs nothing until an error is printed
    sourcemap: "linked",
    ...(options.version === undefined ? {} : { define: { BUILT_VERSION: JSON.stringify(options.version) } }),
    compile: {
      outfile,
      autoloadDotenv: false,
      autoloadBunfig: false,
      ...(options.target === undefined ? {} : { target: options.target }),
      ...(options.executablePath === undefined ? {} : { executablePath: options.executablePath }),
    },
  });
  if (!result.success) throw new AggregateError(result.logs, "the binary did not compile");
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { outfile: { type: "string", default: `${root}/dist/orion` } } });
  await build({ outfile: values.outfile });
  console.log(values.outfile);
}
