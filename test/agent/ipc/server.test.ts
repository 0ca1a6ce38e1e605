import { chmodSync, existsSync, statSync, writeFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";

import { groupId, sharingGroup } from "#src/agent/ipc/access.ts";
import { createIpcServer } from "#src/agent/ipc/server.ts";
import { maxIpcBacklogBytes, maxIpcLineBytes } from "#src/protocol/ipc.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { connect } from "./client.ts";
import { createTestOrders, entry, pingAnswer } from "./orders.ts";

async function serve(folder: Folder) {
  const orders = createTestOrders();
  const errors: string[] = [];
  const path = folder.at("agent.sock");
  const server = createIpcServer(path, orders, (message) => errors.push(message));
  await server.start();
  return {
    orders,
    errors,
    path,
    stop: (options?: { readonly replaced: boolean }) => server.stop(options),
    async [Symbol.asyncDispose]() {
      await server.stop();
    },
  };
}

/** What it was rejected with. */
async function failureOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no failure",
    (error: unknown) => String(error),
  );
}

const ping = '{"cmd":"ping"}\n';
const pong = { ok: true, data: pingAnswer };

describe("a request", () => {
  const rows: readonly (readonly [name: string, line: string, answer: object])[] = [
    ["is answered", '{"cmd":"ping"}', pong],
    ["has its id echoed, a number", '{"cmd":"ping","id":7}', { id: 7, ...pong }],
    ["has its id echoed, a string", '{"cmd":"ping","id":"a"}', { id: "a", ...pong }],
    ["may hold keys that nobody knows", '{"cmd":"ping","later":true}', pong],
    ["may have white space around", '  \t{"cmd": "ping"} \r', pong],
    ["that isn't JSON is refused", "hello", { ok: false, error: "not a JSON object on one line", code: "invalid" }],
    ["that is no object is refused", "5", { ok: false, error: "must be an object", code: "invalid" }],
    ["that is null is refused", "null", { ok: false, error: "must be an object", code: "invalid" }],
    [
      "with an unknown command names those there are",
      '{"cmd":"nope","id":1}',
      { id: 1, ok: false, code: "invalid", error: expect.stringMatching(/^cmd: must be one of ping, status,/) },
    ],
    ["without a command says so", "{}", { ok: false, code: "invalid", error: expect.stringMatching(/^cmd: missing/) }],
    [
      "without a field names it",
      '{"cmd":"log","level":"info"}',
      { ok: false, error: "message: missing, must be a string", code: "invalid" },
    ],
    [
      "with a wrong level names the levels",
      '{"cmd":"log","level":"loud","message":"x"}',
      { ok: false, error: "level: must be one of debug, info, warn, error, fatal", code: "invalid" },
    ],
    [
      "with a name that no script can have is refused",
      '{"cmd":"script:show","name":"../etc"}',
      { ok: false, code: "invalid", error: expect.stringMatching(/^name: must be lowercase/) },
    ],
    [
      "for an unknown script is refused as the script room says",
      '{"cmd":"script:show","name":"no"}',
      { ok: false, error: "Script not found", code: "not-found" },
    ],
    [
      "that can't be carried out says why",
      '{"cmd":"script:restart","name":"api","id":3}',
      { id: 3, ok: false, error: "cwd /nope does not exist", code: "failed" },
    ],
    [
      "that finds no room says what to do",
      '{"cmd":"log","level":"info","message":"full"}',
      { ok: false, error: "no room", code: "unavailable", hint: "make room" },
    ],
    [
      "that meets a mistake of ours is still answered",
      '{"cmd":"status"}',
      { ok: false, error: "a mistake of ours", code: "failed" },
    ],
    [
      "with a number beyond all numbers is refused",
      '{"cmd":"logs","lines":1e999}',
      { ok: false, error: "lines: must be a number", code: "invalid" },
    ],
    [
      "with an id beyond all numbers is refused",
      '{"cmd":"ping","id":1e999}',
      { ok: false, code: "invalid", error: expect.stringMatching(/^id/) },
    ],
    ["starts a script", '{"cmd":"script:start","name":"api"}', { ok: true, data: { pid: 42 } }],
    [
      "reloads",
      '{"cmd":"reload"}',
      { ok: true, data: { started: [], stopped: [], restarted: [], unchanged: ["api"] } },
    ],
  ];
  for (const [name, line, answer] of rows) {
    test(`${name}, and the connection lives on`, async () => {
      await using folder = temporaryFolder();
      await using server = await serve(folder);
      await using client = await connect(server.path);
      client.send(`${line}\n`);
      expect(await client.wait(1)).toEqual([answer as never]);
      client.send(ping);
      expect((await client.wait(2))[1]).toEqual(pong);
    });
  }

  test("to log is handed on, with `cli` as the source when it names none", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using client = await connect(server.path);
    client.request({ cmd: "log", level: "warn", message: "a\nb", source: "deploy", fields: { n: 1 } });
    client.request({ cmd: "log", level: "info", message: "" });
    expect(await client.wait(2)).toEqual([
      { ok: true, data: {} },
      { ok: true, data: {} },
    ]);
    expect(server.orders.logged).toEqual([
      { level: "warn", message: "a\nb", source: "deploy", fields: { n: 1 } } as never,
      { level: "info", message: "", source: "cli" },
    ]);
  });

  test("to add a script fills in the defaults", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using client = await connect(server.path);
    client.request({ cmd: "script:add", script: { name: "api", command: "x" } });
    client.request({ cmd: "script:add", script: { name: "api", command: "x", cwd: "relative" } });
    const [good, bad] = await client.wait(2);
    expect(good).toEqual({ ok: true, data: { pid: null } });
    expect(bad?.error).toBe("script.cwd: must be an absolute path");
    expect(server.orders.added).toHaveLength(1);
    expect(server.orders.added[0]).toMatchObject({ autoRestart: true, killTimeout: 10_000 });
  });

  test("nested a hundred thousand deep is refused or answered, never a crash", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using client = await connect(server.path);
    client.send(`${"[".repeat(400_000)}\n`);
    client.send(
      `{"cmd":"log","level":"info","message":"x","fields":{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}}\n`,
    );
    client.send(ping);
    const answers = await client.wait(3);
    expect(answers[0]?.ok).toBe(false);
    expect(answers[2]).toEqual(pong);
  });
});

