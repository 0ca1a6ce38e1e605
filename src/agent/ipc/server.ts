/** The agent's Unix socket: its only listener. */
import { lstatSync, unlinkSync } from "node:fs";

import type { Socket, UnixSocketListener } from "bun";

import { removeIfThere } from "#src/lib/files.ts";
import { anyReadable, setBacklog } from "#src/lib/libc.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";

import { shareSocket } from "./access.ts";
import { type Connection, createConnection } from "./connection.ts";
import type { Orders } from "./orders.ts";

/** sun_path of unix(7) holds 108 bytes, the closing NUL included. */
export const maxSocketPathBytes = 107;

/** Clients that connect in one moment, such as a script that logs by a thousand short commands. */
const maxWaitingClients = 4096;

export type IpcServer = {
  /** Listens. @throws {Fault} naming what is in the way */
  start(): Promise<void>;
  /** Hangs up on every client and removes the socket. `replaced`: clients are told that a successor will be there. */
  stop(options?: { readonly replaced: boolean }): Promise<void>;
};

type Client = { connection: Connection | undefined };

/** A server at `path` for `orders`; `onError` hears of what should not have happened. */
export function createIpcServer(path: string, orders: Orders, onError: (message: string) => void): IpcServer {
  let listener: UnixSocketListener<Client> | undefined;
  const clients = new Set<Socket<Client>>();

  return {
    async start() {
      await clearStale(path);
      // made 0600 and opened up afterwards: between the two nobody else can slip in
      const umask = process.umask(0o177);
      try {
        listener = Bun.listen<Client>({
          unix: path,
          allowHalfOpen: true,
          data: { connection: undefined },
          socket: {
            open(socket) {
              clients.add(socket);
              socket.data = { connection: createConnection(wireOf(socket), orders, onError) };
            },
            data: (socket, chunk) => socket.data.connection?.receive(chunk),
            drain: (socket) => socket.data.connection?.drain(),
            end: (socket) => socket.data.connection?.finish(),
            close(socket) {
              clients.delete(socket);
              socket.data.connection?.close();
            },
            error: (_socket, error) => onError(`the socket failed: ${error.message}`),
          },
        });
        // a full queue refuses whoever doesn't wait, and Bun's holds 512; if this fails it stays so
        const fd = descriptorOf(listener);
        if (fd !== undefined) setBacklog(fd, maxWaitingClients);
        shareSocket(path);
      } catch (error) {
        throw new Fault("failed", `the socket ${path} can't be opened: ${reasonOf(error)}`, { cause: error });
      } finally {
        process.umask(umask);
      }
    },
    async stop({ replaced } = { replaced: false }) {
      if (replaced && listener !== undefined) {
        await takeInWhoWaits(path, listener);
        for (const socket of clients) socket.data.connection?.replaced();
        // answers go out in a microtask of the turn in which they were given
        await Promise.resolve();
      }
      listener?.stop(true);
      listener = undefined;
      for (const socket of clients) socket.terminate();
      clients.clear();
    },
  };
}

/**
 * Nobody can connect from now on, and whoever has is taken in: one who is still in the kernel's queue when the socket
 * closes could not tell whether the request was read.
 */
async function takeInWhoWaits(path: string, listener: UnixSocketListener<Client>): Promise<void> {
  removeIfThere(path);
  const fd = descriptorOf(listener);
  const queue = fd === undefined ? [] : [fd];
  do await new Promise((resolve) => setImmediate(resolve));
  while (anyReadable(queue));
}

/** The listening socket's descriptor, which Bun's types don't name. */
function descriptorOf(listener: UnixSocketListener<Client>): number | undefined {
  return "fd" in listener && typeof listener.fd === "number" && listener.fd >= 0 ? listener.fd : undefined;
}

function wireOf(socket: Socket<Client>) {
  return {
    write: (bytes: Uint8Array) => socket.write(bytes),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    end: () => void socket.end(),
    terminate: () => socket.terminate(),
  };
}

/** Removes a socket that nobody listens on any more. @throws {Fault} when somebody does, or when it is no socket */
async function clearStale(path: string): Promise<void> {
  const length = Buffer.byteLength(path);
  if (length > maxSocketPathBytes) {
    throw new Fault("invalid", `the socket path ${path} is ${length} bytes long, ${maxSocketPathBytes} is the most`, {
      hint: "Choose a shorter folder",
    });
  }
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new Fault("conflict", `${path} is in the way: it is not a socket`, { hint: `Move ${path} away` });
  }
  if (await answers(path)) {
    throw new Fault("conflict", `something already listens on ${path}`, { hint: "Stop it first" });
  }
  unlinkSync(path);
}

async function answers(path: string): Promise<boolean> {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data() {} } });
    socket.terminate();
    return true;
  } catch {
    // ECONNREFUSED: nobody listens, which is what was asked
    return false;
  }
}
