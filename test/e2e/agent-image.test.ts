/** The agent as its own image: built of nothing, run as UID 1000 with the flags of docs/containers.md, nothing else. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, renameSync, statfsSync, writeFileSync } from "node:fs";
import { cpus, hostname } from "node:os";

import { statusAnswer } from "#src/protocol/ipc.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { type TestHub, startTestHub } from "#test/kit/hub.ts";
import { until } from "#test/kit/wait.ts";

import { buildImage, docker, flags, gateway, imageMissing, newName, run, tryDocker } from "./kit/image.ts";

const missing = imageMissing();
const seconds = 60_000;
const busybox = "/bin/busybox";

const connected = (hub: TestHub): readonly string[] => [
  `--env=OCORE_ENDPOINT=${hub.url}/`,
  "--env=OCORE_AGENT_TOKEN=oat_test",
  "--env=OCORE_SERVER_ID=9f0c",
];

/** Bytes of the host's real interfaces, as its own /proc says. */
function hostTraffic(): { rx: number; tx: number } {
  const rows = readFileSync("/proc/1/net/dev", "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, name = "", rest = ""] = /^\s*([^:\s]+):\s*(.*)$/.exec(line) ?? [];
      return name === "" ? [] : [{ name, fields: rest.split(/\s+/).map(Number) }];
    });
  const real = rows.filter(({ name }) => existsSync(`/sys/class/net/${name}/device`));
  // a machine without hardware of its own, such as a container that has an engine in it
  const named = rows.filter(({ name }) => !/^(lo$|veth|docker|br-|ifb|dummy|virbr)/.test(name));
  const chosen = real.length > 0 ? real : named;
  const sum = (field: number): number => chosen.reduce((all, { fields }) => all + (fields[field] ?? 0), 0);
  return { rx: sum(0), tx: sum(8) };
}