describe("requests on one connection", () => {
  test("are answered in order, also when an early one takes long", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using client = await connect(server.path);
    client.send(
      '{"cmd":"script:stop","name":"api","id":1}\n{"cmd":"ping","id":2}\n{"cmd":"script:start","name":"api","id":3}\n{"cmd":"ping","id":4}\n',
    );
    await using other = await connect(server.path);
    other.send(ping);
    expect(await other.wait(1)).toEqual([pong]);
    await until(() => server.orders.stopping() === 1, "the stop");
    expect(client.answers()).toEqual([]);
    server.orders.release("api");
    expect((await client.wait(4)).map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  });

  test("can be a hundred thousand in one go", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using client = await connect(server.path);
    const count = 100_000;
    client.send(
      Array.from({ length: count }, (_, n) => `{"cmd":"log","level":"info","message":"${n}","id":${n}}\n`).join(""),
    );
    const answers = await client.wait(count);
    expect(answers.every(({ ok, id }, index) => ok && id === index)).toBe(true);
    expect(server.orders.logged.map(({ message }) => Number(message))).toEqual(
      Array.from({ length: count }, (_, n) => n),
    );
  });

  test("that were sent before the client closed its side are all answered, then the connection ends", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using client = await connect(server.path);
    client.send(`{"cmd":"script:stop","name":"api"}\n${ping}{"cmd":"ping","id":"no newline"}`);
    client.endWriting();
    await until(() => server.orders.stopping() === 1, "the stop");
    server.orders.release("api");
    await until(() => client.closed(), "the end");
    expect(client.answers()).toEqual([{ ok: true, data: {} }, pong, { id: "no newline", ...pong }]);
  });

  test("stop mattering when the client hangs up in the middle", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    const client = await connect(server.path);
    client.send('{"cmd":"script:stop","name":"api"}\n');
    await until(() => server.orders.stopping() === 1, "the stop");
    client.hangUp();
    server.orders.release("api");
    await using other = await connect(server.path);
    other.send(ping);
    expect(await other.wait(1)).toEqual([pong]);
    expect(server.errors).toEqual([]);
  });
});

