/** Runs the command line as a process of its own, from its sources. */
import { resolve } from "node:path";

export const main = resolve(import.meta.dir, "../../src/main.ts");

export type Run = { readonly code: number; readonly out: string; readonly err: string };

export type RunOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  readonly cwd?: string;
};

/** Runs `orion <words>` to its end. */
export async function orion(words: readonly string[], options: RunOptions = {}): Promise<Run> {
  const child = Bun.spawn([process.execPath, main, ...words], {
    stdin: options.stdin === undefined ? "ignore" : Buffer.from(options.stdin as Uint8Array),
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: "/nonexistent", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

/** The line that runs it in a shell. */
export const shellWords = `${quote(process.execPath)} ${quote(main)}`;

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