describe.skipIf(missing !== undefined)(`the agent's image${missing === undefined ? "" : `: ${missing}`}`, () => {
  let image: Awaited<ReturnType<typeof buildImage>>;
  let here: string;
  beforeAll(async () => {
    image = await buildImage();
    here = await gateway();
  }, 2 * seconds);
  afterAll(async () => {
    await image?.[Symbol.asyncDispose]();
  }, seconds);

  test(
    "holds the binary, its libraries and two lists of names; no shell",
    async () => {
      const name = newName();
      await docker("create", "--name", name, image.tag);
      try {
        const child = Bun.spawn(["sh", "-c", `docker export ${name} | tar -t`], { stdout: "pipe", stderr: "pipe" });
        const listed = (await new Response(child.stdout).text()).split("\n");
        // what the engine itself lays into every container
        const laid = /^(\.dockerenv|dev\/.*|proc\/|sys\/|etc\/(hostname|hosts|mtab|resolv\.conf))$/;
        const files = listed.filter((path) => path !== "" && !path.endsWith("/") && !laid.test(path));
        const libraries = files.filter((path) => /^(usr\/)?lib.*\.so(\.\d+)*$/.test(path));
        expect(files.filter((path) => !libraries.includes(path)).toSorted()).toEqual([
          "etc/group",
          "etc/passwd",
          "usr/local/bin/orion",
        ]);
        expect(libraries.length).toBeGreaterThan(0);
      } finally {
        await docker("rm", "--force", "--volumes", name);
      }
    },
    seconds,
  );

  test(
    "shows the host's figures as UID 1000 on a read-only root, and not its own log",
    async () => {
      await using hub = startTestHub("oat_test", here);
      const before = hostTraffic();
      await using agent = await run(image.tag, ...flags(), ...connected(hub));
      const last = await until(() => hub.heartbeats.at(-1), "a heartbeat");
      const after = hostTraffic();
      expect(last.agent).toMatch(/^ocore-agent\/\d+\.\d+\.\d+/);

      const { system, containers } = last.beat;
      expect(last.beat.hostname).toBe(hostname());
      expect(system.cpu.cores).toBe(cpus().length);
      const total = Number(/^MemTotal:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) * 1024;
      expect(system.memory.total).toBe(total);
      const uptime = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
      expect(Math.abs((system.uptime ?? 0) - uptime)).toBeLessThan(60);
      expect(system.network.rxBytes).toBeWithin(before.rx, after.rx + 1);
      expect(system.network.txBytes).toBeWithin(before.tx, after.tx + 1);
      const root = statfsSync(await docker("info", "--format", "{{.DockerRootDir}}"));
      expect(system.disk).toMatchObject({ path: "/", total: root.blocks * root.bsize });
      expect(system.load).toHaveLength(3);

      expect(last.beat.docker).toEqual({ available: true, error: null });
      expect(containers.find(({ name }) => name === agent.name)).toMatchObject({
        image: image.tag,
        state: "running",
      });
      const ids = (await docker("top", agent.name, "-o", "pid,uid,gid,args")).split("\n").slice(1);
      expect(ids.map((line) => line.trim().split(/\s+/).slice(1).join(" "))).toEqual([
        "1000 1000 /usr/local/bin/orion agent",
      ]);

      // another container's lines come, and those of the agent itself, which were there before, don't
      const other = newName();
      await docker("run", "--name", other, image.tag, "--version");
      await until(() => hub.entries.find(({ source }) => source === other), "a line of another container");
      expect(await agent.said()).toContain("watching containers of the engine");
      expect(hub.entries.filter(({ source }) => source === agent.name)).toEqual([]);
      const died = () => hub.events.filter(({ type, container }) => type === "container.died" && container === other);
      await until(() => died().length > 0, "the news of its end");
      expect(died()).toMatchObject([{ cause: "exited", exitCode: 0 }]);
      await docker("rm", other);
    },
    seconds,
  );

  test(
    "has another file system reported when it is told which",
    async () => {
      await using hub = startTestHub("oat_test", here);
      await using folder = temporaryFolder();
      await using _agent = await run(
        image.tag,
        ...flags(),
        ...connected(hub),
        `--volume=${folder.path}:/host/disk:ro`,
        "--env=OCORE_DISK_PATH=/host/disk",
      );
      const { beat } = await until(() => hub.heartbeats.at(-1), "a heartbeat");
      const { blocks, bsize } = statfsSync(folder.path);
      expect(beat.system.disk).toMatchObject({ path: "/host/disk", total: blocks * bsize });
    },
    seconds,
  );

  test(
    "goes on without the engine when nobody let it into the socket's group, and says so",
    async () => {
      await using hub = startTestHub("oat_test", here);
      const without = flags().filter((flag) => !flag.startsWith("--group-add"));
      await using agent = await run(image.tag, ...without, ...connected(hub));
      const { beat } = await until(() => hub.heartbeats.at(-1), "a heartbeat");
      expect(beat.system.memory.total).toBeGreaterThan(0);
      expect(beat.docker.available).toBe(false);
      expect(beat.docker.error).toContain("/var/run/docker.sock");
      expect(beat.docker.error).toContain("--group-add");
      const { code, stdout } = await agent.orion("doctor", "--json");
      expect(code).toBe(0);
      const { findings } = JSON.parse(stdout) as { findings: { check: string; result: string; todo: string }[] };
      const found = findings.filter(({ check }) => check === "docker");
      expect(found.map(({ result }) => result)).toEqual(["warn"]);
      expect(found[0]?.todo).toContain("--group-add");
    },
    seconds,
  );

  test(
    "ends cleanly and at once when it is stopped, and has left no zombie of what was adopted",
    async () => {
      await using hub = startTestHub("oat_test", here);
      const shell = existsSync(busybox) ? [`--volume=${busybox}:/bin/sh:ro`, `--volume=${busybox}:${busybox}:ro`] : [];
      await using agent = await run(image.tag, ...flags(), ...connected(hub), ...shell);
      await until(() => hub.heartbeats.at(-1), "a heartbeat");
      if (shell.length > 0) {
        // its parent ends before it does: process 1 of the container inherits it
        await docker("exec", agent.name, "/bin/sh", "-c", "/bin/sh -c '/bin/busybox sleep 0.2 & exit'; exit");
        await until(
          async () => (await docker("top", agent.name, "-o", "pid,stat,args")).split("\n").length === 2,
          "the orphan's end",
        );
      }
      const begun = performance.now();
      await docker("stop", "--time=10", agent.name);
      // 10 s later the engine would have killed it, with 137
      expect(performance.now() - begun).toBeLessThan(9000);
      expect(await agent.state("{{.State.ExitCode}} {{.RestartCount}}")).toBe("0 0");
      expect(await agent.said()).toContain("SIGTERM: stopping");
      expect(hub.events.map(({ type }) => type)).toContain("agent.stopped");
    },
    seconds,
  );

  test(
    "stays up with a token that is refused, keeps what it reads, and goes on with a new one from its file",
    async () => {
      await using hub = startTestHub("oat_new", here);
      await using folder = temporaryFolder();
      chmodSync(folder.path, 0o755);
      writeFileSync(folder.at("token"), "oat_old\n");
      await using agent = await run(
        image.tag,
        ...flags(),
        ...connected(hub).filter((flag) => !flag.includes("AGENT_TOKEN")),
        `--volume=${folder.path}:/run/secrets/orion:ro`,
        "--env=OCORE_AGENT_TOKEN_FILE=/run/secrets/orion/token",
      );
      const said = async (): Promise<string[]> =>
        (await agent.said()).split("\n").filter((line) => / error .*401/.test(line));
      await until(async () => (await said()).length > 0, "its word of the refusal");
      const status = async () =>
        statusAnswer.parse(JSON.parse((await agent.orion("status", "--json")).stdout || "null"));
      await until(async () => (await status()).docker.available, "the engine");
      const other = newName();
      await docker("run", "--name", other, image.tag, "--version");
      await until(async () => (await agent.orion("logs", other)).stdout.trim() !== "", "the line that is kept");
      const { delivery } = await status();
      expect(delivery.state).toBe("refused");
      expect(delivery.ledger.buffered).toBeGreaterThan(0);
      expect(hub.entries).toEqual([]);
      expect(await said()).toHaveLength(1);

      // as orchestrators do: a new file in the place of the old one
      writeFileSync(folder.at("token.new"), "oat_new\n");
      renameSync(folder.at("token.new"), folder.at("token"));
      await until(() => hub.entries.find(({ source }) => source === other), "the line that was kept", 30_000);
      await until(() => hub.heartbeats.at(-1), "a heartbeat");
      expect(await agent.state("{{.RestartCount}} {{.State.Running}}")).toBe("0 true");
      await docker("rm", other);
    },
    seconds,
  );

  const wrong: readonly (readonly [name: string, value: string, reason: string])[] = [
    ["OCORE_PUSH_INTERVAL", "5", "must be between 10 and 300 seconds"],
    ["ORION_PUSH_INTERVAL", "soon", "must be"],
    ["OCORE_LOG_LEVEL", "loud", "must be one of debug, info, warn, error"],
    ["OCORE_LOG_STREAM_ENABLED", "maybe", "must be true or false"],
    ["OCORE_ENDPOINT", "hub", "must be an http:// or https:// URL"],
  ];
  test(
    "names the variable that is wrong, and why",
    async () => {
      for (const [name, value, reason] of wrong) {
        const { code, stdout, stderr } = await tryDocker("run", "--rm", `--env=${name}=${value}`, image.tag);
        expect({ name, code, stdout, line: stderr.split("\n").length - 1 }).toEqual({
          name,
          code: 1,
          stdout: "",
          line: 1,
        });
        expect(stderr).toStartWith(`orion: ${name}: ${reason}`);
      }
    },
    seconds,
  );

  test(
    "writes nowhere but to its volume, which the next container goes on with",
    async () => {
      const volume = newName();
      try {
        {
          await using first = await run(image.tag, `--volume=${volume}:/var/lib/orion`);
          await until(async () => (await first.orion("log", "info", "kept")).code === 0, "its socket");
          // the engine's own mount points are all that differs from the image
          const changed = (await docker("diff", first.name)).split("\n").filter((line) => line !== "");
          expect(changed).toEqual([]);
          await docker("stop", first.name);
        }
        await using hub = startTestHub("oat_test", here);
        await using _second = await run(image.tag, ...flags(), ...connected(hub), `--volume=${volume}:/var/lib/orion`);
        await until(() => hub.entries.find(({ message }) => message === "kept"), "what the first one kept");
      } finally {
        await tryDocker("volume", "rm", "--force", volume);
      }
    },
    seconds,
  );
});