describe("limits", () => {
  test("a line of 1 MiB is read", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using client = await connect(server.path);
    const frame = '{"cmd":"log","level":"info","message":""}';
    client.send(`${frame.slice(0, -2)}${"x".repeat(maxIpcLineBytes - frame.length)}"}\n`);
    expect(await client.wait(1)).toEqual([{ ok: true, data: {} }]);
  });

  test("a longer one is refused after the answers before it, then the connection ends", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using client = await connect(server.path);
    client.send(ping);
    client.send("x".repeat(10 * 1024 * 1024));
    await until(() => client.closed(), "the end");
    expect(client.answers()).toEqual([
      pong,
      { ok: false, error: "a request may be at most 1048576 bytes long", code: "invalid" },
    ]);
  });

  test("a client that leaves more than 4 MiB unread is cut off, the others don't notice", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using slow = await connect(server.path);
    await using quick = await connect(server.path);
    slow.request({ cmd: "logs", lines: 0, follow: true });
    quick.request({ cmd: "logs", lines: 0, follow: true });
    await until(() => server.orders.followers() === 2, "both followers");
    slow.pause();
    const message = "x".repeat(64 * 1024);
    let sent = 0;
    for (; server.orders.followers() === 2; sent++) {
      server.orders.publish(entry(sent, message));
      await quick.wait(sent + 1);
    }
    // what the kernel holds comes on top of what we hold
    expect(sent * message.length).toBeGreaterThan(maxIpcBacklogBytes);
    expect(sent * message.length).toBeLessThan(2 * maxIpcBacklogBytes);
    server.orders.publish(entry(sent));
    expect(await quick.wait(sent + 1)).toHaveLength(sent + 1);
    slow.resume();
    await until(() => slow.closed(), "the end of the slow one");
  });

  test("one long answer reaches a client that reads", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using client = await connect(server.path);
    server.orders.kept = Array.from({ length: 10_000 }, (_, n) => entry(n, "y".repeat(100)));
    client.request({ cmd: "logs", lines: 10_000 });
    client.send(ping);
    const [logs, last] = await client.wait(2);
    const data = logs?.data as { entries: unknown[]; omitted: number };
    expect(data.entries.length + data.omitted).toBe(10_000);
    expect(data.entries.at(-1)).toEqual(server.orders.kept.at(-1));
    expect(last).toEqual(pong);
  });

  test("entries of 1 MiB each don't make an answer without end", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using client = await connect(server.path);
    server.orders.kept = Array.from({ length: 50 }, (_, n) => entry(n, "y".repeat(1024 * 1024)));
    client.request({ cmd: "logs", lines: 50 });
    const [logs] = await client.wait(1);
    expect(logs?.data).toMatchObject({ omitted: 49 });
  });

  test("a thousand clients at once are served", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    const clients = await Promise.all(Array.from({ length: 1000 }, () => connect(server.path)));
    for (const [index, client] of clients.entries()) client.request({ cmd: "ping", id: index });
    for (const [index, client] of clients.entries()) {
      expect(await client.wait(1)).toEqual([{ id: index, ...pong }]);
    }
    for (const client of clients) client.hangUp();
    await using last = await connect(server.path);
    last.send(ping);
    expect(await last.wait(1)).toEqual([pong]);
  });
});

describe("logs", () => {
  test("hands the query on", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using client = await connect(server.path);
    client.request({ cmd: "logs", name: "api", lines: 5, since: "2026-01-01T00:00:00Z", level: "warn", grep: "disk" });
    client.request({ cmd: "logs" });
    await client.wait(2);
    expect(server.orders.queries).toEqual([
      { source: "api", lines: 5, sinceMs: Date.parse("2026-01-01T00:00:00Z"), level: "warn", grep: "disk" },
      { lines: 100 },
    ]);
  });

  test("followed gives the kept ones, then each new one, until the client hangs up", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    const client = await connect(server.path);
    server.orders.kept = [entry(1), entry(2)];
    client.request({ cmd: "logs", name: "api", lines: 10, follow: true, id: "f" });
    await client.wait(2);
    server.orders.publish(entry(3));
    expect(await client.wait(3)).toEqual([1, 2, 3].map((seq) => ({ id: "f", ok: true, data: { entry: entry(seq) } })));
    client.send(`${ping}${"x".repeat(3 * 1024 * 1024)}`);
    server.orders.publish(entry(4));
    expect(await client.wait(4)).toHaveLength(4);
    client.hangUp();
    await until(() => server.orders.followers() === 0, "the end of the following");
  });
});

describe("any bytes", () => {
  test("in any pieces never crash the server, and each line gets one answer", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    const verb = fc.constantFrom("ping", "status", "log", "logs", "script:show", "script:add", "reload", "nope");
    const request = fc
      .tuple(
        verb,
        fc.dictionary(
          fc.constantFrom("id", "level", "message", "name", "lines", "script", "fields", "__proto__"),
          fc.jsonValue(),
        ),
      )
      .map(([cmd, rest]) => JSON.stringify({ cmd, ...rest }));
    const line = fc.oneof(
      request,
      fc.json(),
      fc.string(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString("latin1")),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 5 }), async (texts, cuts) => {
        const lines = texts.map((text) => text.replaceAll("\n", " ")).filter((text) => text.trim() !== "");
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(""), "latin1");
        await using client = await connect(server.path);
        const places = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
        let from = 0;
        for (const place of [...places, bytes.length]) {
          client.send(bytes.subarray(from, place));
          from = place;
          await Promise.resolve();
        }
        client.endWriting();
        await until(() => client.closed(), "the end");
        // a followed request would not end; none of these asks for one
        expect(client.answers()).toHaveLength(lines.length);
      }),
      { numRuns: 150 },
    );
    await using last = await connect(server.path);
    last.send(ping);
    expect(await last.wait(1)).toEqual([pong]);
  });
});

