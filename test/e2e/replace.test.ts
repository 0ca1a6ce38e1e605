/** The daemon is replaced in place: what clients and people see of it. */
import { beforeAll, expect, test } from "bun:test";

import { orionBinary } from "#test/kit/binary.ts";
import { startProgram } from "#test/kit/program.ts";
import { alive, until } from "#test/kit/wait.ts";
import { fakeRelease, serveReleases } from "../install/releases.ts";

import { judge, newestNumber, readNumbers } from "./kit/lines.ts";
import { replace, startReplaceable, whoAnswers } from "./kit/replacing.ts";

const newer = "9.9.9";

beforeAll(async () => {
  await orionBinary();
  await orionBinary(newer);
}, 120_000);

test("what is asked while the daemon is replaced is done once and in order", async () => {
  await using at = await startReplaceable();
  const { system } = at;
  const total = 3000;
  const over = new AbortController();
  const replacing = (async () => {
    for (let times = 0; times < 5 || !over.signal.aborted; times++) await replace(system);
  })();
  const child = Bun.spawn([await orionBinary(), "--dir", system.agentDir, "log", "info", "-"], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "pipe",
  });
  for (let number = 1; number <= total; number++) {
    void child.stdin.write(`line ${number}\n`);
    if (number % 20 === 0) await Bun.sleep(10);
  }
  await child.stdin.end();
  expect([await child.exited, await new Response(child.stderr).text()]).toEqual([0, ""]);
  for (let number = total + 1; number <= total + 40; number++) {
    expect(await system.run("log", "info", `line ${number}`)).toEqual({ code: 0, stdout: "", stderr: "" });
  }
  over.abort();
  await replacing;
  await until(async () => (await newestNumber(system, "cli")) === total + 40, "the last line in the hub", 30_000);
  const verdict = judge(await readNumbers(system, "cli"), total + 40);
  expect(verdict).toEqual({ lines: total + 40, lost: 0, repeated: 0, outOfOrder: 0, examples: [] });
}, 60_000);

test("who follows the output is told why it ends", async () => {
  await using at = await startReplaceable();
  const { system } = at;
  await using follower = startProgram([await orionBinary(), "--dir", system.agentDir, "logs", "-f"]);
  await system.run("log", "info", "before");
  await until(() => follower.output().includes("before"), "the first line");
  await replace(system);
  expect(await follower.exited).toBe(1);
  expect(follower.output()).toContain("orion: the agent is being replaced by its successor. Give the command again");
}, 30_000);

// Before, a signal in the last milliseconds before execve(2) could go to a thread that died with its program.
test("asked to stop while it is being replaced, the successor stops, and the applications with it", async () => {
  for (const afterMs of [0, 5, 10, 20, 40, 80]) {
    await using at = await startReplaceable();
    const { system } = at;
    const pid = await at.webPid();
    const answer = await system.ask({ cmd: "agent:reexec" });
    expect(answer.ok).toBe(true);
    await Bun.sleep(afterMs);
    expect(await system.agent.end("SIGTERM")).toBe(0);
    expect(await alive(pid ?? 0)).toBe(false);
  }
}, 60_000);

test("orion upgrade fetches, checks and goes over to a release, which is kept after its probation", async () => {
  await using at = await startReplaceable();
  const { program, system } = at;
  await using releases = serveReleases();
  const names = Object.keys(fakeRelease("0"));
  const publish = async (file: Bun.BunFile | string) =>
    releases.publish("latest", Object.fromEntries(names.map((name) => [name, file])));
  const upgrade = async () => {
    const child = Bun.spawn([program, "upgrade", "--dir", system.agentDir, "--url", releases.url, "--json"], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, stdout, stderr };
  };
  const [before, pid] = [await whoAnswers(system), await at.webPid()];

  const sums = names.map((name) => `${"0".repeat(64)}  ${name}\n`).join("");
  await releases.publish("latest", { ...fakeRelease(newer), SHA256SUMS: sums });
  const damaged = await upgrade();
  expect([damaged.code, damaged.stderr]).toEqual([
    1,
    expect.stringContaining("is damaged or not genuine (SHA-256 is "),
  ]);
  await publish("#!/bin/sh\nexit 1\n");
  const useless = await upgrade();
  expect([useless.code, useless.stderr]).toEqual([1, expect.stringContaining("it does not run on this machine")]);
  expect([await whoAnswers(system), await at.webPid()]).toEqual([before, pid]);

  await publish(Bun.file(await orionBinary(newer)));
  const done = await upgrade();
  expect([done.code, done.stderr]).toEqual([0, ""]);
  expect(JSON.parse(done.stdout)).toMatchObject({
    to: newer,
    changed: true,
    daemon: { pid: before?.pid, settled: true },
  });
  expect(await at.webPid()).toBe(pid);
  expect(JSON.parse((await upgrade()).stdout)).toMatchObject({ from: newer, changed: false });
}, 60_000);
