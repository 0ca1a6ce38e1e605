/** The agent beside a real Docker engine: nothing of what containers print is lost or comes twice, whatever is killed. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { LogEntry } from "#src/protocol/log.ts";
import { statusAnswer } from "#src/protocol/ipc.ts";
import { startAgent } from "#test/kit/agent.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { type RecordingHub, startRecordingHub } from "#test/kit/recording-hub.ts";
import { until } from "#test/kit/wait.ts";

import { type TestEngine, engineMissing, image, startEngine } from "./kit/engine.ts";

const missing = engineMissing();
const seconds = 60_000;

// an engine that starts containers while other tests run takes its time
setDefaultTimeout(20_000);

const environment = (engine: TestEngine, hub: RecordingHub): Record<string, string> => ({
  ORION_DOCKER_SOCKET: engine.socket,
  ORION_ENDPOINT: hub.url,
  ORION_AGENT_TOKEN: "oat_test",
  ORION_SERVER_ID: "server",
});

const of = (hub: RecordingHub, source: string): LogEntry[] => hub.entries.filter((entry) => entry.source === source);
const messages = (hub: RecordingHub, source: string): string[] => of(hub, source).map(({ message }) => message);

describe.skipIf(missing !== undefined)(
  `containers of a real engine${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    let engine: TestEngine;
    let folder: Folder;
    beforeAll(async () => {
      engine = await startEngine();
      folder = temporaryFolder();
    }, seconds);
    afterAll(async () => {
      await engine?.[Symbol.asyncDispose]();
      await folder?.[Symbol.asyncDispose]();
    }, seconds);

    const run = (name: string, command: string, ...flags: readonly string[]): Promise<string> =>
      engine.docker("run", "--detach", "--network=none", "--name", name, ...flags, image, "sh", "-c", command);

    async function agentIn(name: string, hub: RecordingHub) {
      const agent = await startAgent(
        { ...folder, path: folder.at(name), at: (...parts) => folder.at(name, ...parts) },
        environment(engine, hub),
      );
      const status = async () => statusAnswer.parse((await agent.ask({ cmd: "status" })).data);
      await until(async () => (await status()).docker.available, "the engine");
      return Object.assign(agent, { status });
    }

    test(
      "have their last lines shipped although they live for milliseconds, and their deaths are told apart",
      async () => {
        await using hub = startRecordingHub();
        await using _agent = await agentIn("deaths", hub);
        await run("brief", "seq 1 50; exit 3");
        await run("orderly", "echo bye");
        // an engine that has much to do watches for lack of memory somewhat after a container's start
        await run("hungry", "echo eats; sleep 1; dd if=/dev/zero of=/dev/null bs=64M count=1", "--memory=8m");
        await run("asked", "echo waits; exec sleep 600", "--stop-timeout=0");
        await run("shot", "echo falls; exec sleep 600");
        await run("labelled", "echo under another name", "--label", "orion.name=odoo");
        await run("secret", "echo hidden", "--label", "orion.logs=false");
        await run(
          "composed-1",
          "echo c",
          "--label",
          "com.docker.compose.project=shop",
          "--label",
          "com.docker.compose.service=web",
        );
        for (const name of ["asked", "shot"]) await until(() => messages(hub, name).length > 0, `the line of ${name}`);
        await engine.docker("stop", "asked");
        process.kill(Number(await engine.docker("inspect", "--format", "{{.State.Pid}}", "shot")), "SIGKILL");
        const deaths = () => hub.events.filter((event) => event.type === "container.died");
        await until(() => deaths().length === 8, "eight deaths", 30_000);
        const told = Object.fromEntries(
          deaths().map(({ container, cause, exitCode, tail }) => [
            container,
            { cause, exitCode, tail: tail.slice(-1) },
          ]),
        );
        expect(told).toEqual({
          brief: { cause: "failed", exitCode: 3, tail: ["50"] },
          orderly: { cause: "exited", exitCode: 0, tail: ["bye"] },
          hungry: { cause: "oom", exitCode: 137, tail: ["eats"] },
          asked: { cause: "stopped", exitCode: 137, tail: ["waits"] },
          shot: { cause: "killed", exitCode: 137, tail: ["falls"] },
          labelled: { cause: "exited", exitCode: 0, tail: ["under another name"] },
          secret: { cause: "exited", exitCode: 0, tail: [] },
          "composed-1": { cause: "exited", exitCode: 0, tail: ["c"] },
        });
        await until(() => messages(hub, "brief").length >= 50, "its lines");
        expect(messages(hub, "brief")).toEqual(Array.from({ length: 50 }, (_, i) => String(i + 1)));
        expect(messages(hub, "odoo")).toEqual(["under another name"]);
        expect(messages(hub, "shop/web")).toEqual(["c"]);
        expect(messages(hub, "secret")).toEqual([]);
      },
      seconds,
    );

    test(
      "have stdout and stderr told apart, terminals read, long lines joined, times kept to the nanosecond",
      async () => {
        await using hub = startRecordingHub();
        await using _agent = await agentIn("kinds", hub);
        const long = "head -c 40000 /dev/zero | tr '\\000' x; echo; echo end";
        await run("frames", `echo out; ${long}; echo err >&2`);
        await run("terminal", `echo out; ${long}; echo err >&2`, "--tty");
        for (const name of ["frames", "terminal"]) {
          await until(() => of(hub, name).length === 4, `the lines of ${name}`);
          // the engine writes the two streams down as they come to it
          expect(messages(hub, name).filter((line) => line !== "err")).toEqual(["out", "x".repeat(40_000), "end"]);
          for (const { at } of of(hub, name)) expect(at).toMatch(/\.\d{9}Z$/);
        }
        const streams = of(hub, "frames").map(({ message, fields }) => [message === "err", fields?.["stream"]]);
        expect(streams.filter(([isErr, stream]) => isErr !== (stream === "stderr"))).toEqual([]);
      },
      seconds,
    );

    test(
      "have the figures that `docker stats` shows",
      async () => {
        await using hub = startRecordingHub();
        await using agent = await agentIn("figures", hub);
        await run("spins", "while :; do :; done", "--cpus=0.5");
        const figures = async () => (await agent.status()).containers.find(({ name }) => name === "spins");
        await until(async () => (await figures())?.memory.usage, "its first figures");
        // a share over seconds: the engine deals a limited container its time in slices
        await Bun.sleep(3000);
        await figures();
        const shown = await engine.docker("stats", "--no-stream", "--format", "{{json .}}", "spins");
        const seen = await until(async () => {
          const now = await figures();
          return now?.cpu === null ? undefined : now;
        }, "its share");
        const { CPUPerc, MemUsage } = JSON.parse(shown) as { CPUPerc: string; MemUsage: string };
        expect(Math.abs((seen.cpu ?? 0) - Number.parseFloat(CPUPerc))).toBeLessThan(25);
        const kib = ((seen.memory.usage ?? 0) / 1024).toFixed(0);
        expect(MemUsage).toMatch(/KiB|MiB/);
        const told = Number.parseFloat(MemUsage) * (MemUsage.includes("MiB /") ? 1024 : 1);
        expect(Math.abs(Number(kib) - told)).toBeLessThan(1024);
        await engine.docker("rm", "--force", "spins");
      },
      seconds,
    );

    test(
      "have each line shipped once although the engine rotates their logs away, and repeats itself as it does",
      async () => {
        await using hub = startRecordingHub();
        await using _agent = await agentIn("rotation", hub);
        const lines = 30_000;
        const ten = "0 1 2 3 4 5 6 7 8 9";
        const prints = `i=0; while [ $i -lt ${lines} ]; do for _ in ${ten} ${ten}; do i=$((i+1)); echo "$i of the lines that fill a log"; done; usleep 2000; done; exec sleep 600`;
        await run("rotates", prints, "--log-opt", "max-size=1m", "--log-opt", "max-file=3");
        await until(() => messages(hub, "rotates").at(-1)?.startsWith(`${lines} `), "the last line", 40_000);
        const numbers = messages(hub, "rotates").map((line) => Number.parseInt(line, 10));
        expect(numbers).toEqual(Array.from({ length: lines }, (_, i) => i + 1));
        await engine.docker("rm", "--force", "rotates");
      },
      seconds,
    );

    test(
      "have each line shipped once and in order while the agent and the engine are killed",
      async () => {
        await using hub = startRecordingHub();
        const lines = 900;
        const names = Array.from({ length: 10 }, (_, i) => `steady-${i}`);
        {
          await using _first = await agentIn("kills", hub);
          const counts = `i=1; while [ $i -le ${lines} ]; do echo "$i"; echo "e$i" >&2; i=$((i+1)); usleep 10000; done`;
          for (const name of names) await run(name, counts, "--log-opt", "max-size=10m");
          await until(() => of(hub, "steady-9").length > 100, "a beginning");
          _first.kill("SIGKILL");
          await _first.exited;
        }
        {
          await using second = await agentIn("kills", hub);
          const so = hub.entries.length;
          await until(() => hub.entries.length > so + 300, "more");
          await engine.end("SIGKILL");
          await until(async () => (await second.status()).docker.error !== null, "its end noticed");
          await engine.start();
          await until(async () => (await second.status()).docker.available, "the engine again", 30_000);
          const again = hub.entries.length;
          await until(() => hub.entries.length > again + 300, "more");
          second.kill("SIGKILL");
          await second.exited;
        }
        await using _third = await agentIn("kills", hub);
        const total = names.length * lines * 2;
        await until(() => names.reduce((sum, name) => sum + of(hub, name).length, 0) >= total, "everything", 100_000);
        const wanted = Array.from({ length: lines }, (_, i) => String(i + 1));
        for (const name of names) {
          const got = messages(hub, name);
          expect(got.filter((line) => !line.startsWith("e"))).toEqual(wanted);
          expect(got.filter((line) => line.startsWith("e"))).toEqual(wanted.map((line) => `e${line}`));
        }
      },
      3 * seconds,
    );
  },
);
