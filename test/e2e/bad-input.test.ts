/** Bad input to a running agent: it says what is wrong, and goes on as if nothing had been. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { EventsPage } from "#src/protocol/api.ts";
import { type Client, connect } from "#test/agent/ipc/client.ts";
import { until } from "#test/kit/wait.ts";

import { createRandom } from "./kit/disturbances.ts";
import { newestNumber, readNumbers } from "./kit/lines.ts";
import { peakRssMiB } from "./kit/memory.ts";
import { type System, createSystem, isRoot, orion } from "./kit/orion.ts";

const mebibyte = 1024 * 1024;
/** On top of what the agent had before: a bound for bad input, not for its size. */
const mostMoreMiB = 64;

/** Prints a numbered line every 10 ms while all of this goes on. */
const witness = { name: "witness", command: "n=0; while :; do n=$((n + 1)); echo line $n; sleep 0.01; done" };

let system: System;
let pid: number;
let witnessPid: number | null | undefined;
let rssMiB: number;

const socket = (): string => `${system.agentDir}/run/agent.sock`;
const scriptsFile = (): string => `${system.agentDir}/etc/scripts.json`;
const configFile = (): string => `${system.agentDir}/etc/config.json`;
const pidOf = async (name: string) => (await system.status()).scripts.find((script) => script.name === name)?.pid;
const problems = async (): Promise<string[]> =>
  (await system.status()).problems.map(({ what, why, todo }) => `${what}: ${why}. ${todo}`);

beforeAll(async () => {
  system = await createSystem({ scripts: [witness] });
  await system.start();
  pid = system.agent.pid();
  witnessPid = await pidOf("witness");
  rssMiB = peakRssMiB(pid);
}, 60_000);
afterAll(() => system[Symbol.asyncDispose]());

