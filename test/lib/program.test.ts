import { expect, test } from "bun:test";

import { runProgram, startCompanion } from "#src/lib/program.ts";
import { alive, until } from "#test/kit/wait.ts";

const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin" };

test("a program's end and all that it printed are told", async () => {
  const ran = await runProgram(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], { env, timeoutMs: 10_000 });
  expect(ran).toEqual({ code: 3, signal: null, timedOut: false, stdout: "out\n", stderr: "err\n" });
});

test("a program that a signal ended has no exit code", async () => {
  const ran = await runProgram(["/bin/sh", "-c", "kill -SEGV $$"], { env, timeoutMs: 10_000 });
  expect(ran).toMatchObject({ code: null, signal: "SIGSEGV", timedOut: false });
});

test("a program that hangs is ended with all that it has started", async () => {
  const ran = await runProgram(["/bin/sh", "-c", "sleep 1000 & echo $!; wait"], { env, timeoutMs: 300 });
  expect(ran).toMatchObject({ code: null, timedOut: true });
  await until(async () => !(await alive(Number(ran.stdout))), "the end of its child");
});

test("what a program leaves behind does not hold its caller up", async () => {
  const ran = await runProgram(["/bin/sh", "-c", "sleep 1000 & exit 0"], { env, timeoutMs: 1000 });
  expect(ran).toMatchObject({ code: 0, timedOut: false });
}, 10_000);

test("a program that is not there is an error", async () => {
  expect(runProgram(["/nowhere/program"], { env, timeoutMs: 1000 })).rejects.toThrow("ENOENT");
});

test("a companion's first line is told, and nothing when it ends without one", async () => {
  const speaks = startCompanion(["/bin/sh", "-c", "printf rea; sleep 0.05; echo dy; exec sleep 1000"], env);
  expect(await speaks.firstLine(10_000)).toBe("ready");
  speaks.kill();
  await until(async () => !(await alive(speaks.pid)), "its end");
  expect(await startCompanion(["/bin/true"], env).firstLine(10_000)).toBeUndefined();
});
