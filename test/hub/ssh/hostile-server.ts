/** An SSH server of a test's own that does what a real one never would; it lets everybody in. */
import { type Socket, createServer } from "node:net";

import { type Connection, Server, utils } from "ssh2";

import { fingerprintOf } from "#src/hub/ssh/host-key.ts";
import type { SshTarget } from "#src/hub/ssh/port.ts";

const keys = utils.generateKeyPairSync("ed25519");

export type HostileServer = AsyncDisposable & {
  readonly target: SshTarget;
  /** TCP connections that are open at its side. */
  connections(): number;
};

/** @param behave what it does with whoever has signed in */
export async function startHostileServer(behave: (client: Connection, socket: Socket) => void): Promise<HostileServer> {
  const ssh = new Server({ hostKeys: [keys.private] });
  const sockets = new Set<Socket>();
  let latest: Socket | undefined;
  ssh.on("connection", (client) => {
    const socket = latest;
    client.on("error", () => undefined);
    client.on("authentication", (context) => context.accept());
    client.on("ready", () => {
      if (socket !== undefined) behave(client, socket);
    });
  });
  // does not hang up by itself when the other side does
  const door = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    latest = socket;
    ssh.injectSocket(socket);
  });
  await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
  const at = door.address();
  if (at === null || typeof at === "string") throw new Error("it has no port");
  const parsed = utils.parseKey(keys.public);
  if (parsed instanceof Error) throw parsed;
  return {
    target: {
      host: "127.0.0.1",
      port: at.port,
      user: "anybody",
      credentials: { kind: "password", password: "the password" },
      hostKey: fingerprintOf(parsed.getPublicSSH()),
      sudo: "none",
      sudoPassword: null,
      jump: null,
    },
    connections: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => door.close(() => resolve()));
    },
  };
}
