import { describe, expect, test } from "bun:test";

import { completionScript } from "#src/cli/completion/script.ts";
import { tree } from "#src/cli/tree.ts";

import { startFakeDaemon, success } from "./fake-daemon.ts";
import { shellWords } from "./orion.ts";
import { container, crashed, running, script, status } from "./samples.ts";

const bash = await completionScript("bash");

/** What bash offers for the last of these words. `orion` is the one under test. */
async function offers(...words: string[]): Promise<string[]> {
  const typed = ["orion", ...words].map((word) => `'${word}'`).join(" ");
  const line = `orion() { ${shellWords} "$@"; }
${bash}
COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _orion; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const child = Bun.spawn(["bash", "-c", line], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect(err).toBe("");
  return out.split("\n").filter((word) => word !== "");
}

const accepts = (shell: string, script: string) =>
  Bun.spawnSync([shell, "-n"], { stdin: Buffer.from(script), stdout: "pipe", stderr: "pipe" });

describe("the script for bash", () => {
  test("is accepted by bash", () => {
    const { exitCode, stderr } = accepts("bash", bash);
    expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  });

  test("offers every command", async () => {
    expect((await offers("")).toSorted()).toEqual([...tree.map(({ name }) => name), "help"].toSorted());
    expect(await offers("sta")).toEqual(["status"]);
    expect(await offers("script", "re")).toEqual(["restart", "remove"]);
    expect(await offers("--dir", "/x", "--json", "doc")).toEqual(["doctor"]);
  });

  test("offers a command's flags and those of all", async () => {
    expect(await offers("script", "add", "a", "b", "--max")).toEqual(["--max-restarts"]);
    expect(await offers("status", "--")).toEqual(expect.arrayContaining(["--json", "--dir", "--watch"]));
  });

  test("offers levels where one belongs, and nothing after", async () => {
    expect(await offers("log", "")).toEqual(["debug", "info", "warn", "error", "fatal"]);
    expect(await offers("logs", "--level", "e")).toEqual(["error"]);
    expect(await offers("log", "info", "d")).toEqual([]);
  });

  test("asks the daemon for the names of scripts", async () => {
    const scripts = [
      { script: script("api-backend"), status: running },
      { script: script("worker"), status: crashed },
    ];
    await using daemon = startFakeDaemon(() => success({ scripts }));
    expect(await offers("--dir", daemon.dir, "script", "stop", "")).toEqual(["api-backend", "worker"]);
    expect(await offers("--dir", daemon.dir, "script", "stop", "api-backend", "w")).toEqual(["worker"]);
  });

  test("asks the daemon for the names of scripts and containers where logs are meant", async () => {
    await using daemon = startFakeDaemon(() => success({ ...status, containers: [container] }));
    expect(await offers("--dir", daemon.dir, "logs", "-f", "")).toEqual(["api-backend", "worker", "odoo"]);
    expect(await offers("--dir", daemon.dir, "logs", "o")).toEqual(["odoo"]);
  });

  test("offers nothing and says nothing when there is no daemon", async () => {
    expect(await offers("--dir", "/nonexistent", "script", "stop", "")).toEqual([]);
    expect(await offers("--dir", "/nonexistent", "logs", "")).toEqual([]);
  });

  test("offers folders for --dir", async () => {
    expect(await offers("--dir", "/et")).toEqual(["/etc"]);
  });
});

for (const shell of ["zsh", "fish"] as const) {
  test.skipIf(Bun.which(shell) === null)(`the script for ${shell} is accepted by it (needs ${shell})`, async () => {
    const { exitCode, stderr } = accepts(shell, await completionScript(shell));
    expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  });

  test(`the script for ${shell} asks the daemon for names of scripts, and of all that has logs`, async () => {
    const text = await completionScript(shell);
    for (const asked of ["script list -q", "status -q"]) expect(text).toContain(asked);
  });

  test(`the script for ${shell} names every command and flag`, async () => {
    const text = await completionScript(shell);
    for (const word of ["status", "script", "doctor", "max-restarts", "no-color"]) expect(text).toContain(word);
  });
}
