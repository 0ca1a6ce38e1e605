/** A hub that takes batches by POST and over the stream, keeps what came in which way, and ends streams as it is told. */
import type { ServerWebSocket } from "bun";

import type { LogEntry } from "#src/protocol/log.ts";
import type { StreamFrame } from "#src/protocol/stream.ts";

export type StreamHub = AsyncDisposable & {
  readonly url: string;
  /** every entry that was taken, repeats left out, in the order of arrival */
  readonly entries: LogEntry[];
  /** numbers that came again */
  repeats(): number;
  /** how each batch came, in order */
  readonly ways: ("post" | "frame")[];
  /** whether frames that come are acknowledged, kept for later, taken without an answer, or the connection is closed */
  answer: "ack" | "hold" | "lose" | { readonly close: number; readonly retryAfterMs?: number };
  /** 101: streams are opened */
  handshake: number;
  /** what a POST of logs is answered */
  post: number;
  handshakes: number;
  /** bytes of frames as they crossed the wire; text ones are counted as 0 */
  readonly binary: number[];
  /** Takes and acknowledges the frames that were held, with one acknowledgement for all. */
  release(): void;
  held(): number;
  streams(): number;
  /** Drops all streams without a word. */
  cut(): void;
};

export function startStreamHub(certificate?: { readonly cert: string; readonly key: string }): StreamHub {
  let highest = 0;
  let repeats = 0;
  const open = new Set<ServerWebSocket>();
  let holding: { socket: ServerWebSocket; frame: StreamFrame }[] = [];
  const take = (entries: readonly LogEntry[]): void => {
    for (const entry of entries) {
      if (entry.seq <= highest) repeats++;
      else hub.entries.push(entry);
      highest = Math.max(highest, entry.seq);
    }
  };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    ...(certificate && { tls: { cert: Bun.file(certificate.cert), key: Bun.file(certificate.key) } }),
    async fetch(request, self) {
      const { pathname } = new URL(request.url);
      if (pathname.endsWith("/stream")) {
        hub.handshakes++;
        if (hub.handshake === 101 && self.upgrade(request)) return undefined;
        return new Response("", { status: hub.handshake });
      }
      let body = Buffer.from(await request.arrayBuffer());
      if (request.headers.get("content-encoding") === "zstd") body = Buffer.from(Bun.zstdDecompressSync(body));
      if (!pathname.endsWith("/logs"))
        return Response.json({ receivedAt: "2030-01-01T00:00:00.000Z", heartbeatInterval: 30 });
      if (hub.post !== 202) return Response.json({ title: "told to" }, { status: hub.post });
      hub.ways.push("post");
      take(Bun.JSONL.parse(body) as LogEntry[]);
      return Response.json({ accepted: 1, duplicates: 0 }, { status: 202 });
    },
    websocket: {
      perMessageDeflate: false,
      open: (socket) => void open.add(socket),
      close: (socket) => void open.delete(socket),
      message(socket, message) {
        const json = typeof message === "string" ? message : Bun.zstdDecompressSync(message).toString();
        const frame = JSON.parse(json) as StreamFrame;
        hub.binary.push(typeof message === "string" ? 0 : message.length);
        hub.ways.push("frame");
        const { answer } = hub;
        if (answer === "hold") holding.push({ socket, frame });
        else if (typeof answer === "object") {
          const { close: code, ...more } = answer;
          socket.send(JSON.stringify({ type: "error", code, message: "told to", ...more }));
          socket.close(code, "told to");
        } else {
          take(frame.entries);
          if (answer === "ack") socket.send(JSON.stringify({ type: "ack", seq: frame.seq }));
        }
      },
    },
  });
  const hub: StreamHub = {
    url: certificate ? `https://localhost:${server.port}` : `http://127.0.0.1:${server.port}`,
    entries: [],
    ways: [],
    binary: [],
    answer: "ack",
    handshake: 101,
    post: 202,
    handshakes: 0,
    repeats: () => repeats,
    release() {
      for (const { frame } of holding) take(frame.entries);
      const last = holding.at(-1);
      last?.socket.send(JSON.stringify({ type: "ack", seq: last.frame.seq }));
      holding = [];
    },
    held: () => holding.length,
    streams: () => open.size,
    cut() {
      for (const socket of open) socket.terminate();
    },
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  };
  return hub;
}
