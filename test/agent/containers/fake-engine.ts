/** A Docker engine's API on a Unix socket, as far as a test wants it to go: what it says is set by the test. */
import type { Socket, UnixSocketListener } from "bun";

export type FakeEngine = AsyncDisposable & {
  /** containers by id, as `/containers/{id}/json` tells of them */
  readonly containers: Map<string, object>;
  /** bytes of a container's log */
  readonly logs: Map<string, Buffer>;
  /** paths that were asked for, without the version */
  readonly asked: string[];
  apiVersion: string;
  /** answered for every container */
  stats: object;
  /** a log that is followed stays open, as that of a container that runs */
  follows: boolean;
  /** Tells everyone who listens. */
  happen(event: object): void;
  /** Event streams that are open. */
  listeners(): number;
  /** Logs that are followed. */
  following(): number;
  /** Ends all logs that are followed. */
  cut(): void;
  /** Ends every connection and the socket. */
  stop(): void;
};

export function startFakeEngine(unix: string): FakeEngine {
  const listening = new Set<Socket>();
  const open = new Set<Socket>();
  const following = new Set<Socket>();
  let server: UnixSocketListener<undefined> | undefined;
  const answer = (socket: Socket, status: number, value: unknown): void => {
    const body = JSON.stringify(value);
    socket.end(`HTTP/1.0 ${status} X\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  };
  const engine = {
    containers: new Map<string, object>(),
    logs: new Map<string, Buffer>(),
    asked: [] as string[],
    apiVersion: "1.41",
    stats: {} as object,
    follows: false,
    happen(event: object) {
      for (const socket of listening) socket.write(`${JSON.stringify(event)}\n`);
    },
    listeners: () => listening.size,
    following: () => following.size,
    cut() {
      for (const socket of following) socket.end();
    },
    stop() {
      for (const socket of open) socket.terminate();
      server?.stop(true);
      server = undefined;
    },
    async [Symbol.asyncDispose]() {
      engine.stop();
    },
  };
  server = Bun.listen({
    unix,
    socket: {
      open: (socket) => void open.add(socket),
      close(socket) {
        open.delete(socket);
        listening.delete(socket);
        following.delete(socket);
      },
      data(socket, bytes) {
        const path = (bytes.toString().split(" ")[1] ?? "").replace(/^\/v1\.\d+/, "");
        engine.asked.push(path);
        const [, id = "", what = ""] = /^\/containers\/(\w+)\/(\w+)/.exec(path) ?? [];
        if (path === "/version") answer(socket, 200, { ApiVersion: engine.apiVersion });
        else if (path === "/info") answer(socket, 200, { Name: "engine-host" });
        else if (path.startsWith("/events")) {
          socket.write("HTTP/1.0 200 OK\r\n\r\n");
          listening.add(socket);
        } else if (path.startsWith("/containers/json")) {
          answer(
            socket,
            200,
            [...engine.containers.keys()].map((Id) => ({ Id })),
          );
        } else if (!engine.containers.has(id)) answer(socket, 404, { message: `No such container: ${id}` });
        else if (what === "json") answer(socket, 200, engine.containers.get(id));
        else if (what === "stats") answer(socket, 200, engine.stats);
        else {
          const log = Buffer.concat([Buffer.from("HTTP/1.0 200 OK\r\n\r\n"), engine.logs.get(id) ?? Buffer.alloc(0)]);
          if (engine.follows && path.includes("follow=1")) {
            following.add(socket);
            socket.write(log);
          } else socket.end(log);
        }
      },
    },
  });
  return engine;
}
