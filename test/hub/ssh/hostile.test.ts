/** Hosts that lie, flood, or never answer: whatever they do, the hub goes on and keeps nothing of them. */
import { describe, expect, test } from "bun:test";

import { openSession } from "#src/hub/ssh/connection.ts";
import { Fault } from "#src/protocol/fault.ts";

import { startHostileServer } from "./hostile-server.ts";

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const thrown: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof Fault) return thrown;
  throw new Error(`not a Fault: ${String(thrown)}`);
}

const soon = { timeoutMs: 10_000 };

describe("a host that", () => {
  test("lets the hub in and never opens a channel is given up in the time that the script has", async () => {
    // Before, the time began with the channel: a poll of such a host never ended.
    await using server = await startHostileServer((client) => {
      client.on("session", () => undefined);
    });
    const session = await openSession(server.target, soon);
    const fault = await faultOf(session.run("true", { timeoutMs: 300 }));
    expect([fault.code, fault.message]).toEqual([
      "unavailable",
      `127.0.0.1:${server.target.port} did not finish within 0 s`,
    ]);
    const control = new AbortController();
    const work = faultOf(session.run("true", { timeoutMs: 60_000, signal: control.signal }));
    control.abort(new Fault("conflict", "the job was cancelled"));
    expect((await work).message).toBe("the job was cancelled");
    session.close();
    await session.closed;
  });

  test("does not hang up when it is told good-bye is hung up on", async () => {
    // Before, its socket stayed open for as long as it liked.
    await using server = await startHostileServer((_client, socket) => {
      // what has arrived stays unread, a FIN too
      socket.pause();
      socket.removeAllListeners("end");
    });
    const session = await openSession(server.target, soon);
    session.close();
    await session.closed;
  });

  test("answers all of a command at once is heard", async () => {
    // Before, how it ended came before anybody listened: "the connection was lost", on the way to fast hosts now and then.
    await using server = await startHostileServer((client, socket) => {
      client.on("session", (accept) => {
        accept().on("exec", (yes) => {
          socket.cork();
          const channel = yes();
          channel.stderr.write("sudo: a password is required\n");
          channel.exit(1);
          channel.end();
          channel.close();
          socket.uncork();
        });
      });
    });
    const session = await openSession({ ...server.target, sudo: "without-password" }, soon);
    const fault = await faultOf(session.run("true", { timeoutMs: 10_000, asRoot: true }));
    expect(fault.message).toBe(`sudo on 127.0.0.1:${server.target.port} wants a password of anybody`);
    session.close();
    await session.closed;
  });

  test("prints without end is given up long before its time", async () => {
    await using server = await startHostileServer((client) => {
      client.on("session", (accept) => {
        accept().on("exec", (yes) => {
          const channel = yes();
          const chunk = Buffer.alloc(65_536, "x");
          const flood = (): void => {
            while (!channel.destroyed && channel.write(chunk));
          };
          channel.on("drain", flood).on("error", () => undefined);
          flood();
        });
      });
    });
    const session = await openSession(server.target, soon);
    const fault = await faultOf(session.run("true", { timeoutMs: 60_000 }));
    expect(fault.message).toMatch(/prints without end: it was given up after 64 MiB$/);
    session.close();
    await session.closed;
  }, 30_000);

  test("speaks no SSH any more after the sign-in is hung up on", async () => {
    // Before, the hub only stopped writing, and read on.
    await using server = await startHostileServer((client, socket) => {
      client.on("session", (accept) => {
        accept();
        socket.write(Buffer.alloc(4096, 0xff));
      });
    });
    const session = await openSession(server.target, soon);
    expect((await faultOf(session.run("true", soon))).message).toBe(
      `the connection to 127.0.0.1:${server.target.port} was lost`,
    );
    await session.closed;
  });

  test("asks for a password where no command does gets none", async () => {
    const heard: string[] = [];
    await using server = await startHostileServer((client) => {
      client.on("session", (accept) => {
        accept().on("exec", (yes, _no, { command }) => {
          const channel = yes();
          const word = /orion-begin-([0-9a-f]+)/.exec(command)?.[1] ?? "";
          channel.on("data", (bytes: Buffer) => heard.push(bytes.toString()));
          channel.stderr.write(`orion-ask-${word}`);
          setTimeout(() => {
            channel.exit(0);
            channel.close();
          }, 200);
        });
      });
    });
    const target = { ...server.target, sudo: "with-password", sudoPassword: "secret of sudo" } as const;
    const session = await openSession(target, soon);
    await faultOf(session.run("true", { timeoutMs: 5000 }));
    expect(heard.join("")).not.toContain("secret of sudo");
    session.close();
    await session.closed;
  });
});
