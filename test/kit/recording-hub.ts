/** A hub that keeps what it is sent in memory, and that can be told to fail, stall or refuse. */
import type { AgentEvent } from "#src/protocol/event.ts";
import type { LogEntry } from "#src/protocol/log.ts";

/** What happens to the next request: `lose` takes it, but its answer never arrives: a proxy says 502. */
export type Mood = "take" | "lose" | 500 | 401 | 400 | 413;

export type RecordingHub = AsyncDisposable & {
  readonly url: string;
  /** every entry that was taken, repeats left out, in the order of arrival */
  readonly entries: LogEntry[];
  readonly events: (AgentEvent & { seq: number })[];
  /** numbers that came again */
  repeats: number;
  requests: number;
  heartbeats: number;
  mood: (path: string, entries: readonly LogEntry[]) => Mood;
};

/** Starts one on the loopback. */
export function startRecordingHub(port = 0): RecordingHub {
  let highest = 0;
  const hub = {
    entries: [] as LogEntry[],
    events: [] as (AgentEvent & { seq: number })[],
    repeats: 0,
    requests: 0,
    heartbeats: 0,
    mood: (() => "take") as RecordingHub["mood"],
  };
  const isNew = (seq: number): boolean => {
    if (seq <= highest) {
      hub.repeats++;
      return false;
    }
    highest = seq;
    return true;
  };
  const server = Bun.serve({
    port,
    hostname: "127.0.0.1",
    async fetch(request) {
      hub.requests++;
      const path = new URL(request.url).pathname;
      let body = Buffer.from(await request.arrayBuffer());
      if (request.headers.get("content-encoding") === "zstd") body = Buffer.from(Bun.zstdDecompressSync(body));
      const logs = path.endsWith("/logs") ? (Bun.JSONL.parse(body) as LogEntry[]) : [];
      const mood = hub.mood(path, logs);
      if (mood === "take" || mood === "lose") {
        if (path.endsWith("/heartbeat")) hub.heartbeats++;
        else if (path.endsWith("/events")) {
          const event = JSON.parse(body.toString()) as AgentEvent & { seq: number };
          if (isNew(event.seq)) hub.events.push(event);
        } else hub.entries.push(...logs.filter(({ seq }) => isNew(seq)));
      }
      if (mood !== "take") return Response.json({ title: "told to" }, { status: mood === "lose" ? 502 : mood });
      if (path.endsWith("/heartbeat")) {
        return Response.json({ receivedAt: new Date().toISOString(), heartbeatInterval: 30 });
      }
      return Response.json({ accepted: logs.length, duplicates: 0 }, { status: 202 });
    },
  });
  return Object.assign(hub, {
    url: `http://127.0.0.1:${server.port}`,
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  });
}
