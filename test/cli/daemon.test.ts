import { chmodSync, mkdirSync, writeFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { connectDaemon } from "#src/cli/daemon.ts";
import { CliFault } from "#src/cli/exit.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

import { failure, replaced, startFakeDaemon, success } from "./fake-daemon.ts";
import { orion } from "./orion.ts";

const isRoot = process.getuid?.() === 0;

async function faultOf(promise: Promise<unknown>): Promise<CliFault> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CliFault)) throw new Error(`no fault but ${String(error)}`);
  return error;
}

describe("a daemon that can't be reached ends a command with 3 and says what to do", () => {
  test("when there is no socket", async () => {
    await using folder = temporaryFolder();
    expect(await orion(["--dir", folder.path, "log", "info", "x"])).toEqual({
      code: 3,
      out: "",
      err: `orion: the daemon is not running: there is no socket ${folder.path}/run/agent.sock. Start it with: orion --dir ${folder.path} agent (or for a trial: orion up --dir ${folder.path})\n`,
    });
  });

  test("when the socket is left over", async () => {
    await using folder = temporaryFolder();
    mkdirSync(folder.at("run"));
    const path = folder.at("run", "agent.sock");
    // a process that binds and dies leaves its socket behind
    const maker = `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } }); process.kill(process.pid, "SIGKILL")`;
    await Bun.spawn([process.execPath, "-e", maker], { stdout: "ignore", stderr: "ignore" }).exited;
    const run = await orion(["--dir", folder.path, "status"]);
    expect(run.code).toBe(3);
    expect(run.err).toContain("its socket is left over from one that ended");
  });

  test("when its path is no socket", async () => {
    await using folder = temporaryFolder();
    mkdirSync(folder.at("run"));
    writeFileSync(folder.at("run", "agent.sock"), "");
    const run = await orion(["--dir", folder.path, "script", "list"]);
    expect(run.code).toBe(3);
    expect(run.err).toContain("its path is no socket");
  });

  test("when the path is longer than a socket's may be", async () => {
    const dir = `/tmp/${"x".repeat(120)}`;
    const run = await orion(["--dir", dir, "status"]);
    expect(run.code).toBe(3);
    expect(run.err).toContain("is 140 bytes long and Unix sockets allow 107. Use a shorter --dir");
  });

  test.skipIf(!isRoot)("when this user may not (needs root to become somebody else)", async () => {
    await using daemon = startFakeDaemon(() => success({}));
    chmodSync(daemon.dir, 0o755);
    chmodSync(daemon.folder.at("run"), 0o755);
    chmodSync(daemon.folder.at("run", "agent.sock"), 0o660);
    const fault = `import { connectDaemon } from "${import.meta.dir}/../../src/cli/daemon.ts";
      process.setgid(65534); process.setuid(65534);
      await connectDaemon(${JSON.stringify(daemon.folder.at("run", "agent.sock"))}).catch((error) => console.log(error.exitCode, error.oneLine));`;
    const out = await new Response(Bun.spawn([process.execPath, "-e", fault], { stdout: "pipe" }).stdout).text();
    expect(out).toStartWith("3 no permission to use the daemon's socket");
    expect(out).toContain("sudo usermod -aG orion $USER");
  });

  test("when it hangs", async () => {
    await using daemon = startFakeDaemon(() => "hang");
    const client = await connectDaemon(daemon.folder.at("run", "agent.sock"));
    const fault = await faultOf(client.request({ cmd: "ping" }, 20));
    expect([fault.exitCode, fault.message]).toEqual([3, "the daemon did not answer within 0.02 seconds"]);
    client.close();
  });
});

describe("a daemon that answers", () => {
  test("with a refusal ends the command with 1, its reason and its hint", async () => {
    await using daemon = startFakeDaemon(() => failure("script x not found", "See: orion script list"));
    expect(await orion(["--dir", daemon.dir, "script", "show", "x"])).toEqual({
      code: 1,
      out: "",
      err: "orion: script x not found. See: orion script list\n",
    });
  });

  test("can't put a second line or an escape sequence into the message", async () => {
    await using daemon = startFakeDaemon(() => failure("a\nb\u001b[2Jc"));
    expect((await orion(["--dir", daemon.dir, "status"])).err).toBe("orion: a b [2Jc\n");
  });

  test("by hanging up ends the command with 1", async () => {
    await using daemon = startFakeDaemon(() => "hang up");
    const run = await orion(["--dir", daemon.dir, "status"]);
    expect([run.code, run.err]).toEqual([
      1,
      "orion: the daemon hung up before it answered. See whether it still runs: orion status\n",
    ]);
  });

  const odd: readonly [string, string][] = [
    ["text", "no JSON\n"],
    ["nothing of sense", "null\n"],
    ["an array", "[1]\n"],
    ["a bare number", "7\n"],
    ["an object without ok", "{}\n"],
    ["an error that is no text", '{"ok":false,"error":{"a":1}}\n'],
  ];
  for (const [what, raw] of odd) {
    test(`with ${what} ends the command with 1 and one line`, async () => {
      await using daemon = startFakeDaemon(() => ({ raw }));
      const run = await orion(["--dir", daemon.dir, "status", "--json"]);
      expect([run.code, run.out, run.err.split("\n").length]).toEqual([1, "", 2]);
    });
  }

  test("many requests at once is understood in order, whatever the pieces", async () => {
    await using daemon = startFakeDaemon((request) => success({ echo: request.cmd === "log" ? request.message : "" }));
    const client = await connectDaemon(daemon.folder.at("run", "agent.sock"));
    const messages = Array.from({ length: 2000 }, (_, i) => `${i} ${"ü".repeat(i % 300)}`);
    const answers = await Promise.all(
      messages.map((message) => client.request({ cmd: "log", level: "info", message })),
    );
    expect(answers).toEqual(messages.map((echo) => ({ echo })));
    client.close();
  });

  test("that it is replaced is asked again when its successor is there", async () => {
    await using daemon = startFakeDaemon((request) => (request.cmd === "ping" ? success({}) : replaced));
    const socket = daemon.folder.at("run", "agent.sock");
    writeFileSync(daemon.folder.at("run", "handover.json"), "{}");
    const client = await connectDaemon(socket);
    const asked = ["a", "b", "c"].map((message) => client.request({ cmd: "log", level: "info", message }));
    await until(() => daemon.requests.length === 3, "three requests");
    const seen: string[] = [];
    await daemon.hangUp();
    const successor = Bun.listen({
      unix: socket,
      socket: {
        data(connection, bytes) {
          const lines = bytes.toString().trim().split("\n");
          seen.push(...lines.map((line) => (JSON.parse(line) as { message: string }).message));
          connection.write(lines.map(() => `${JSON.stringify(success({}))}\n`).join(""));
        },
      },
    });
    await Promise.all(asked);
    expect(seen).toEqual(["a", "b", "c"]);
    client.close();
    successor.stop(true);
  });

  test("fails every request that waits when it hangs up", async () => {
    await using daemon = startFakeDaemon((request) => (request.cmd === "ping" ? success({}) : "hang up"));
    const client = await connectDaemon(daemon.folder.at("run", "agent.sock"));
    const outcomes = await Promise.allSettled([
      client.request({ cmd: "ping" }),
      client.request({ cmd: "status" }),
      client.request({ cmd: "ping" }),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    expect((await faultOf(client.request({ cmd: "ping" }))).exitCode).toBe(1);
    client.close();
  });
});
