/**
 * The examples of the documentation, run as somebody would paste them: block after block into one shell, against the
 * trial that the compiled binary makes in a home folder of its own.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";

import { orionBinary } from "#test/kit/binary.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

setDefaultTimeout(120_000);

const root = resolve(import.meta.dir, "../..");

/** A block to paste. An endless one follows something, and is left with Ctrl-C once it has shown an event. */
type Example = { readonly line: number; readonly code: string; readonly endless: boolean };

/** Blocks of a page that begin with "```sh example", in their order. */
function examplesOf(page: string): Example[] {
  const text = readFileSync(resolve(root, page), "utf8");
  return [...text.matchAll(/^```sh example( endless)?\n([\s\S]*?)^```$/gm)].map((match) => ({
    line: text.slice(0, match.index).split("\n").length,
    code: match[2] ?? "",
    endless: match[1] !== undefined,
  }));
}

/** What one shell is to run: it ends with the first command that fails, and says before each block where it is. */
function pasted(page: string, examples: readonly Example[]): string {
  const blocks = examples.map(({ line, code, endless }) => {
    const where = `echo "--- ${page}:${line}"\n`;
    if (!endless) return `${where}${code}`;
    // a process group of its own, which Ctrl-C would end as a whole
    return `${where}set -m\n{\n${code}} >followed 2>&1 &\nset +m
for _ in $(seq 300); do grep -q '^event: ' followed && break; sleep 0.1; done
kill -INT -- -$!\nwait $! || true\ngrep '^event: ' followed\n`;
  });
  return `set -e -o pipefail\n${blocks.join("")}echo "--- all done"\n`;
}

beforeAll(async () => void (await orionBinary()), 60_000);

test("the documentation of the API has examples", () => {
  expect(examplesOf("docs/api.md").length).toBeGreaterThan(10);
});

test.each(["README.md", "docs/api.md"])("every example of %s works as pasted", async (page) => {
  const examples = examplesOf(page);
  await using home = temporaryFolder("orion-docs-");
  // `orion` is in the path, as after an installation
  const bin = home.at("bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "orion"), `#!/bin/sh\nexec "${await orionBinary()}" "$@"\n`);
  chmodSync(join(bin, "orion"), 0o755);
  const env = { HOME: home.path, PATH: `${bin}:${process.env["PATH"] ?? ""}` };

  await using up = startProgram(["orion", "up", "--port", "0"], { env });
  await until(() => {
    if (/^orion: /m.test(up.output())) throw new Error(up.output());
    return /Dashboard\s+http/.test(up.output()) && existsSync(home.at(".local/share/orion/credentials.json"));
  }, "the trial");

  writeFileSync(home.at("pasted.sh"), pasted(page, examples));
  await using shell = startProgram(["bash", "pasted.sh"], { env, cwd: home.path });
  const code = await shell.exited;
  if (code !== 0) throw new Error(`exit code ${code}\n${shell.output()}`);
  expect(shell.output()).toContain("--- all done");
  up.kill("SIGTERM");
  await up.exited;
});
