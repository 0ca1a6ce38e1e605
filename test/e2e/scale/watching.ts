/** Who looks on while hubs are killed: the state of all servers, a live tail, and hosts that jobs go to. */
import { createServer } from "node:net";

import { readEvents } from "../../hub/kit/hub.ts";
import type { Hubs } from "./hubs.ts";

type Looked = {
  /** answers that were got, and servers that one of them called disconnected, with when */
  readonly looks: number;
  readonly wrong: readonly string[];
  /** seconds since the report that was longest ago, as the hubs saw it */
  readonly oldest: number;
};

/** What is looked at of a server. */
export type Seen = {
  readonly hostname: string;
  readonly agent: { readonly status: string; readonly lastSeen: string };
};

/** Asks for all servers again and again, of each hub in turn, until it is ended. */
export function watchStates(hubs: Hubs, count: number): { end(): Promise<Looked> } {
  const wrong: string[] = [];
  const life = { over: false };
  const began = performance.now();
  let [looks, oldest] = [0, 0];

  async function look(name: string): Promise<void> {
    const { servers } = await hubs.ask<{ servers: Seen[] }>("/api/servers?limit=10000", {}, name);
    if (servers.length < count) wrong.push(`${name} knows ${servers.length} servers`);
    const second = Math.round((performance.now() - began) / 1000);
    const silent = servers.filter(({ agent }) => agent.status !== "connected");
    const now = Date.now();
    for (const { agent } of servers) oldest = Math.max(oldest, (now - Date.parse(agent.lastSeen)) / 1000);
    if (silent.length > 0)
      wrong.push(`${name} after ${second} s: ${silent.length} disconnected, such as ${silent[0]?.hostname}`);
    looks++;
  }

  async function run(): Promise<void> {
    while (!life.over) {
      for (const name of hubs.names) {
        // one that is killed answers nothing, which is no wrong answer
        if (!life.over) await look(name).catch(() => undefined);
      }
      await Bun.sleep(500);
    }
  }

  const running = run();
  return {
    async end() {
      life.over = true;
      await running;
      return { looks, wrong, oldest };
    },
  };
}

export type Tailed = {
  readonly seqs: readonly number[];
  readonly skipped: number;
  readonly connections: number;
  /** from the time of a line to its arrival here, in milliseconds */
  readonly latenciesMs: readonly number[];
};

/** Follows the lines of one server by way of the balancer, and goes on where it was whenever the connection ends. */
export function followTail(hubs: Hubs, serverId: string): { seqs(): number; end(): Tailed } {
  const seqs: number[] = [];
  const latenciesMs: number[] = [];
  const life = { over: false };
  let [skipped, connections] = [0, 0];
  let last: string | null = null;
  const abort = new AbortController();

  async function read(): Promise<void> {
    const headers: Record<string, string> = { authorization: `Bearer ${hubs.key}` };
    if (last !== null) headers["last-event-id"] = last;
    const url = `${hubs.balancer.url}/api/logs/tail?server=${serverId}`;
    const response = await fetch(url, { headers, signal: abort.signal });
    if (!response.ok) throw new Error(await response.text());
    connections++;
    for await (const { event, data, id } of readEvents(response)) {
      if (id !== null) last = id;
      if (event === "skipped") skipped += (data as { lines: number }).lines;
      if (event !== "log") continue;
      const entry = data as { seq: number; at: string };
      seqs.push(entry.seq);
      latenciesMs.push(Date.now() - Date.parse(entry.at));
    }
  }

  async function run(): Promise<void> {
    while (!life.over) {
      // the hub was killed, or is away: it is asked again
      await read().catch(() => undefined);
      if (!life.over) await Bun.sleep(250);
    }
  }

  void run();
  return {
    seqs: () => seqs.length,
    end() {
      life.over = true;
      abort.abort();
      return { seqs, skipped, connections, latenciesMs };
    },
  };
}

/** A host that takes connections and says nothing, and counts how many hubs were at work on it at the same time. */
export type Host = AsyncDisposable & { readonly port: number; connections(): number; mostAtOnce(): number };

export async function startHost(): Promise<Host> {
  let [connections, now, most] = [0, 0, 0];
  const server = createServer((socket) => {
    connections++;
    most = Math.max(most, ++now);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => now--);
    // what a hub says first; nothing is answered
    socket.resume();
    // not a word of SSH: the job fails after a while
    setTimeout(() => socket.destroy(), 4000);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the host has no port");
  return {
    port: address.port,
    connections: () => connections,
    mostAtOnce: () => most,
    async [Symbol.asyncDispose]() {
      server.close();
      await Promise.resolve();
    },
  };
}
