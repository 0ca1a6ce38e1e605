import { chmodSync, writeFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { type Engines, checkDocker, denied, findEngines } from "#src/cli/doctor/docker.ts";
import type { Finding } from "#src/cli/doctor/finding.ts";
import { orionBinary } from "#test/kit/binary.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

import { orion } from "./orion.ts";
import { container } from "./samples.ts";

const isRoot = process.getuid?.() === 0;
const uid = process.getuid?.() ?? 0;
const alone: Engines = { elsewhere: [], inContainer: false };

async function looked(socket: string, engines = alone, status?: Parameters<typeof checkDocker>[1], user = uid) {
  return (await checkDocker({ dockerSocket: socket }, status, user, engines)).map(
    ({ check, result, what, todo }) => `${result} ${check}: ${what}${todo === null ? "" : `. ${todo}`}`,
  );
}

/** An engine that gives this answer to everything. */
function startEngine(socket: string, answer: () => Response) {
  const server = Bun.serve({ unix: socket, fetch: answer });
  return { [Symbol.asyncDispose]: () => server.stop(true) };
}

describe("a container engine", () => {
  const answers: readonly (readonly [string, () => Response, (socket: string) => string])[] = [
    [
      "that is well is named with its version",
      () => Response.json({ Version: "20.10.24", ApiVersion: "1.41" }),
      (socket) => `ok docker: the engine at ${socket} answers: version 20.10.24, API 1.41`,
    ],
    [
      "that is too old is to be upgraded",
      () => Response.json({ Version: "1.9.1", ApiVersion: "1.21" }),
      (socket) =>
        `warn docker: the engine at ${socket} is too old: its API is 1.21, the agent needs 1.24. Upgrade it to Docker 1.12 or newer`,
    ],
    [
      "that is none is not taken for one",
      () => Response.json(null),
      (socket) =>
        `warn docker: what answers at ${socket} is no container engine. Set dockerSocket in the config file (ORION_DOCKER_SOCKET) to the engine's socket`,
    ],
    [
      "that fails is to be looked at",
      () => new Response("", { status: 500 }),
      (socket) => `warn docker: the engine at ${socket} answers 500. Look at its log: journalctl -u docker`,
    ],
  ];
  for (const [what, answer, says] of answers) {
    test(what, async () => {
      await using folder = temporaryFolder();
      const socket = folder.at("docker.sock");
      await using _engine = startEngine(socket, answer);
      expect(await looked(socket)).toEqual([says(socket)]);
    });
  }

  test("that has ended and left its socket is to be started", async () => {
    await using folder = temporaryFolder();
    const left = async (socket: string) => {
      const script = `import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])`;
      expect(Bun.spawnSync(["python3", "-c", script, socket]).exitCode).toBe(0);
      return await looked(socket);
    };
    const docker = folder.at("docker.sock");
    expect(await left(docker)).toEqual([
      `warn docker: the engine at ${docker} does not answer: nobody listens on it. Is it running? systemctl status docker`,
    ]);
    const podman = folder.at("podman.sock");
    expect(await left(podman)).toEqual([
      `warn docker: the engine at ${podman} does not answer: nobody listens on it. Is it running? systemctl status podman.socket (of a user: systemctl --user status podman.socket)`,
    ]);
  });

  test("that is not there lacks nothing, unless another one is", async () => {
    await using folder = temporaryFolder();
    const none = folder.at("none.sock");
    expect(await looked(none)).toEqual([`ok docker: no ${none}: no containers are watched here`]);
    expect(await looked(none, { ...alone, inContainer: true })).toEqual([
      `ok docker: no ${none}: no containers are watched here; to watch the host's: -v ${none}:${none}:ro`,
    ]);
    expect(await looked(none, { ...alone, elsewhere: ["/run/user/1000/podman/podman.sock"] })).toEqual([
      `warn docker: no ${none}, but an engine listens at /run/user/1000/podman/podman.sock. To watch its containers set dockerSocket in the config file (ORION_DOCKER_SOCKET) to /run/user/1000/podman/podman.sock`,
    ]);
  });

  test("of a user is found where users have theirs, and where DOCKER_HOST says", async () => {
    await using folder = temporaryFolder();
    const [own, named] = [folder.at("docker.sock"), folder.at("named.sock")];
    await using _own = startEngine(own, () => new Response());
    await using _named = startEngine(named, () => new Response());
    const found = findEngines({ uid, variables: { XDG_RUNTIME_DIR: folder.path, DOCKER_HOST: `unix://${named}` } });
    expect(found.elsewhere).toEqual(expect.arrayContaining([own, named]));
    const over = findEngines({ uid, variables: { XDG_RUNTIME_DIR: folder.path, DOCKER_HOST: "tcp://127.0.0.1:1" } });
    expect(over.elsewhere).not.toContain(named);
  });

  test("is no file", async () => {
    await using folder = temporaryFolder();
    writeFileSync(folder.at("file"), "");
    expect((await looked(folder.at("file")))[0]).toStartWith(`warn docker: ${folder.at("file")} is no socket. `);
  });

  test("that the agent watches is well, whoever asks", async () => {
    await using folder = temporaryFolder();
    const docker = { available: true, error: null };
    const containers = [container, { ...container, state: "exited" }];
    expect(await looked(folder.at("closed.sock"), alone, { docker, containers })).toEqual([
      `ok docker: the agent watches 1 running containers of the engine at ${folder.at("closed.sock")}`,
    ]);
  });

  test("that may not be used says how it may: in a container, by its group, or not without root", () => {
    const todo = (gid: number | undefined, inContainer: boolean) =>
      denied("/run/docker.sock", gid, 1000, { elsewhere: [], inContainer });
    expect(todo(990, true)).toEqual({
      check: "docker",
      result: "warn",
      what: "user 1000 may not use the engine at /run/docker.sock",
      todo: "Let the container into the socket's group: docker run --group-add 990",
    });
    expect(todo(undefined, true).todo).toEndWith('docker run --group-add "$(stat -c %g /run/docker.sock)"');
    expect(todo(990, false).todo).toBe(
      "Join its group and sign in again: sudo usermod -aG docker $USER (an agent run by root may)",
    );
    for (const gid of [0, undefined]) {
      expect(todo(gid, false).todo).toBe("Run the agent as root, or as the engine's own user");
    }
  });

  test.skipIf(!isRoot)("is told from one that is closed to this user (needs root, to be somebody else)", async () => {
    await using folder = temporaryFolder();
    const socket = folder.at("docker.sock");
    await using _engine = startEngine(socket, () => Response.json({ Version: "1", ApiVersion: "1.41" }));
    const binary = await orionBinary();
    const asNobody = async (): Promise<string | undefined> => {
      const become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", binary];
      const child = Bun.spawn([...become, "--dir", "/nonexistent", "doctor", "--json"], {
        env: { ORION_DOCKER_SOCKET: socket },
        stdout: "pipe",
        stderr: "inherit",
      });
      const { findings } = JSON.parse(await new Response(child.stdout).text()) as { findings: Finding[] };
      return findings.find(({ check }) => check === "docker")?.what;
    };
    const closed = `user 65534 may not use the engine at ${socket}`;
    expect(await asNobody()).toBe(closed);
    chmodSync(folder.path, 0o755);
    chmodSync(socket, 0o660);
    expect(await asNobody()).toBe(closed);
    chmodSync(socket, 0o666);
    expect(await asNobody()).toBe(`the engine at ${socket} answers: version 1, API 1.41`);
  });
});

test("orion doctor goes on without an engine: its trouble is to be looked at, and nothing fails for it", async () => {
  await using folder = temporaryFolder();
  const env = { ORION_DOCKER_SOCKET: folder.at("file") };
  writeFileSync(folder.at("file"), "");
  const { findings } = JSON.parse((await orion(["--dir", folder.path, "doctor", "--json"], { env })).out) as {
    findings: { check: string; result: string }[];
  };
  expect(findings.filter(({ check }) => check === "docker").map(({ result }) => result)).toEqual(["warn"]);
});
