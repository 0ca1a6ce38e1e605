import { describe, expect, test } from "bun:test";

import { type FakeDaemon, failure, startFakeDaemon, success } from "./fake-daemon.ts";
import { orion } from "./orion.ts";

const log = (daemon: FakeDaemon, ...words: string[]) => ["--dir", daemon.dir, "log", ...words];
const messagesOf = (daemon: FakeDaemon) =>
  daemon.requests.map((request) => (request.cmd === "log" ? request.message : request.cmd));

describe("orion log", () => {
  test("sends one entry and says nothing", async () => {
    await using daemon = startFakeDaemon(() => success({}));
    expect(await orion(log(daemon, "error", "Disk", "low"))).toEqual({ code: 0, out: "", err: "" });
    expect(daemon.requests as unknown[]).toEqual([{ cmd: "log", level: "error", message: "Disk low" }]);
  });

  test("sends source and fields", async () => {
    await using daemon = startFakeDaemon(() => success({}));
    await orion(log(daemon, "info", "x", "--source", "build", "--field", "a=1", "--field", "b=c=d"));
    expect(daemon.requests as unknown[]).toEqual([
      { cmd: "log", level: "info", message: "x", source: "build", fields: { a: "1", b: "c=d" } },
    ]);
  });

  test("speaks as the script that it runs in", async () => {
    await using daemon = startFakeDaemon(() => success({}));
    await orion(log(daemon, "info", "x"), { env: { ORION_SCRIPT: "api-backend" } });
    expect(daemon.requests[0]).toMatchObject({ source: "api-backend" });
  });

  test("sends a message that begins with a dash after --", async () => {
    await using daemon = startFakeDaemon(() => success({}));
    await orion(log(daemon, "info", "--", "-5 degrees", "--json"));
    expect(messagesOf(daemon)).toEqual(["-5 degrees --json"]);
  });

  test("answers with JSON when asked", async () => {
    await using daemon = startFakeDaemon(() => success({}));
    expect((await orion(log(daemon, "info", "x", "--json"))).out).toBe('{"accepted":1,"failed":0}\n');
  });

  test("fails when the daemon does not take it", async () => {
    await using daemon = startFakeDaemon(() => failure("the disk is full"));
    expect(await orion(log(daemon, "info", "x"))).toEqual({ code: 1, out: "", err: "orion: the disk is full\n" });
  });
});

describe("orion log -", () => {
  test("sends every line of stdin in order, with any line end and any bytes", async () => {
    await using daemon = startFakeDaemon(() => success({}));
    const stdin = Buffer.concat([
      Buffer.from("one\r\n\ntwo ü\n"),
      Buffer.from([0xff, 0x41, 0x0a]),
      Buffer.from("last"),
    ]);
    expect(await orion(log(daemon, "warn", "-"), { stdin })).toEqual({ code: 0, out: "", err: "" });
    expect(messagesOf(daemon)).toEqual(["one", "", "two ü", "\ufffdA", "last"]);
  });

  test("sends nothing for an empty stdin", async () => {
    await using daemon = startFakeDaemon(() => success({}));
    expect(await orion(log(daemon, "info", "-", "--json"), { stdin: "" })).toEqual({
      code: 0,
      out: '{"accepted":0,"failed":0}\n',
      err: "",
    });
  });

  test("sends a hundred thousand lines without losing one", async () => {
    await using daemon = startFakeDaemon(() => success({}));
    const lines = Array.from({ length: 100_000 }, (_, i) => `line ${i}`);
    const run = await orion(log(daemon, "info", "-", "--json"), { stdin: `${lines.join("\n")}\n` });
    expect(run).toEqual({ code: 0, out: '{"accepted":100000,"failed":0}\n', err: "" });
    expect(messagesOf(daemon)).toEqual(lines);
  });

  test("passes a line without end on in pieces that the daemon takes", async () => {
    await using daemon = startFakeDaemon(() => success({}));
    const long = "\u0001".repeat(1_000_000);
    expect((await orion(log(daemon, "info", "-"), { stdin: long })).code).toBe(0);
    expect(messagesOf(daemon).join("")).toBe(long);
    const longest = Math.max(...daemon.requests.map((request) => JSON.stringify(request).length));
    expect(longest).toBeLessThan(1024 * 1024);
  });

  test("fails when a single line was not taken, and says how many", async () => {
    await using daemon = startFakeDaemon((request) =>
      request.cmd === "log" && request.message === "bad" ? failure("no") : success({}),
    );
    expect(await orion(log(daemon, "info", "-"), { stdin: "a\nbad\nb\nbad\n" })).toEqual({
      code: 1,
      out: "",
      err: "orion: 2 of 4 lines were not taken: no\n",
    });
    expect(messagesOf(daemon)).toEqual(["a", "bad", "b", "bad"]);
  });

  test("fails when the daemon hangs up in the middle", async () => {
    await using daemon = startFakeDaemon((request) =>
      request.cmd === "log" && request.message === "2" ? "hang up" : success({}),
    );
    const run = await orion(log(daemon, "info", "-"), { stdin: "1\n2\n3\n" });
    expect([run.code, run.err]).toEqual([
      1,
      "orion: 2 of 3 lines were not taken: the daemon hung up before it answered. See whether it still runs: orion status\n",
    ]);
  });

  test("sends a line as it comes, not when stdin ends", async () => {
    const arrived = Promise.withResolvers<void>();
    await using daemon = startFakeDaemon(() => (arrived.resolve(), success({})));
    const child = Bun.spawn([process.execPath, `${import.meta.dir}/../../src/main.ts`, ...log(daemon, "info", "-")], {
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
    });
    await child.stdin.write("now\n");
    await child.stdin.flush();
    await arrived.promise;
    await child.stdin.end();
    expect(await child.exited).toBe(0);
  });

  test("lets what it has read arrive when it is interrupted", async () => {
    const arrived = Promise.withResolvers<void>();
    await using daemon = startFakeDaemon(() => (arrived.resolve(), success({})));
    const child = Bun.spawn(
      [process.execPath, `${import.meta.dir}/../../src/main.ts`, ...log(daemon, "info", "-", "--json")],
      {
        stdin: "pipe",
        stdout: "pipe",
        stderr: "ignore",
      },
    );
    await child.stdin.write("whole\nhalf");
    await child.stdin.flush();
    await arrived.promise;
    child.kill("SIGINT");
    expect(await new Response(child.stdout).text()).toBe('{"accepted":2,"failed":0}\n');
    expect(await child.exited).toBe(0);
    expect(messagesOf(daemon)).toEqual(["whole", "half"]);
  });
});
