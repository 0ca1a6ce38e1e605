/** The agents' WebSocket streams: who may open one, all that are open, and their end. */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { maxFrameBytes, streamCloses, streamPath } from "#src/protocol/stream.ts";
import type { Admission } from "./admission.ts";
import { bearerOf } from "../authorize.ts";
import type { Logs, Servers } from "../ports.ts";
import { HttpFault, challenge, problem, retryAfterSeconds } from "../problem.ts";
import { type Route, route } from "../route.ts";
import { type Connection, createConnection } from "./stream-connection.ts";
import { createPace } from "./stream-pace.ts";

/** Open streams of all servers. */
const maxStreams = 20_000;
/** Of one server: a connection that was cut lives on for a while on this side, so one is too few. */
const maxStreamsOfServer = 4;
/** How often silence is looked for. */
const watchEveryMs = 5000;
/** Acknowledgements that an agent has not read; far beyond what its frames on the way can make. */
const maxUnreadBytes = 256 * 1024;

/** What a socket carries; `connection` is there from its opening on. */
export type StreamData = { readonly serverId: string; connection: Connection | undefined };

/** What is needed of `Bun.Server`. */
type Upgrader = { upgrade(request: Request, options: { data: StreamData }): boolean };

export type StreamSocket = {
  /** The row of the table, which answers requests that are no handshake. */
  readonly route: Route;
  /** Whether a request asks for a stream, and so is for `upgrade` and not for the routes. */
  asks(request: Request): boolean;
  /** Makes a WebSocket of an agent's request. undefined: it is one now; else the answer that says why not. */
  upgrade(request: Request, server: Upgrader): Response | undefined | Promise<Response | undefined>;
  /** For `Bun.serve`. */
  readonly websocket: Bun.WebSocketHandler<StreamData>;
  count(): number;
  /** Lets in no more, answers what was taken, and closes all. Before the store is closed. */
  close(): Promise<void>;
};

export type StreamWorld = {
  readonly servers: Pick<Servers, "authenticate" | "onTokenDead">;
  readonly logs: Pick<Logs, "append">;
  readonly admission: Pick<Admission, "reserve">;
  readonly clock: Clock;
  readonly log: { debug(message: string): void; error(message: string): void };
  /** Resolves once it is known here which servers other hubs have registered; left out: there are no others. */
  readonly catchUp?: (() => Promise<void>) | undefined;
};

export function createStreamSocket({ servers, logs, admission, clock, log, catchUp }: StreamWorld): StreamSocket {
  const open = new Map<string, Connection[]>();
  let count = 0;
  let stopping = false;
  let cancelWatch: Cancel | undefined;
  const pace = createPace(() => clock.monotonic());
  const { gatherMs } = pace;
  const error = (message: string) => log.error(message);
  const cancelDead = servers.onTokenDead((id) => {
    for (const connection of open.get(id) ?? []) {
      connection.end(streamCloses.token, "the agent token was rotated or revoked");
    }
  });

  function add(connection: Connection): void {
    const own = open.get(connection.serverId) ?? [];
    own.push(connection);
    open.set(connection.serverId, own);
    count++;
    if (own.length > maxStreamsOfServer) own[0]?.end(streamCloses.replaced, "the server has opened newer streams");
    cancelWatch ??= clock.after(watchEveryMs, watch);
  }

  function remove(connection: Connection): void {
    const own = open.get(connection.serverId) ?? [];
    const rest = own.filter((other) => other !== connection);
    count -= own.length - rest.length;
    if (rest.length === 0) open.delete(connection.serverId);
    else open.set(connection.serverId, rest);
  }

  function watch(): void {
    for (const own of open.values()) for (const connection of own) connection.watch();
    cancelWatch = open.size === 0 ? undefined : clock.after(watchEveryMs, watch);
  }

  const serverIdOf = (request: Request): string => request.headers.get("x-server-id") ?? "";
  const isKnown = (request: Request): boolean => servers.authenticate(serverIdOf(request), bearerOf(request) ?? "");

  function upgrade(request: Request, server: Upgrader): Response | undefined | Promise<Response | undefined> {
    if (catchUp === undefined || isKnown(request)) return admit(request, server);
    return catchUp().then(() => admit(request, server));
  }

  function admit(request: Request, server: Upgrader): Response | undefined {
    const serverId = serverIdOf(request);
    if (!isKnown(request)) {
      return problem(401, "the agent token is wrong, or it was rotated or revoked", challenge);
    }
    if (stopping || count >= maxStreams) {
      const why = stopping ? "the hub is stopping" : "too many streams are open";
      return problem(503, why, { "retry-after": String(retryAfterSeconds) });
    }
    if (server.upgrade(request, { data: { serverId, connection: undefined } })) return undefined;
    return problem(400, "this is not a WebSocket handshake (RFC 6455 section 4.1)");
  }

  return {
    asks: (request) =>
      request.headers.get("upgrade")?.toLowerCase() === "websocket" && new URL(request.url).pathname === streamPath,
    upgrade,
    count: () => count,
    route: route({
      method: "GET",
      path: streamPath,
      permission: "agent",
      group: "Agents",
      summary: "Deliver log entries over a WebSocket, each frame acknowledged once it is durable",
      status: 101,
      handle() {
        throw new HttpFault(426, "this is a WebSocket: send Upgrade: websocket", {
          upgrade: "websocket",
          connection: "Upgrade",
        });
      },
    }),
    websocket: {
      maxPayloadLength: maxFrameBytes,
      backpressureLimit: maxUnreadBytes,
      closeOnBackpressureLimit: true,
      // pings and silence are watched here, by the contract's times
      idleTimeout: 0,
      sendPings: false,
      perMessageDeflate: false,
      open(socket) {
        const connection = createConnection(socket.data.serverId, socket, { logs, admission, clock, gatherMs, error });
        socket.data.connection = connection;
        add(connection);
        // the token may have died, or the hub begun to stop, between handshake and opening
        if (stopping) connection.end(streamCloses.stopping, "the hub is stopping");
        log.debug(`server ${connection.serverId} opened a stream, ${count} are open`);
      },
      message(socket, message) {
        pace.count();
        socket.data.connection?.receive(message);
      },
      ping: (socket) => socket.data.connection?.heard(),
      pong: (socket) => socket.data.connection?.heard(),
      close(socket, code) {
        const { connection } = socket.data;
        if (connection === undefined) return;
        connection.closed();
        remove(connection);
        log.debug(`the stream of server ${connection.serverId} was closed with ${code}, ${count} are open`);
      },
      error(failure, socket) {
        log.error(`the stream of server ${socket.data.serverId} failed: ${failure.message}`);
        socket.data.connection?.end(streamCloses.failed, "the hub failed; its log says why");
      },
    },
    async close() {
      stopping = true;
      cancelDead();
      cancelWatch?.();
      cancelWatch = undefined;
      const all = [...open.values()].flat();
      await Promise.all(all.map(async (connection) => await connection.settle()));
      for (const connection of all) connection.end(streamCloses.stopping, "the hub is stopping");
    },
  };
}
