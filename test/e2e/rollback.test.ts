/** Programs that do not work never get to be the agent, or are taken back, and no application notices. */
import { mkdirSync, readFileSync, statSync, truncateSync } from "node:fs";

import { beforeAll, expect, test } from "bun:test";

import { orionBinary } from "#test/kit/binary.ts";
import { alive, until } from "#test/kit/wait.ts";

import { install, startReplaceable, whoAnswers } from "./kit/replacing.ts";

beforeAll(async () => void (await orionBinary()), 120_000);

/** A program that passes every trial, and then is the agent by `end`. */
const tried = (end: string): string => `#!/bin/sh
case "$*" in *--version*) echo 10.0.0 ;; *--check*) ;; *) ${end} ;; esac
`;

/** Programs that never get to be the agent: nothing happens at all. */
const unfit: readonly (readonly [name: string, program: string, why: RegExp])[] = [
  ["no program at all", "#!/nowhere/sh\n", /can't be executed/],
  ["one that ends with an error at once", "#!/bin/sh\necho 'no such library' >&2; exit 127\n", /no such library/],
  ["one that hangs", "#!/bin/sh\nexec sleep 1000\n", /gave no answer to --version within 5 s/],
  ["one that can't read the settings", "#!/bin/sh\ncase $* in --version) ;; *) exit 1 ;; esac\n", /fails with --check/],
];

for (const [name, content, why] of unfit) {
  test(`${name} does not become the agent`, async () => {
    await using at = await startReplaceable();
    const { program, system } = at;
    const [before, pid] = [await whoAnswers(system), await at.webPid()];
    install(program, content);
    const outcome = await system.run("agent", "reexec");
    expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringMatching(why)]);
    expect(outcome.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect([await whoAnswers(system), await at.webPid()]).toEqual([before, pid]);
  }, 30_000);
}

test("a download that was cut does not become the agent", async () => {
  await using at = await startReplaceable();
  const { program, system } = at;
  const before = await whoAnswers(system);
  const cut = at.place.at("cut");
  install(cut, await orionBinary());
  truncateSync(cut, statSync(cut).size / 2);
  install(program, cut);
  expect(await system.run("agent", "reexec")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("fails with --version"),
  });
  expect(await whoAnswers(system)).toEqual(before);
}, 30_000);

/** Programs that pass every trial and fail as the agent. */
const failing: readonly (readonly [name: string, program: string, why: RegExp])[] = [
  ["ends at once", tried("exit 3"), /it ended before it served/],
  ["hangs", tried("exec sleep 1000"), /it did not serve within 20 s/],
];

for (const [name, content, why] of failing) {
  test(`a program that ${name} as the agent is taken back, and the one before goes on`, async () => {
    await using at = await startReplaceable();
    const { program, system } = at;
    const pid = await at.webPid();
    const sum = Bun.hash(readFileSync(program));
    install(program, content);
    const outcome = await system.run("agent", "reexec");
    expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringMatching(why)]);
    const now = await whoAnswers(system);
    expect(now).toMatchObject({ rolledBack: true, settled: true, program });
    expect([await at.webPid(), Bun.hash(readFileSync(program))]).toEqual([pid, sum]);
    // nobody else started it: it is the guard by now, and no child of this test
    process.kill(now?.pid ?? 0, "SIGTERM");
    await until(async () => !(await alive(now?.pid ?? 0)), "its end");
    expect(await alive(pid ?? 0)).toBe(false);
  }, 60_000);
}

test("the program of before goes on even where it can't be put back", async () => {
  await using at = await startReplaceable();
  const { program, system } = at;
  const pid = await at.webPid();
  // what a folder that can't be written does to everybody but root
  mkdirSync(`${program}.previous/in-the-way`, { recursive: true });
  install(program, tried("exit 3"));
  expect((await system.run("agent", "reexec")).code).toBe(1);
  const now = await whoAnswers(system);
  expect([now?.rolledBack, await at.webPid(), readFileSync(program, "utf8")]).toEqual([true, pid, tried("exit 3")]);
  const log = readFileSync(`${system.agentDir}/log/orion-agent.log`, "utf8");
  expect(log).toContain(`${program}.previous can't be written, so a roll-back can't restore the file`);
  expect(log).toContain(`${program}.previous can't be put back as ${program}`);
  process.kill(now?.pid ?? 0, "SIGTERM");
  await until(async () => !(await alive(now?.pid ?? 0)), "its end");
}, 60_000);
