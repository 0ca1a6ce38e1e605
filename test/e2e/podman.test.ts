/** The agent beside Podman, by its likeness of Docker's API: with root, and as a user without. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { AgentEvent } from "#src/protocol/event.ts";
import { statusAnswer } from "#src/protocol/ipc.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { startAgent } from "#test/kit/agent.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { type RecordingHub, startRecordingHub } from "#test/kit/recording-hub.ts";
import { until } from "#test/kit/wait.ts";

import { image } from "./kit/engine.ts";
import { isRoot } from "./kit/orion.ts";
import { type TestPodman, podmanMissing, rootlessMissing, startPodman } from "./kit/podman.ts";

const seconds = 60_000;
const ways = [
  { name: "with root", rootless: false, missing: podmanMissing() ?? (isRoot ? undefined : "needs root") },
  { name: "without root", rootless: true, missing: rootlessMissing() },
];

const of = (hub: RecordingHub, source: string): LogEntry[] => hub.entries.filter((entry) => entry.source === source);
const messages = (hub: RecordingHub, source: string): string[] => of(hub, source).map(({ message }) => message);
type Death = Extract<AgentEvent, { type: "container.died" }>;
const deaths = (hub: RecordingHub): Death[] =>
  hub.events.filter((event): event is Death & { seq: number } => event.type === "container.died");

for (const { name, rootless, missing } of ways) {
  describe.skipIf(missing !== undefined)(`Podman ${name}${missing === undefined ? "" : `: ${missing}`}`, () => {
    let engine: TestPodman;
    let folder: Folder;
    beforeAll(async () => {
      engine = await startPodman({ rootless });
      folder = temporaryFolder();
    }, seconds);
    afterAll(async () => {
      await engine?.[Symbol.asyncDispose]();
      await folder?.[Symbol.asyncDispose]();
    }, seconds);

    const run = (container: string, command: string, ...flags: readonly string[]): Promise<string> =>
      engine.podman("run", "--detach", "--network=none", `--name=${container}`, ...flags, image, "sh", "-c", command);

    async function agentIn(place: string, hub: RecordingHub) {
      const agent = await startAgent(
        { ...folder, path: folder.at(place), at: (...parts) => folder.at(place, ...parts) },
        {
          ORION_DOCKER_SOCKET: engine.socket,
          ORION_ENDPOINT: hub.url,
          ORION_AGENT_TOKEN: "oat_test",
          ORION_SERVER_ID: "server",
        },
      );
      const status = async () => statusAnswer.parse((await agent.ask({ cmd: "status" })).data);
      await until(async () => (await status()).docker.available, "the engine");
      return Object.assign(agent, { status });
    }

    test(
      "has its containers' lines read: streams told apart, terminals, long lines joined, no timestamp left in them",
      async () => {
        await using hub = startRecordingHub();
        await using _agent = await agentIn("kinds", hub);
        const long = "head -c 40000 /dev/zero | tr '\\000' x; echo; echo end";
        await run("frames", `echo out; ${long}; echo err >&2`);
        await run("terminal", "echo out; echo more; echo end", "--tty");
        await run("labelled", "echo under another name", "--label=orion.name=odoo");
        await run("secret", "echo hidden", "--label=orion.logs=false");
        await until(() => of(hub, "frames").length === 4, "the lines of frames");
        expect(messages(hub, "frames").filter((line) => line !== "err")).toEqual(["out", "x".repeat(40_000), "end"]);
        await until(() => of(hub, "terminal").length === 3, "the lines of terminal");
        expect(messages(hub, "terminal")).toEqual(["out", "more", "end"]);
        await until(() => of(hub, "odoo").length > 0, "the line under another name");
        const streams = of(hub, "frames").map(({ message, fields }) => [message === "err", fields?.["stream"]]);
        expect(streams.filter(([isErr, stream]) => isErr !== (stream === "stderr"))).toEqual([]);
        expect(messages(hub, "odoo")).toEqual(["under another name"]);
        await until(() => deaths(hub).length === 4, "four ends");
        expect(of(hub, "secret")).toEqual([]);
      },
      seconds,
    );

    test(
      "has the deaths of its containers told, with their last lines, and removed ones forgotten",
      async () => {
        await using hub = startRecordingHub();
        await using agent = await agentIn("deaths", hub);
        await run("brief", "seq 1 50; exit 3");
        await run("orderly", "echo bye");
        await run("asked", "echo waits; exec sleep 600", "--stop-timeout=0");
        await run("shot", "echo falls; exec sleep 600");
        for (const source of ["asked", "shot"]) await until(() => of(hub, source).length > 0, `the line of ${source}`);
        await engine.podman("stop", "asked");
        process.kill(Number(await engine.podman("inspect", "--format", "{{.State.Pid}}", "shot")), "SIGKILL");
        await until(() => deaths(hub).length === 4, "four deaths", 30_000);
        const told = deaths(hub).map(({ container, cause, exitCode, tail }) => [
          container,
          { cause, exitCode, tail: tail.slice(-1) },
        ]);
        expect(Object.fromEntries(told)).toEqual({
          brief: { cause: "failed", exitCode: 3, tail: ["50"] },
          orderly: { cause: "exited", exitCode: 0, tail: ["bye"] },
          // Podman does not always say that it was asked to stop it
          asked: { cause: expect.stringMatching(/^(stopped|killed)$/), exitCode: 137, tail: ["waits"] },
          shot: { cause: "killed", exitCode: 137, tail: ["falls"] },
        });
        expect(messages(hub, "brief")).toEqual(Array.from({ length: 50 }, (_, i) => String(i + 1)));
        await engine.podman("rm", "brief");
        const names = async () => (await agent.status()).containers.map((container) => container.name);
        await until(async () => !(await names()).includes("brief"), "its removal noticed");
        expect(await names()).toContain("orderly");
      },
      seconds,
    );

    test(
      "has its containers' figures and health shown",
      async () => {
        await using hub = startRecordingHub();
        await using agent = await agentIn("figures", hub);
        const check = ["--health-cmd=exit 1", "--health-interval=disable", "--health-retries=1"];
        await run("spins", "while :; do :; done", ...check);
        const figures = async () => (await agent.status()).containers.find((container) => container.name === "spins");
        await until(async () => (await figures())?.state === "running", "the container");
        // without root and with cgroups of version 1 Podman itself has no figures
        if (!rootless) {
          await until(async () => ((await figures())?.cpu ?? 0) > 0, "its share");
          expect((await figures())?.memory.usage).toBeGreaterThan(0);
        }
        // systemd's timers do this where there is a systemd; it may tell of a change before the change can be seen
        await until(async () => {
          await engine.podman("healthcheck", "run", "spins").catch(() => "it fails, as it should");
          return hub.events.find(({ type }) => type === "container.unhealthy");
        }, "the news of its health");
        expect((await figures())?.health).toBe("unhealthy");
        await engine.podman("rm", "--force", "--time=0", "spins");
      },
      seconds,
    );

    test(
      "has each line shipped once and in order while the agent and the engine's service are killed",
      async () => {
        await using hub = startRecordingHub();
        const lines = 600;
        const names = ["steady-0", "steady-1", "steady-2"];
        const total = names.length * lines * 2;
        {
          await using first = await agentIn("kills", hub);
          const counts = `i=1; while [ $i -le ${lines} ]; do echo "$i"; echo "e$i" >&2; i=$((i+1)); usleep 10000; done`;
          for (const source of names) await run(source, counts);
          await until(() => of(hub, "steady-2").length > 100, "a beginning");
          first.kill("SIGKILL");
          await first.exited;
        }
        {
          await using second = await agentIn("kills", hub);
          const so = hub.entries.length;
          await until(() => hub.entries.length > so + 100, "more");
          await engine.end("SIGKILL");
          await until(async () => (await second.status()).docker.error !== null, "its end noticed");
          await engine.start();
          await until(async () => (await second.status()).docker.available, "the engine again", 30_000);
          second.kill("SIGKILL");
          await second.exited;
        }
        await using _third = await agentIn("kills", hub);
        const came = () => names.reduce((sum, source) => sum + of(hub, source).length, 0);
        await until(() => came() >= total, "everything", 40_000);
        const wanted = Array.from({ length: lines }, (_, i) => String(i + 1));
        for (const source of names) {
          const got = messages(hub, source);
          expect(got.filter((line) => !line.startsWith("e"))).toEqual(wanted);
          expect(got.filter((line) => line.startsWith("e"))).toEqual(wanted.map((line) => `e${line}`));
        }
      },
      2 * seconds,
    );
  });
}
