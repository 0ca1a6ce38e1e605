import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import type { Credentials } from "#src/protocol/api.ts";
import { alive, until } from "#test/kit/wait.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { type Program, startProgram } from "#test/kit/program.ts";

import { main, orion } from "./orion.ts";

type Up = {
  readonly program: Program;
  /** Asks the hub with the trial's API key. */
  readonly get: (path: string) => Promise<Response>;
  readonly credentials: Credentials;
  readonly url: string;
  readonly pid: number;
  readonly dir: string;
  readonly serverId: string;
};

async function startUp(folder: Folder, ...words: string[]): Promise<Up> {
  const program = startProgram(
    [process.execPath, main, "up", "--dir", folder.at("trial"), "--port", "0", "--json", ...words],
    {
      env: { HOME: folder.path },
    },
  );
  let ended = false;
  void program.exited.then(() => (ended = true));
  const line = await until(() => {
    if (ended) throw new Error(`orion up ended: ${program.output()}`);
    return program
      .output()
      .split("\n")
      .find((text) => text.startsWith("{"));
  }, "the first line of orion up");
  const told = JSON.parse(line) as Omit<Up, "program" | "get" | "credentials">;
  const credentials = JSON.parse(readFileSync(`${told.dir}/credentials.json`, "utf8")) as Credentials;
  const headers = { authorization: `Bearer ${credentials.apiKey}` };
  return { program, credentials, get: (path) => fetch(told.url + path, { headers }), ...told };
}

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe("orion up", () => {
  test("shows this machine's real metrics, runs the demo, and ends with 0 on Ctrl-C with nothing left running", async () => {
    await using folder = temporaryFolder("orion-up-");
    const { program, url, pid, dir, serverId, get, credentials } = await startUp(folder, "--demo");
    await using _ = program;
    expect(pid).toBe(program.pid);

    const server = await until(async () => {
      const { servers } = (await (await get("/api/servers")).json()) as {
        servers: {
          id: string;
          latest: { system: { cpu: { usage: number | null }; network: { rxRate: number | null } } } | null;
          agent: { status: string };
        }[];
      };
      const [first] = servers;
      return typeof first?.latest?.system.cpu.usage === "number" &&
        typeof first.latest.system.network.rxRate === "number"
        ? first
        : undefined;
    }, "a heartbeat with shares and rates");
    expect([server.id, server.agent.status]).toEqual([serverId, "connected"]);
    await until(async () => (await (await get("/api/logs?q=request")).text()).includes("demo"), "the demo's lines");

    for (const path of ["", "/etc", "/run", "/log", "/data"]) expect(modeOf(`${dir}${path}`)).toBe("700");
    for (const path of ["/credentials.json", "/etc/config.json"]) expect(modeOf(`${dir}${path}`)).toBe("600");
    expect(credentials).toEqual({
      url,
      email: "admin@localhost",
      password: expect.stringMatching(/^[\w-]{20}$/),
      apiKey: expect.stringMatching(/^oak_/),
      sourceToken: expect.stringMatching(/^ost_/),
    });
    const { email, password } = credentials;
    const signIn = await fetch(`${url}/api/auth/sign-in`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email, password }),
    });
    expect(await signIn.json()).toEqual({ twoFactor: false });
    const sent = await fetch(`${url}/api/logs`, {
      method: "POST",
      headers: { authorization: `Bearer ${credentials.sourceToken}` },
      body: JSON.stringify({ message: "sent by hand" }),
    });
    expect(sent.status).toBe(202);
    const found = await orion(["--dir", dir, "logs", "--hub", "--grep", "by hand", "--json"]);
    expect((JSON.parse(found.out) as { entries: { message: string }[] }).entries.map(({ message }) => message)).toEqual(
      ["sent by hand"],
    );
    expect((await orion(["--dir", dir, "doctor"])).code).toBe(0);

    const list = JSON.parse((await orion(["--dir", dir, "script", "list", "--json"])).out) as {
      scripts: { status: { pid: number } }[];
    };
    const demo = list.scripts[0]?.status.pid ?? 0;
    expect(await alive(demo)).toBe(true);

    const second = await orion(["up", "--dir", dir, "--port", "0"]);
    expect(second).toEqual({
      code: 1,
      out: "",
      err: `orion: orion up already runs in ${dir} (pid ${pid}). Stop it first, or choose another folder with --dir\n`,
    });

    const taken = await orion(["up", "--dir", folder.at("other"), "--port", new URL(url).port]);
    expect([taken.code, taken.out]).toEqual([1, ""]);
    expect(taken.err).toContain("choose another port with --port");

    program.kill("SIGINT");
    expect(await program.exited).toBe(0);
    expect(await alive(demo)).toBe(false);
  }, 30_000);

  test("comes back in the same folder as the same server, with what it had", async () => {
    await using folder = temporaryFolder("orion-up-");
    const first = await startUp(folder);
    await using _ = first.program;
    await orion(["--dir", first.dir, "log", "info", "kept from before"]);
    await until(
      async () => (await (await first.get("/api/logs?q=kept")).text()).includes("kept from before"),
      "the entry",
    );
    first.program.kill("SIGTERM");
    expect(await first.program.exited).toBe(0);
    const again = await startUp(folder);
    await using __ = again.program;
    expect(again.serverId).toBe(first.serverId);
    expect(await (await again.get("/api/logs?q=kept")).text()).toContain("kept from before");
    expect(again.credentials).toEqual({ ...first.credentials, url: again.url });
  }, 30_000);

  test("lives below the home folder when nobody says where", async () => {
    await using folder = temporaryFolder("orion-up-");
    const program = startProgram([process.execPath, main, "up", "--port", "0"], {
      env: {
        HOME: folder.path,
        ORION_ENDPOINT: "https://not-this.invalid",
        ORION_AGENT_TOKEN: "x",
        ORION_SERVER_ID: "y",
      },
    });
    await using _ = program;
    await until(() => program.output().includes("Ctrl-C stops it."), "the welcome");
    expect(existsSync(folder.at(".local/share/orion/credentials.json"))).toBe(true);
    expect(program.output()).toContain("Dashboard  http://127.0.0.1:");
    const { out } = await orion(["--dir", folder.at(".local/share/orion"), "status", "--json"]);
    expect((JSON.parse(out) as { delivery: { endpoint: string } }).delivery.endpoint).toStartWith("http://127.0.0.1:");
  }, 30_000);

  test("refuses a folder whose socket path would be too long", async () => {
    const run = await orion(["up", "--dir", `/tmp/${"x".repeat(120)}`]);
    expect([run.code, existsSync(`/tmp/${"x".repeat(120)}`)]).toEqual([2, false]);
    expect(run.err).toContain("its socket's path would be 140 bytes, and Unix sockets allow 107");
  });

  test("refuses the folder of an agent of another hub, and leaves its config alone", async () => {
    await using folder = temporaryFolder("orion-up-");
    mkdirSync(folder.at("etc"), { mode: 0o700 });
    const config = '{"apiUrl":"https://hub.example","token":"t","serverId":"s"}';
    writeFileSync(folder.at("etc", "config.json"), config, { mode: 0o600 });
    const run = await orion(["up", "--dir", folder.path, "--port", "0"]);
    expect([run.code, run.out]).toEqual([1, ""]);
    expect(run.err).toContain(`${folder.path}/etc/config.json belongs to an agent of https://hub.example`);
    expect(readFileSync(folder.at("etc", "config.json"), "utf8")).toBe(config);
  });

  test("does not overwrite a config file that it can't understand", async () => {
    await using folder = temporaryFolder("orion-up-");
    mkdirSync(folder.at("etc"), { mode: 0o700 });
    writeFileSync(folder.at("etc", "config.json"), "{\n oops", { mode: 0o600 });
    const run = await orion(["up", "--dir", folder.path, "--port", "0"]);
    expect(run.code).toBe(1);
    expect(run.err).toContain("config.json can't be understood: line 2: ");
    expect(readFileSync(folder.at("etc", "config.json"), "utf8")).toBe("{\n oops");
  });
});