describe("the socket", () => {
  test("answers each malformed line with a reason, and the connection lives on", async () => {
    const random = createRandom(3);
    const valid = JSON.stringify({ cmd: "log", level: "info", message: "x", source: "mutant", fields: { a: [1] } });
    const lines = Array.from({ length: 500 }, () => {
      const bytes = Buffer.from(valid);
      for (let i = 0; i < 3; i++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      return Buffer.concat([Buffer.from(bytes.filter((byte) => byte !== 10)), Buffer.from("\n")]);
    });
    await using client = await connect(socket());
    const odd = ["nonsense", "{", "[]", "null", '{"cmd":1}', '{"cmd":"nope"}', '{"cmd":"script:start"}', "\0\0"];
    client.send(Buffer.concat([...lines, Buffer.from(`${odd.join("\n")}\n`)]));
    client.request({ cmd: "ping", id: "last" });
    // a mutant may be blank, and then there is nothing to answer, or still be valid
    const answers = await until(() => {
      const all = client.answers();
      return all.at(-1)?.id === "last" && all;
    }, "the last answer");
    expect(answers.length).toBeGreaterThan(lines.length);
    expect(answers.at(-1)).toMatchObject({ id: "last", ok: true });
    expect(answers.slice(-1 - odd.length, -1).every(({ ok, error }) => !ok && typeof error === "string")).toBe(true);
    expect(client.closed()).toBe(false);
  });

  test("answers a line of 10 MiB with the limit and hangs up", async () => {
    await using client = await connect(socket());
    client.request({ cmd: "ping" });
    client.send(Buffer.alloc(10 * mebibyte, "x"));
    await until(() => client.closed(), "the end of the connection");
    expect(client.answers().slice(0, 2)).toMatchObject([
      { ok: true },
      { ok: false, error: "a request may be at most 1048576 bytes long", code: "invalid" },
    ]);
  });

  test("serves a thousand clients at once, and gives their descriptors back", async () => {
    const open = (): number => [...new Bun.Glob("*").scanSync({ cwd: `/proc/${pid}/fd`, onlyFiles: false })].length;
    const before = open();
    const clients: Client[] = [];
    for (let i = 0; i < 1000; i++) clients.push(await connect(socket()));
    for (const client of clients) client.request({ cmd: "ping" });
    for (const [i, client] of clients.entries()) client.request({ cmd: "log", level: "info", message: `client ${i}` });
    for (const client of clients) expect((await client.wait(2)).map(({ ok }) => ok)).toEqual([true, true]);
    for (const client of clients) client.hangUp();
    await until(() => open() <= before + 5, "closed connections");
  }, 30_000);

  test("costs the agent little memory, whatever comes in by it", () => {
    expect(peakRssMiB(pid)).toBeLessThan(rssMiB + mostMoreMiB);
  });

  test("takes keys that it does not know, but not in a script", async () => {
    expect(await system.ask({ cmd: "log", level: "info", message: "x", later: true })).toMatchObject({ ok: true });
    const script = { name: "odd", command: "true", comand: "false" };
    expect(await system.ask({ cmd: "script:add", script })).toMatchObject({
      ok: false,
      error: expect.stringContaining("comand"),
    });
  });
});

describe("a script that can't be started", () => {
  /** Adds and starts it; gives the one line of the failure, and takes it away again. */
  async function failure(name: string, ...flags: string[]): Promise<string> {
    const added = await system.run("script", "add", name, ...flags, "--start");
    expect({ code: added.code, stdout: added.stdout }).toEqual({ code: 1, stdout: "" });
    const { events } = await until(async () => {
      const page = await system.get<EventsPage>("/api/events?type=script.crashed");
      return page.events.some(({ event }) => "script" in event && event.script === name) && page;
    }, "the alert in the hub");
    expect(events[0]?.event).toMatchObject({ script: name, exitCode: null });
    await system.run("script", "remove", name);
    return added.stderr;
  }

  test("for want of its folder says so", async () => {
    const said = await failure("no-folder", "true", "--cwd", "/does/not/exist");
    expect(said).toMatch(/^orion: .*its working directory \/does\/not\/exist does not exist.*\n$/);
  });

  test("for want of its user says so", async () => {
    const said = await failure("no-user", "true", "--user", "nobody-of-that-name");
    expect(said).toMatch(/^orion: .*nobody-of-that-name.*\n$/);
  });

  test("for want of its environment file says so", async () => {
    const said = await failure("no-env", "true", "--env-file", "/does/not/exist.env");
    expect(said).toMatch(/^orion: .*\/does\/not\/exist\.env.*\n$/);
  });

  test("for want of its command is told by its shell, with the code 127", async () => {
    await system.run("script", "add", "no-command", "exec /no/such-program --flag", "--no-auto-restart", "--start");
    const found = await until(async () => {
      const { events } = await system.get<EventsPage>("/api/events?type=script.crashed");
      return events.find(({ event }) => "script" in event && event.script === "no-command");
    }, "the alert in the hub");
    expect(found.event).toMatchObject({ exitCode: 127, tail: [expect.stringMatching(/such-program: not found/)] });
    await system.run("script", "remove", "no-command");
  });
});

describe("the scripts file", () => {
  /** Writes `text`, reloads, and gives the problems; then the file is as it was. */
  async function reloadedWith(text: string, mode = 0o600): Promise<string[]> {
    const before = readFileSync(scriptsFile(), "utf8");
    writeFileSync(scriptsFile(), text);
    chmodSync(scriptsFile(), mode);
    await system.ask({ cmd: "reload" });
    const found = await problems();
    expect(await pidOf("witness")).toBe(witnessPid);
    // not overwritten, and nothing added to it either
    const added = await system.run("script", "add", "another", "true");
    if (found.length > 0) {
      expect(added).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^orion: .*\n$/) });
      expect(readFileSync(scriptsFile(), "utf8")).toBe(text);
    }
    chmodSync(scriptsFile(), 0o600);
    writeFileSync(scriptsFile(), before);
    await system.ask({ cmd: "reload" });
    expect(await problems()).toEqual([]);
    expect(await pidOf("witness")).toBe(witnessPid);
    return found;
  }

  test("half-written: names the file and the line, and the scripts go on", async () => {
    const whole = JSON.stringify([witness, { name: "more", command: "true" }], null, 2);
    const [found] = await reloadedWith(whole.slice(0, whole.length - 20));
    expect(found).toContain(`${scriptsFile()} is not valid JSON: line `);
    expect(found).toContain("the last good scripts stay in force");
  });

  test("empty, of another shape, or of nothing but zeros, as after a power cut: the same", async () => {
    for (const text of ["", "{}", "\0".repeat(4096)]) {
      expect((await reloadedWith(text))[0]).toContain(scriptsFile());
    }
  });

  test("that others may write is not used", async () => {
    const [found] = await reloadedWith(JSON.stringify([{ name: "evil", command: "touch /evil" }]), 0o666);
    expect(found).toContain("group or others may write it (mode 0666)");
    expect(found).toContain("chmod go-w");
  });

  test("with a bad entry costs that entry only", async () => {
    const bad = [{ name: "Bad Name", command: "true" }, { name: "unknown", command: "true", restarts: 3 }, "text"];
    const before = readFileSync(scriptsFile(), "utf8");
    writeFileSync(scriptsFile(), JSON.stringify([...bad, witness, { name: "good", command: "sleep 100" }]));
    await system.ask({ cmd: "reload" });
    expect((await problems()).map((problem) => /entry \d/.exec(problem)?.[0])).toEqual([
      "entry 1",
      "entry 2",
      "entry 3",
    ]);
    expect(await pidOf("good")).toBeNumber();
    expect(await pidOf("witness")).toBe(witnessPid);
    writeFileSync(scriptsFile(), before);
    await system.ask({ cmd: "reload" });
    expect(await problems()).toEqual([]);
  });

  test("broken at the start of an agent: it starts, and takes up the scripts that run", async () => {
    const before = readFileSync(scriptsFile(), "utf8");
    await system.agent.end("SIGKILL");
    writeFileSync(scriptsFile(), before.slice(0, 30));
    await system.agent.start();
    pid = system.agent.pid();
    expect((await problems())[0]).toContain("is not valid JSON");
    expect((await system.run("doctor", "--json")).stdout).toContain(`${scriptsFile()} is not valid JSON`);
    expect(await pidOf("witness")).toBe(witnessPid);
    writeFileSync(scriptsFile(), before);
    await system.ask({ cmd: "reload" });
    expect(await problems()).toEqual([]);
  });
});

