import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";

import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { main, orion } from "../orion.ts";
import { keys, sitDown } from "../typist.ts";
import { answerInBrowser, inventory, signInAtTerminal, temporaryHost, untouched } from "./rig.ts";

const here = hostname();
const isRoot = process.getuid?.() === 0;

/** A key that may do everything, and an enrolment token. */
async function tokens(hub: TestHub) {
  const { operator } = hub.hub;
  const key = await operator.createKey({ name: "test", scopes: ["view:servers", "manage:servers"] });
  const enrolment = await operator.createEnrolment({ maxUses: 5 });
  return { key: key.token, enrolment: enrolment.token };
}

// each has a hub and a host of its own, and most wait for the five seconds between two polls
describe.concurrent("orion setup --server at a terminal", () => {
  test("signs in by a browser, makes the project, registers, writes the config, and ends its session", async () => {
    await using hub = await startHub();
    await using host = temporaryHost();
    await using person = sitDown(["--dir", host.path, "setup", "--server"]);
    await signInAtTerminal(person, hub);
    await person.sees("Project");
    person.types(keys.down);
    person.types(keys.enter);
    await person.sees("Name of the new project");
    person.types(`DEFAULT${keys.enter}`);
    await person.sees("That is taken");
    await person.sees("DEFAULT");
    person.types(`${"\u007f".repeat(7)}shop${keys.enter}`);
    await person.sees("Name of this server");
    person.types(`-1${keys.enter}`);
    await person.sees(`${here}-1 is registered at ${hub.url}`);
    await person.sees(`Start the agent: orion --dir ${host.path} agent`);
    expect(await person.exited).toBe(0);
    expect(person.raw().lastIndexOf("\u001b[?25h")).toBeGreaterThan(person.raw().lastIndexOf("\u001b[?25l"));

    expect(await inventory(hub)).toEqual({
      ...untouched,
      servers: [`${here}-1`],
      projects: ["default", "shop"],
    });
    const config = host.config();
    expect(config).toEqual({
      apiUrl: hub.url,
      token: expect.stringMatching(/^oat_/),
      serverId: expect.any(String),
      project: "shop",
    });
    expect((statSync(host.at("etc/config.json")).mode & 0o777).toString(8)).toBe("600");
    const beat = await fetch(`${hub.url}/api/v1/agent/logs`, {
      method: "POST",
      headers: { authorization: `Bearer ${String(config?.["token"])}`, "x-server-id": String(config?.["serverId"]) },
    });
    expect(beat.status).toBe(202);
  }, 40_000);

  test("says at the address what is wrong with it, and asks again", async () => {
    await using hub = await startHub();
    await using host = temporaryHost();
    await using person = sitDown(["--dir", host.path, "setup", "--server"]);
    const clear = "\u0015";
    await person.sees("Address of the hub");
    person.types(`http://127.0.0.1:1${keys.enter}`);
    await person.sees("nothing listens on port 1 of 127.0.0.1");
    await person.sees("Address of the hub");
    person.types(`${clear}two words${keys.enter}`);
    await person.sees("That is no address");
    await person.sees("Address of the hub");
    person.types(`${clear}${hub.url}/${keys.enter}`);
    await person.sees(`How do you sign in to ${hub.url}?`);
    person.types(`${keys.down}${keys.enter}`);
    await person.sees("Token");
    person.types(`oat_wrong${keys.enter}`);
    await person.sees("That is a server's agent token");
    await person.sees("Token");
    person.types(`${(await tokens(hub)).key}${keys.enter}`);
    await person.sees("Project");
    expect(person.screen()).not.toContain("oak_");
    person.types(keys.ctrlC);
    expect(await person.exited).toBe(130);
    expect(await inventory(hub)).toEqual(untouched);
  }, 40_000);

  test("a sign-in that is denied in the browser ends it with 4", async () => {
    await using hub = await startHub();
    await using host = temporaryHost();
    await using person = sitDown(["--dir", host.path, "setup", "--server", "--api-url", hub.url]);
    await person.sees("How do you sign in");
    person.types(keys.enter);
    await answerInBrowser(person, hub, "deny");
    await person.sees("the sign-in was denied in the browser");
    expect(await person.exited).toBe(4);
    expect([await inventory(hub), host.files()]).toEqual([untouched, []]);
  }, 40_000);

  const stops: readonly (readonly [string, (typist: ReturnType<typeof sitDown>, hub: TestHub) => Promise<void>])[] = [
    ["the address", async (person) => void (await person.sees("Address of the hub"))],
    [
      "the way to sign in",
      async (person, hub) => {
        await person.sees("Address of the hub");
        person.types(`${hub.url}${keys.enter}`);
        await person.sees("How do you sign in");
      },
    ],
    [
      "the waiting for the browser",
      async (person, hub) => {
        await person.sees("Address of the hub");
        person.types(`${hub.url}${keys.enter}`);
        await person.sees("How do you sign in");
        person.types(keys.enter);
        await person.sees("Check that it shows the code");
      },
    ],
    [
      "the project",
      async (person, hub) => {
        await signInAtTerminal(person, hub);
        await person.sees("Project");
      },
    ],
    [
      "the new project's name",
      async (person, hub) => {
        await signInAtTerminal(person, hub);
        await person.sees("Project");
        person.types(`${keys.down}${keys.enter}`);
        await person.sees("Name of the new project");
      },
    ],
    [
      "the server's name, with a new project chosen",
      async (person, hub) => {
        await signInAtTerminal(person, hub);
        await person.sees("Project");
        person.types(`${keys.down}${keys.enter}`);
        await person.sees("Name of the new project");
        person.types(`shop${keys.enter}`);
        await person.sees("Name of this server");
      },
    ],
  ];
  for (const [where, walk] of stops) {
    test(`Ctrl-C at ${where} leaves nothing behind`, async () => {
      await using hub = await startHub();
      await using host = temporaryHost();
      await using person = sitDown(["--dir", host.path, "setup", "--server"]);
      await walk(person, hub);
      person.types(keys.ctrlC);
      expect(await person.exited).toBe(130);
      expect(person.screen()).toContain("orion: given up");
      expect(person.raw().lastIndexOf("\u001b[?25h")).toBeGreaterThan(person.raw().lastIndexOf("\u001b[?25l"));
      expect([await inventory(hub), host.files()]).toEqual([untouched, []]);
    }, 40_000);
  }

  for (const [what, give] of [
    ["Ctrl-D", (person: ReturnType<typeof sitDown>) => person.types(keys.ctrlD)],
    ["SIGTERM", (person: ReturnType<typeof sitDown>) => person.kill("SIGTERM")],
    ["the end of the terminal", (person: ReturnType<typeof sitDown>) => person.kill("SIGHUP")],
  ] as const) {
    test(`${what} at a question does the same`, async () => {
      await using hub = await startHub();
      await using host = temporaryHost();
      await using person = sitDown(["--dir", host.path, "setup", "--server"]);
      await signInAtTerminal(person, hub);
      await person.sees("Project");
      give(person);
      expect(await person.exited).toBe(130);
      expect([await inventory(hub), host.files()]).toEqual([untouched, []]);
    }, 40_000);
  }

  test("asks before it takes the place of another machine that reports under this name", async () => {
    await using hub = await startHub();
    await using host = temporaryHost();
    const { key } = await tokens(hub);
    const owner = await hub.owner();
    const other = await owner.send("POST", "/api/servers", { hostname: "web-1", machine: "a".repeat(32) });
    const { id, token } = (await other.json()) as { id: string; token: string };
    await fetch(`${hub.url}/api/v1/agent/heartbeat`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "x-server-id": id, "user-agent": "orion-agent/1.0.0" },
      body: JSON.stringify((await import("#test/hub/kit/hub.ts")).heartbeat()),
    });
    const words = [
      "--dir",
      host.path,
      "setup",
      "--server",
      "--api-url",
      hub.url,
      "--token",
      key,
      "--hostname",
      "web-1",
    ];

    const unattended = await orion([...words, "--yes"]);
    expect([unattended.code, unattended.out]).toEqual([1, ""]);
    expect(unattended.err).toContain("--replace");
    expect(host.files()).toEqual([]);

    await using person = sitDown([...words, "--project", "default"]);
    await person.sees("Take its place?");
    person.types(keys.enter);
    expect(await person.exited).toBe(1);
    expect(host.files()).toEqual([]);

    await using second = sitDown([...words, "--project", "default"]);
    await second.sees("Take its place?");
    second.types(`y`);
    await second.sees("web-1 is registered");
    expect(await second.exited).toBe(0);
    expect(host.config()?.["serverId"]).toBe(id);
  }, 40_000);

  test("asks whether a machine that is known under another name was renamed, and then goes on with its history", async () => {
    await using hub = await startHub();
    await using host = temporaryHost();
    const { key } = await tokens(hub);
    const words = [
      "--dir",
      host.path,
      "setup",
      "--server",
      "--api-url",
      hub.url,
      "--token",
      key,
      "--project",
      "default",
    ];
    expect((await orion([...words, "--hostname", "old", "--yes"])).code).toBe(0);
    const id = host.config()?.["serverId"];
    await using person = sitDown([...words, "--hostname", "new"]);
    await person.sees("It is the same one under a new name");
    person.types(`${keys.down}${keys.enter}`);
    await person.sees("new is registered");
    expect(await person.exited).toBe(0);
    expect(host.config()?.["serverId"]).toBe(id);
    expect((await inventory(hub)).servers).toEqual(["new"]);

    await using given = sitDown([...words, "--hostname", "newer"]);
    await given.sees("It is the same one under a new name");
    given.types(keys.ctrlC);
    expect(await given.exited).toBe(130);
    expect((await inventory(hub)).servers).toEqual(["new"]);
  }, 40_000);
});

