/**
 * The ways in of the hub on a port of their own: real routes, sockets and store, without the rest of a hub. Every token
 * is the id that it stands for.
 */
import { type Ingest, type IngestWorld, createIngest } from "#src/hub/api/intake/ingest.ts";
import { defaultRateLimits } from "#src/hub/api/intake/rate.ts";
import type { Call } from "#src/hub/api/route.ts";
import { HttpFault, problemOf } from "#src/hub/api/problem.ts";
import type { Logs } from "#src/hub/api/ports.ts";
import { openBlocks } from "#src/hub/store/blocks/blocks.ts";
import { type Clock, systemClock, timestamp } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { arrived } from "#test/hub/store/blocks/open.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

export type IngestRig = AsyncDisposable & {
  readonly url: string;
  readonly ingest: Ingest;
  readonly logs: Logs;
  /** what it logged, `level message` */
  readonly said: readonly string[];
  /** As agent of a server, or as a source: both are called by their id. */
  post(path: string, body: BodyInit, headers?: Record<string, string>): Promise<Response>;
  /** A stream of server `id`. */
  stream(id?: string): TestStream;
  /** The token of `id` dies. */
  kill(id: string): void;
  /** Everything of one sender, in order of arrival. */
  stored(id?: string): StoredEntry[];
};

export const server = "server-1";
export const source = "source-1";

export type RigOptions = {
  readonly clock?: Clock;
  readonly folder?: string;
  readonly logs?: (store: Logs) => Logs;
  readonly metrics?: IngestWorld["metrics"];
  readonly rateLimits?: IngestWorld["rateLimits"];
};

export async function startIngest(options: RigOptions = {}): Promise<IngestRig> {
  const own = options.folder === undefined ? temporaryFolder() : undefined;
  const clock = options.clock ?? systemClock;
  const said: string[] = [];
  const say = (level: string) => (message: string) => void said.push(`${level} ${message}`);
  const warn = say("warn");
  const store = await openBlocks(options.folder ?? own?.path ?? "", systemClock, (error) => warn(reasonOf(error)));
  const logs = options.logs?.(store) ?? store;
  const dead = new Set<string>();
  const listeners = new Set<(id: string) => void>();
  const ingest = createIngest({
    servers: {
      authenticate: (id, token) => id !== "" && id === token && !dead.has(id),
      beat: () => undefined,
      onTokenDead(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    logs,
    events: { appendEvents: async ({ events }) => ({ accepted: events.length, duplicates: 0 }) },
    metrics: options.metrics ?? { record: () => undefined, take: () => ({ refused: 0, reason: "" }) },
    clock,
    log: { debug: say("debug"), warn: say("warn"), error: say("error") },
    heartbeatSeconds: 30,
    rateLimits: options.rateLimits ?? defaultRateLimits,
  });

  async function answer(request: Request): Promise<Response> {
    const route = ingest.routes.find(
      ({ method, path }) => method === request.method && path === new URL(request.url).pathname,
    );
    if (route === undefined) return new Response(null, { status: 404 });
    const id = (request.headers.get("authorization") ?? "").replace("Bearer ", "");
    try {
      if (id === "" || dead.has(id)) throw new HttpFault(401, "who are you?");
      const caller =
        route.permission === "agent"
          ? { kind: "agent", serverId: id }
          : { kind: "source", sourceId: id, name: `app-${id}`, projectId: "p" };
      return await route.handle({ request, caller, params: {}, query: undefined } as unknown as Call);
    } catch (error) {
      const response = route.refuse?.(request, error) ?? problemOf(error);
      if (response.status === 500) say("error")(String(error));
      return response;
    }
  }

  const listening = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 60,
    maxRequestBodySize: 1024 * 1024 * 1024,
    websocket: ingest.stream.websocket,
    fetch(request, self) {
      if (ingest.stream.asks(request)) return ingest.stream.upgrade(request, self);
      return answer(request);
    },
  });
  const url = `http://127.0.0.1:${listening.port}`;
  return {
    url,
    ingest,
    logs,
    said,
    post: (path, body, headers = {}) =>
      fetch(url + path, { method: "POST", body, headers: { authorization: `Bearer ${source}`, ...headers } }),
    stream: (id = server) => openStream(url, id),
    kill(id) {
      dead.add(id);
      for (const listener of listeners) listener(id);
    },
    stored: (id = source) => arrived(store).filter((entry) => entry.serverId === id),
    async [Symbol.asyncDispose]() {
      await ingest.stream.close();
      await listening.stop(true);
      store.close();
      await own?.[Symbol.asyncDispose]();
    },
  };
}

/** Entries of a server, numbered, a millisecond apart. */
export function entries(from: number, to: number, rest: Partial<LogEntry> = {}): LogEntry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => {
    const seq = from + i;
    const at = timestamp(Date.parse("2026-01-01T00:00:00.000Z") + seq);
    return { seq, at, source: "api", stream: "container", level: "info", message: `line ${seq}`, ...rest };
  });
}

/** One end of a stream, which remembers what it was told. */
export type TestStream = AsyncDisposable & {
  readonly socket: WebSocket & Pick<Bun.WebSocket, "terminate" | "ping">;
  readonly answers: Record<string, unknown>[];
  readonly opened: Promise<void>;
  readonly ended: Promise<{ readonly code: number; readonly reason: string }>;
  /** Text and bytes as they are, anything else as JSON. */
  send(message: unknown): void;
};

/** Opens a stream; a token that is not `id` itself may be given. */
export function openStream(url: string, id: string, token = id): TestStream {
  const headers = { authorization: `Bearer ${token}`, "x-server-id": id, "user-agent": "orion-agent/1.2.3" };
  // the browser's type, which knows no headers, hides Bun's
  const options = { headers } as unknown as string[];
  const socket = new WebSocket(`${url.replace("http", "ws")}/api/v1/agent/stream`, options) as TestStream["socket"];
  const answers: Record<string, unknown>[] = [];
  const opened = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<{ code: number; reason: string }>();
  // whoever doesn't wait for it doesn't care
  opened.promise.catch(() => undefined);
  socket.addEventListener("open", () => opened.resolve());
  socket.addEventListener("message", ({ data }) => void answers.push(JSON.parse(String(data)) as (typeof answers)[0]));
  socket.addEventListener("close", ({ code, reason }) => {
    opened.reject(new Error(`closed with ${code} ${reason}`));
    ended.resolve({ code, reason });
  });
  return {
    socket,
    answers,
    opened: opened.promise,
    ended: ended.promise,
    send: (message) =>
      socket.send(
        message instanceof Uint8Array
          ? new Uint8Array(message)
          : typeof message === "string"
            ? message
            : JSON.stringify(message),
      ),
    async [Symbol.asyncDispose]() {
      socket.terminate();
      await ended.promise;
    },
  };
}
