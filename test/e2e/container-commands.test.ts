/** The command line about the containers of a real engine: what runs, what it says, and what is wrong with the engine. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { Finding } from "#src/cli/doctor/finding.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { statusAnswer } from "#src/protocol/ipc.ts";
import { type TestAgent, startAgent } from "#test/kit/agent.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { orionBinary } from "#test/kit/binary.ts";
import { until } from "#test/kit/wait.ts";

import { type TestEngine, engineMissing, image, startEngine } from "./kit/engine.ts";
import { orion } from "./kit/orion.ts";

const missing = engineMissing();
const seconds = 60_000;

describe.skipIf(missing !== undefined)(
  `the command line beside a real engine${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    let engine: TestEngine;
    let folder: Folder;
    let agent: TestAgent;
    let env: Record<string, string>;
    beforeAll(async () => {
      engine = await startEngine();
      folder = temporaryFolder();
      env = { ORION_DOCKER_SOCKET: engine.socket };
      agent = await startAgent(folder, env);
      const compose = ["--label=com.docker.compose.project=shop", "--label=com.docker.compose.service=web"];
      await run("talks", "echo one; echo two >&2; i=3; while :; do echo $i; i=$((i+1)); sleep 1; done", ...compose);
      await run("ends", "seq 1 20; exit 3");
      await until(async () => (await entries("ends")).length === 20, "its lines", 30_000);
    }, seconds);
    afterAll(async () => {
      await agent?.[Symbol.asyncDispose]();
      await engine?.[Symbol.asyncDispose]();
      await folder?.[Symbol.asyncDispose]();
    }, seconds);

    const run = (name: string, command: string, ...flags: readonly string[]): Promise<string> =>
      engine.docker("run", "--detach", "--network=none", "--name", name, ...flags, image, "sh", "-c", command);
    const command = (...words: readonly string[]) => orion(["--dir", folder.path, ...words], { env });
    async function entries(...words: readonly string[]): Promise<LogEntry[]> {
      const { stdout } = await command("logs", ...words, "--json");
      return (JSON.parse(stdout) as { entries: LogEntry[] }).entries;
    }
    async function docker(): Promise<Finding[]> {
      const { findings } = JSON.parse((await command("doctor", "--json")).stdout) as { findings: Finding[] };
      return findings.filter(({ check }) => check === "docker");
    }

    test(
      "shows what runs and what has ended",
      async () => {
        await until(async () => {
          const { containers } = statusAnswer.parse(JSON.parse((await command("status", "--json")).stdout));
          return containers.find(({ name, state }) => name === "talks" && state === "running");
        }, "the container");
        const { code, stdout, stderr } = await command("status");
        expect([code, stderr]).toEqual([0, ""]);
        const lines = stdout.slice(stdout.indexOf("Containers\n")).split("\n\n")[0]?.split("\n") ?? [];
        expect(lines[1]).toMatch(/^ {2}NAME +STATE +UP +RESTARTS +CPU +MEMORY +IMAGE$/);
        expect(lines[2]).toMatch(/^ {2}talks +running +\S.* +0 +\S.* +(\d+(\.\d)? [KM]iB|-) +orion-test-busybox$/);
        expect(lines[3]).toMatch(/^ {2}ends +exited +- +0 +- +- +orion-test-busybox$/);
        expect((await command("status", "-q")).stdout).toBe("ends\ntalks\n");
      },
      seconds,
    );

    test(
      "gives a container's lines by its name, its source, or the beginning of its id",
      async () => {
        const id = await engine.docker("inspect", "--format", "{{.Id}}", "talks");
        for (const name of ["talks", "shop/web", id.slice(0, 12)]) {
          const [first] = (await entries(name)).filter(({ message }) => message === "one");
          expect(first).toMatchObject({
            source: "shop/web",
            stream: "container",
            fields: { container: "talks", containerId: id, stream: "stdout" },
          });
        }
        const text = await command("logs", "talks");
        expect(text.stdout).toMatch(/^\S+ \S+ {2}INFO {3}shop\/web \(talks\) {2}one$/m);
        expect((await entries("ends", "-n", "3")).map(({ message }) => message)).toEqual(["18", "19", "20"]);
        expect((await entries("ends", "--grep", "7")).map(({ message }) => message)).toEqual(["7", "17"]);
        const [, second] = await entries("ends", "-n", "2");
        const later = await entries("ends", "--since", new Date(Date.parse(second?.at ?? "") + 1).toISOString());
        expect(later).toEqual([]);
        expect(await command("logs", "nobody")).toEqual({
          code: 0,
          stdout: "",
          stderr: "Nothing of nobody is kept here. All names: orion status -q\n",
        });
      },
      seconds,
    );

    test(
      "follows a container, into its next life under the same name",
      async () => {
        const words = [await orionBinary(), "--dir", folder.path, "logs", "again", "-f", "--json"];
        await run("again", "echo first life");
        await until(async () => (await entries("again")).length === 1, "its line");
        await using follower = startProgram(words, { env });
        await until(() => follower.output().includes("first life"), "what was there before");
        await engine.docker("rm", "--force", "again");
        await run("again", "echo second life");
        await until(() => follower.output().includes("second life"), "what came after");
        const lines = follower.output().trim().split("\n");
        expect(lines.map((line) => (JSON.parse(line) as LogEntry).message)).toEqual(["first life", "second life"]);
      },
      seconds,
    );

    test(
      "names what is wrong with the engine, and the agent goes on with the host's figures",
      async () => {
        expect((await docker()).map(({ result, what }) => `${result}: ${what}`)).toEqual([
          expect.stringMatching(/^ok: the agent watches \d+ running containers of the engine at /),
        ]);
        await engine.end("SIGKILL");
        await until(async () => (await docker())[0]?.result === "warn", "the engine's end");
        const [found] = await docker();
        expect(found?.what).toBe(`the engine at ${engine.socket} does not answer: nobody listens on it`);
        expect(found?.todo).toBe("Is it running? systemctl status docker");
        const { code, stdout } = await command("status", "--json");
        const status = statusAnswer.parse(JSON.parse(stdout));
        expect(code).toBe(0);
        expect(status.system.memory.total).toBeGreaterThan(0);
        expect(status.docker.available).toBe(false);
        expect(status.docker.error).toContain(engine.socket);
        expect((await command("status")).stdout).toContain(`\nDocker\n  `);
        await engine.start();
        await until(async () => (await docker())[0]?.result === "ok", "the engine again", 30_000);
        await until(async () => (await command("status", "-q")).stdout.includes("talks"), "its containers");
      },
      2 * seconds,
    );
  },
);
