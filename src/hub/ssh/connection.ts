/** Sessions over SSH (RFC 4251-4254), through a jump host where there is one. */
import { type Duplex, Readable } from "node:stream";

import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { type DialOptions, type Dialled, type SeenKey, askHostKey, dial, nameOf } from "./connection-dial.ts";
import { runScript } from "./connection-run.ts";
import type { OpenSession, SshHop, SshSession, SshTarget } from "./port.ts";

export type { SeenKey } from "./connection-dial.ts";

/**
 * Opens a session. A host whose key nobody has approved (`hostKey` null) is refused with `conflict`, which names the key:
 * no credentials are sent to it. Commands of a session run one after the other, for hosts that allow one at a time.
 */
export const openSession: OpenSession = async (target, { timeoutMs, signal }) => {
  const deadline = performance.now() + timeoutMs;
  const left = (): DialOptions => ({
    timeoutMs: Math.max(1, deadline - performance.now()),
    ...(signal === undefined ? {} : { signal }),
  });
  const jump = target.jump === null ? undefined : await openJump(target.jump, target, left);
  try {
    const dialled = await dial(target, { ...left(), ...(jump === undefined ? {} : { through: jump.way }) });
    return sessionOf(dialled, target, () => jump?.end());
  } catch (error) {
    jump?.end();
    throw error;
  }
};

/** The key that a host shows, without signing in to it (but to its jump host, whose key must be approved). */
export async function readHostKey(
  { jump, ...host }: Pick<SshTarget, "host" | "port" | "jump">,
  { timeoutMs, signal }: Parameters<OpenSession>[1],
): Promise<SeenKey> {
  const deadline = performance.now() + timeoutMs;
  const left = (): DialOptions => ({
    timeoutMs: Math.max(1, deadline - performance.now()),
    ...(signal === undefined ? {} : { signal }),
  });
  if (jump === null) return await askHostKey(host, left());
  const { way, end } = await openJump(jump, host, left);
  try {
    return await askHostKey(host, { ...left(), through: way });
  } finally {
    end();
  }
}

type Jump = { readonly way: Duplex; readonly end: () => void };

async function openJump(jump: SshHop, to: Pick<SshHop, "host" | "port">, left: () => DialOptions): Promise<Jump> {
  const { client, end } = await dial(jump, left());
  const { timeoutMs, signal } = left();
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const late = setTimeout(() => reject(new Error("it did not answer in time")), timeoutMs);
  const abort = () => reject(signal?.reason);
  signal?.addEventListener("abort", abort);
  const closed = () => reject(new Error("it closed the connection"));
  client.once("close", closed);
  try {
    if (signal?.aborted === true) abort();
    client.forwardOut("127.0.0.1", 0, to.host, to.port, (error, stream) => {
      if (error === undefined) resolve(stream);
      else reject(error);
    });
    return { way: await promise, end };
  } catch (error) {
    end();
    if (signal?.aborted === true) throw signal.reason;
    throw new Fault("unavailable", `${nameOf(jump)} can't reach ${nameOf(to)}: ${reasonOf(error)}`, {
      hint: "Does its sshd allow it (AllowTcpForwarding), and does the host listen there?",
      cause: error,
    });
  } finally {
    clearTimeout(late);
    signal?.removeEventListener("abort", abort);
    client.off("close", closed);
  }
}

function sessionOf({ client, hostKey, end }: Dialled, target: SshTarget, ended: () => void): SshSession {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  client.once("close", () => {
    ended();
    resolve();
  });
  const { credentials, sudo, user } = target;
  const login = credentials.kind === "password" ? credentials.password : null;
  const sudoPassword = sudo === "with-password" ? (target.sudoPassword ?? login) : null;
  const runTarget = { name: nameOf(target), user, sudo, sudoPassword };
  let before: Promise<unknown> = Promise.resolve();
  let open = true;
  void closed.then(() => (open = false));
  return {
    hostKey,
    closed,
    close: end,
    run(script, options) {
      const { stdin } = options;
      const stream = stdin instanceof Readable ? stdin : undefined;
      // it may break before anybody reads it, and an error that nobody listens for would end the hub
      stream?.on("error", () => undefined);
      const work = before
        .then(() => {
          if (open) return runScript(client, runTarget, script, options);
          throw new Fault("unavailable", `the connection to ${runTarget.name} is closed`);
        })
        .finally(() => stream?.destroy());
      // whoever comes next waits for it, whatever becomes of it; its caller hears of a failure
      before = work.catch(() => undefined);
      return work;
    },
  };
}