describe("the foreground", () => {
  test("orion hub serves until it is stopped", async () => {
    await using folder = temporaryFolder();
    const program = startProgram([
      process.execPath,
      main,
      "hub",
      "--port",
      "0",
      "--data-dir",
      folder.at("hub"),
      "--json",
    ]);
    await using _ = program;
    const line = await until(
      () =>
        program
          .output()
          .split("\n")
          .find((text) => text.startsWith("{")),
      "the hub's address",
    );
    const { url } = JSON.parse(line) as { url: string };
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    program.kill("SIGTERM");
    expect(await program.exited).toBe(0);
  });

  test("orion hub refuses settings that can't be", async () => {
    const run = await orion(["hub", "--port", "99999"]);
    expect(run.code).toBe(1);
    expect(run.err).toContain("port");
  });

  test("orion agent serves its socket until it is stopped", async () => {
    await using folder = temporaryFolder();
    const program = startProgram([process.execPath, main, "--dir", folder.path, "agent"]);
    await using _ = program;
    await until(async () => (await orion(["--dir", folder.path, "status"])).code === 0, "the daemon");
    expect((await orion(["--dir", folder.path, "log", "info", "hello"])).code).toBe(0);
    expect((await orion(["--dir", folder.path, "logs", "--grep", "hello"])).out).toContain("hello");
    program.kill("SIGTERM");
    expect(await program.exited).toBe(0);
  });
});