describe("orion setup --server without a terminal", () => {
  let hub: TestHub;
  beforeAll(async () => {
    hub = await startHub();
  });
  afterAll(async () => {
    await hub[Symbol.asyncDispose]();
  });

  test("registers with an enrolment token, and a second time as the same server", async () => {
    await using host = temporaryHost();
    const { enrolment } = await tokens(hub);
    const words = ["--dir", host.path, "setup", "--server", "--api-url", hub.url, "--token", enrolment, "--yes"];
    const first = await orion([...words, "--json"]);
    expect([first.code, first.err]).toEqual([0, `Start the agent: orion --dir ${host.path} agent\n`]);
    const told = JSON.parse(first.out) as Record<string, unknown>;
    expect(told).toMatchObject({ hostname: here, url: hub.url, running: false, connected: false, notices: [] });
    const before = host.config();
    const again = await orion(words);
    expect(again.code).toBe(0);
    expect(host.config()).toEqual({ ...before, token: expect.stringMatching(/^oat_/) });
    expect(host.config()?.["token"]).not.toBe(before?.["token"]);
  });

  test("keeps the other keys of the config, known or not", async () => {
    await using host = temporaryHost();
    const { key } = await tokens(hub);
    mkdirSync(host.at("etc"), { mode: 0o700 });
    const before = { heartbeatInterval: 15, mine: { a: [1] }, apiUrl: "https://old.example", caFile: "/old.pem" };
    writeFileSync(host.at("etc/config.json"), JSON.stringify(before), { mode: 0o600 });
    const run = await orion(
      [
        "--dir",
        host.path,
        "setup",
        "--server",
        "--api-url",
        hub.url,
        "--token",
        "-",
        "--project",
        "Default",
        "--hostname",
        "kept",
      ],
      { stdin: `${key}\n` },
    );
    expect([run.code, run.err]).toEqual([
      0,
      expect.stringContaining(`Start the agent: orion --dir ${host.path} agent\n`),
    ]);
    expect(host.config()).toEqual({
      heartbeatInterval: 15,
      mine: { a: [1] },
      apiUrl: hub.url,
      token: expect.any(String),
      serverId: expect.any(String),
      project: "default",
    });
  });

  test("names the flag of an answer that is missing", async () => {
    await using host = temporaryHost();
    const { key, enrolment } = await tokens(hub);
    const setup = ["--dir", host.path, "setup", "--server"];
    const rows: readonly [readonly string[], string][] = [
      [[], "--api-url is missing, and there is no terminal to ask on. Give --api-url"],
      [["--api-url", hub.url], "--token is missing, and there is no terminal to ask on. Give --token"],
      [
        ["--api-url", hub.url, "--token", key],
        '--project is missing, and there is no terminal to ask on. Give --project, or --yes to take "default"',
      ],
      [["--api-url", hub.url, "--token", "oat_x"], "this token is a server's agent token"],
      [["--api-url", hub.url, "--token", enrolment, "--project", "x"], "an enrolment token belongs to one project"],
      [["--api-url", "ftp://x"], '--api-url can\'t be "ftp://x": it is no https:// address'],
      [["--api-url", hub.url, "--token", key, "--yes", "--hostname", "a b"], '--hostname can\'t be "a b"'],
      [["--source"], "--server and --source are two steps"],
    ];
    for (const [words, says] of rows) {
      const run = await orion([...setup, ...words]);
      expect([words, run.code, run.out]).toEqual([words, 2, ""]);
      expect(run.err).toStartWith(`orion: ${says}`);
    }
    expect(host.files()).toEqual([]);
    const neither = await orion(["setup"]);
    expect([neither.code, neither.err]).toEqual([2, expect.stringContaining("setup needs --server or --source")]);
  }, 30_000);

  test("tells a project that is not there from a typing error, and makes it with --yes", async () => {
    await using host = temporaryHost();
    const { key } = await tokens(hub);
    const words = ["--dir", host.path, "setup", "--server", "--api-url", hub.url, "--token", key];
    const wrong = await orion([...words, "--project", "defualt"]);
    expect([wrong.code, wrong.err]).toEqual([
      1,
      'orion: there is no project "defualt". Did you mean default? There are: default; --yes makes it\n',
    ]);
    expect((await orion([...words, "--project", "made", "--yes", "--hostname", "in-made"])).code).toBe(0);
    expect((await inventory(hub)).projects).toContain("made");
  });

  test("a token that is dead, a hub that is away and one without an owner end it with 4, 5 and 4", async () => {
    await using host = temporaryHost();
    await using fresh = await startHub({ untouched: true });
    const setup = ["--dir", host.path, "setup", "--server", "--yes"];
    const dead = await orion([...setup, "--api-url", hub.url, "--token", "oak_dead"]);
    expect([dead.code, dead.err]).toEqual([4, expect.stringContaining("Give a valid token with --token")]);
    const spent = await orion([...setup, "--api-url", hub.url, "--token", "oet_dead"]);
    expect(spent.code).toBe(4);
    const away = await orion([...setup, "--api-url", "http://127.0.0.1:1", "--token", "oak_x"]);
    expect([away.code, away.err]).toEqual([5, expect.stringContaining("nothing listens on port 1")]);
    const ownerless = await orion([...setup, "--api-url", fresh.url, "--token", "oak_x"]);
    expect([ownerless.code, ownerless.err]).toEqual([4, expect.stringContaining("has no owner yet")]);
    const open = await orion([...setup, "--api-url", "http://192.0.2.1", "--token", "oak_x"]);
    expect([open.code, open.err]).toEqual([1, expect.stringContaining("--insecure-http")]);
    expect(host.files()).toEqual([]);
  }, 30_000);

  test("a config file that is broken is not overwritten, and nothing is registered", async () => {
    await using host = temporaryHost();
    const { key } = await tokens(hub);
    mkdirSync(host.at("etc"), { mode: 0o700 });
    writeFileSync(host.at("etc/config.json"), "{\n oops", { mode: 0o600 });
    const before = await inventory(hub);
    const run = await orion([
      "--dir",
      host.path,
      "setup",
      "--server",
      "--api-url",
      hub.url,
      "--token",
      key,
      "--yes",
      "--hostname",
      "never",
    ]);
    expect([run.code, run.err]).toEqual([1, expect.stringContaining("config.json can't be used: line 2")]);
    expect(readFileSync(host.at("etc/config.json"), "utf8")).toBe("{\n oops");
    expect(await inventory(hub)).toEqual(before);
  });

  test.skipIf(isRoot)("without the right to write the config, it says sudo before anything is asked", async () => {
    await using host = temporaryHost();
    chmodSync(host.path, 0o500);
    const run = await orion(["--dir", host.path, "setup", "--server"]);
    chmodSync(host.path, 0o700);
    expect([run.code, run.err]).toEqual([
      1,
      `orion: this user may not write ${host.path}/etc. Run it with sudo: sudo orion setup --server\n`,
    ]);
  });

  test("an agent that runs takes the connection up by itself", async () => {
    await using host = temporaryHost();
    const { key } = await tokens(hub);
    await using agent = startProgram([process.execPath, main, "--dir", host.path, "agent"]);
    await until(async () => (await orion(["--dir", host.path, "status"])).code === 0, "the agent");
    const run = await orion([
      "--dir",
      host.path,
      "setup",
      "--server",
      "--api-url",
      hub.url,
      "--token",
      key,
      "--yes",
      "--project",
      "default",
      "--json",
    ]);
    expect([run.code, run.err]).toEqual([0, ""]);
    expect(JSON.parse(run.out)).toMatchObject({ running: true, connected: true });
    agent.kill("SIGTERM");
    expect(await agent.exited).toBe(0);
  }, 40_000);
});
