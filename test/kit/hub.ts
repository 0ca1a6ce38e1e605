/** A hub that takes everything and remembers it, for tests of the agent alone. */
import { type Heartbeat, heartbeat } from "#src/protocol/heartbeat.ts";

export type TestHub = AsyncDisposable & {
  readonly url: string;
  /** Tokens that are let in; everything else gets a 401. */
  readonly tokens: Set<string>;
  readonly heartbeats: { readonly token: string; readonly agent: string; readonly beat: Heartbeat }[];
  /** Events and log entries, in the order of their arrival. */
  readonly events: Record<string, unknown>[];
  readonly entries: Record<string, unknown>[];
  refused(): number;
};

/** A hub on a port of its own that knows `token`. `hostname`: where it listens. */
export function startTestHub(token: string, hostname = "127.0.0.1"): TestHub {
  const hub = { tokens: new Set([token]), heartbeats: [], events: [], entries: [] } as unknown as TestHub;
  let refused = 0;
  const server = Bun.serve({
    port: 0,
    hostname,
    async fetch(request) {
      const given = (request.headers.get("authorization") ?? "").replace("Bearer ", "");
      if (!hub.tokens.has(given)) {
        refused++;
        return Response.json({ title: "unknown token" }, { status: 401 });
      }
      const path = new URL(request.url).pathname;
      const bytes = Buffer.from(await request.arrayBuffer());
      const coding = request.headers.get("content-encoding");
      const text = (
        coding === "zstd" ? Bun.zstdDecompressSync(bytes) : coding === "gzip" ? Bun.gunzipSync(bytes) : bytes
      ).toString();
      if (path.endsWith("/heartbeat")) {
        hub.heartbeats.push({
          token: given,
          agent: request.headers.get("user-agent") ?? "",
          beat: heartbeat.parse(JSON.parse(text)),
        });
        return Response.json({ receivedAt: new Date().toISOString(), heartbeatInterval: 30 });
      }
      const lines = text.split("\n").filter((line) => line !== "");
      const values = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
      (path.endsWith("/events") ? hub.events : hub.entries).push(...values);
      return Response.json({ accepted: values.length, duplicates: 0 }, { status: 202 });
    },
  });
  return Object.assign(hub, {
    url: `http://${hostname}:${server.port}`,
    refused: () => refused,
    [Symbol.asyncDispose]: () => server.stop(true),
  });
}
