/** The agent's Unix socket: its only listener. */
import { lstatSync, unlinkSync } from "node:fs";

import type { Socket, UnixSocketListener } from "bun";

import { setBacklog } from "#src/lib/libc.ts";
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
        if ("fd" in listener && typeof listener.fd === "number") setBacklog(listener.fd, maxWaitingClients);
        shareSocket(path);
      } catch (error) {
        throw new Fault("failed", `the socket ${path} can't be opened: ${reasonOf(error)}`, { cause: error });
      } finally {
        process.umask(umask);
      }
    },
    async stop({ replaced } = { replaced: false }) {
      // accepts no more, and takes the socket's file away
      listener?.stop();
      if (replaced) {
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