describe("the socket", () => {
  test("is for its owner only, or for root and the group orion", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    const stat = statSync(server.path);
    const group = sharingGroup();
    expect(stat.mode & 0o777).toBe(group === undefined ? 0o600 : 0o660);
    if (group !== undefined) expect(stat.gid).toBe(group);
  });

  test("is gone after the stop, and clients are hung up on", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using client = await connect(server.path);
    client.send(ping);
    await client.wait(1);
    await server.stop();
    await until(() => client.closed(), "the end");
    expect(existsSync(server.path)).toBe(false);
  });

  test("tells every client when the agent is replaced, who waits in the queue too", async () => {
    await using folder = temporaryFolder();
    await using server = await serve(folder);
    await using idle = await connect(server.path);
    idle.send(ping);
    await idle.wait(1);
    await using follower = await connect(server.path);
    follower.request({ cmd: "logs", lines: 0, follow: true });
    follower.request({ cmd: "ping" });
    // in one turn with the stop: the server has not seen them yet
    const late = await Promise.all(Array.from({ length: 50 }, () => connect(server.path)));
    for (const client of late) client.send(ping);
    await server.stop({ replaced: true });
    await until(() => [idle, follower, ...late].every((client) => client.closed()), "the end of all");
    const error = "the agent is being replaced by its successor";
    const again = { ok: false, error, code: "unavailable", replaced: true };
    expect(idle.answers()).toEqual([pong, again]);
    expect(follower.answers()).toEqual([{ ok: false, error, code: "unavailable", hint: "Give the command again" }]);
    for (const client of late) expect(client.answers().slice(-1)).toEqual([again]);
    expect(existsSync(server.path)).toBe(false);
  });

  test("that a killed daemon left is cleared", async () => {
    await using folder = temporaryFolder();
    const path = folder.at("agent.sock");
    const code = `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } }); console.log("ready"); setInterval(() => {}, 1000)`;
    await using killed = startProgram([process.execPath, "-e", code]);
    await until(() => killed.output().includes("ready"), "the listener");
    const second = createIpcServer(path, createTestOrders(), () => {});
    expect(await failureOf(second.start())).toMatch(/already listens/);
    killed.kill("SIGKILL");
    await killed.exited;
    expect(existsSync(path)).toBe(true);
    await using server = await serve(folder);
    await using client = await connect(server.path);
    client.send(ping);
    expect(await client.wait(1)).toEqual([pong]);
  });

  test("never replaces a file that is no socket", async () => {
    await using folder = temporaryFolder();
    writeFileSync(folder.at("agent.sock"), "precious");
    const server = createIpcServer(folder.at("agent.sock"), createTestOrders(), () => {});
    expect(await failureOf(server.start())).toMatch(/is not a socket/);
    expect(await Bun.file(folder.at("agent.sock")).text()).toBe("precious");
  });

  test("with too long a path is refused with the limit", async () => {
    await using folder = temporaryFolder();
    const server = createIpcServer(folder.at("x".repeat(120)), createTestOrders(), () => {});
    expect(await failureOf(server.start())).toMatch(/107 is the most/);
  });

  test.skipIf(process.getuid?.() === 0)("in a folder that can't be written is refused (as a plain user)", async () => {
    await using folder = temporaryFolder();
    chmodSync(folder.path, 0o500);
    const server = createIpcServer(folder.at("agent.sock"), createTestOrders(), () => {});
    expect(await failureOf(server.start())).toMatch(/can't be opened/);
    chmodSync(folder.path, 0o700);
  });
});

describe("groupId", () => {
  test("finds a group by its whole name", async () => {
    await using folder = temporaryFolder();
    writeFileSync(folder.at("group"), "root:x:0:\norionx:x:7:\norion:x:998:ann,bob\nbroken\norion:x:5:\n");
    expect(groupId("orion", folder.at("group"))).toBe(998);
    expect(groupId("ori", folder.at("group"))).toBeUndefined();
    expect(groupId("orion", folder.at("none"))).toBeUndefined();
  });
});