describe("the config file", () => {
  /** Writes `text`, reloads, and gives the problems; then the file is as it was. */
  async function reloadedWith(text: string, mode = 0o600): Promise<string[]> {
    const before = readFileSync(configFile(), "utf8");
    writeFileSync(configFile(), text);
    chmodSync(configFile(), mode);
    await system.ask({ cmd: "reload" });
    const found = await problems();
    // still connected
    await system.run("log", "info", `with ${text.length} bytes of config`);
    await until(async () => (await system.status()).delivery.ledger.buffered === 0, "an acknowledgement");
    expect(readFileSync(configFile(), "utf8")).toBe(text);
    chmodSync(configFile(), 0o600);
    writeFileSync(configFile(), before);
    await system.ask({ cmd: "reload" });
    expect(await problems()).toEqual([]);
    return found;
  }

  test("half-written or empty: names the file and the line, and the settings stay", async () => {
    const whole = readFileSync(configFile(), "utf8");
    const [found] = await reloadedWith(whole.slice(0, 60));
    expect(found).toContain(`${configFile()} is not valid JSON: line 1, column `);
    expect((await reloadedWith(""))[0]).toContain("the last good settings stay in force");
  });

  test("that others may write is not used", async () => {
    const evil = JSON.stringify({ apiUrl: "http://127.0.0.1:1", token: "evil", serverId: "evil" });
    expect((await reloadedWith(evil, 0o662))[0]).toContain("group or others may write it (mode 0662)");
  });

  test("with keys that nobody knows and values that are not valid: each is named, the rest holds", async () => {
    const whole: object = JSON.parse(readFileSync(configFile(), "utf8"));
    const found = await reloadedWith(JSON.stringify({ ...whole, heartbeatIntervall: 20, heartbeatInterval: 3 }));
    expect(found.join("\n")).toContain("no such setting: heartbeatIntervall");
    expect(found.join("\n")).toContain("heartbeatInterval: must be between 10 and 300 seconds");
  });

  test("broken at the start of an agent: it starts without a hub, and connects when the file is mended", async () => {
    const before = readFileSync(configFile(), "utf8");
    await system.agent.end("SIGKILL");
    writeFileSync(configFile(), before.slice(0, 60));
    await system.agent.start();
    pid = system.agent.pid();
    expect((await problems())[0]).toContain("is not valid JSON");
    expect((await system.status()).delivery.state).toBe("off");
    writeFileSync(configFile(), before);
    await until(async () => (await system.status()).delivery.state === "online", "a connection without a reload");
    expect(await problems()).toEqual([]);
  }, 30_000);
});

test("only one agent runs in a folder: the second one names the first", async () => {
  const second = await system.run("agent");
  expect(second).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(new RegExp(`^orion: .*\\b${pid}\\b.*\\n$`)),
  });
  expect((await system.status()).pid).toBe(pid);
});

test.skipIf(!isRoot)("a socket is for its owner only, whoever knows its path (needs root)", async () => {
  chmodSync(system.folder.path, 0o755);
  const before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  expect((await orion(["--dir", system.agentDir, "status"], { before })).code).toBe(3);
});

test("through all of this the witness lost nothing, and nothing went wrong that nobody had thought of", async () => {
  await system.run("script", "stop", "witness");
  await until(async () => (await system.status()).delivery.ledger.buffered === 0, "an empty buffer");
  const last = await newestNumber(system, "witness");
  expect(await readNumbers(system, "witness")).toEqual(Array.from({ length: last }, (_, i) => i + 1));
  const { delivery } = await system.status();
  expect({ dropped: delivery.ledger.dropped, pid: system.agent.pid() }).toEqual({ dropped: 0, pid });
  const said = `${system.agent.said()}${readFileSync(`${system.agentDir}/log/orion-agent.log`, "utf8")}`;
  expect(said).not.toContain("nobody handled");
});
