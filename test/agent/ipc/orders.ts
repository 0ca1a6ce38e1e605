/** Orders that only remember, for tests of the socket. */
import type { LogsQuery, Orders } from "#src/agent/ipc/orders.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { PingAnswer } from "#src/protocol/ipc.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { script } from "#src/protocol/scripts.ts";

/** What the orders of a test answer to `ping`. */
export const pingAnswer: PingAnswer = {
  pong: true,
  pid: 1,
  version: "1.2.3",
  startedAt: "2026-01-01T00:00:00.000Z",
  program: "/usr/local/bin/orion",
  began: "start",
  rolledBack: false,
  settled: true,
};

export type TestOrders = Orders & {
  readonly logged: { readonly level: string; readonly message: string; readonly source: string }[];
  readonly added: unknown[];
  kept: LogEntry[];
  readonly queries: LogsQuery[];
  /** Gives an entry to every follower. */
  publish(entry: LogEntry): void;
  followers(): number;
  /** Lets `script:stop` of a name end. */
  release(name: string): void;
  stopping(): number;
};

export function entry(seq: number, message = `line ${seq}`): LogEntry {
  return { seq, at: "2026-01-01T00:00:00.000Z", source: "api", stream: "stdout", level: "info", message };
}

export function createTestOrders(): TestOrders {
  const followers = new Set<(entry: LogEntry) => void>();
  const stopping = new Map<string, () => void>();
  const api = script.parse({ name: "api", command: "sleep 1" });
  const status = {
    name: "api",
    state: "running" as const,
    pid: 1,
    uptime: 1,
    restarts: 0,
    cpu: null,
    memory: null,
    lastExit: null,
    nextRestartAt: null,
  };
  const orders: TestOrders = {
    logged: [],
    added: [],
    kept: [],
    queries: [],
    publish(entry) {
      for (const follower of followers) follower(entry);
    },
    followers: () => followers.size,
    release(name) {
      stopping.get(name)?.();
      stopping.delete(name);
    },
    stopping: () => stopping.size,
    status() {
      throw new TypeError("a mistake of ours");
    },
    log(entry) {
      if (entry.message === "full") throw new Fault("unavailable", "no room", { hint: "make room" });
      orders.logged.push(entry);
    },
    recent(query) {
      orders.queries.push(query);
      return orders.kept.slice(-query.lines);
    },
    follow(query, onEntry) {
      orders.queries.push(query);
      followers.add(onEntry);
      return () => void followers.delete(onEntry);
    },
    listScripts: () => [{ script: api, status }],
    showScript(name) {
      if (name !== "api") throw new Fault("not-found", "Script not found");
      return { script: api, status };
    },
    startScript: async () => ({ pid: 42 }),
    stopScript: (name) => new Promise((resolve) => stopping.set(name, resolve)),
    restartScript: () => Promise.reject(new Fault("failed", "cwd /nope does not exist")),
    async addScript(script) {
      orders.added.push(script);
      return { pid: null };
    },
    removeScript: async () => {},
    ping: () => pingAnswer,
    reexec: async () => ({ version: "1.2.4", changed: true }),
    reload: async () => ({ started: [], stopped: [], restarted: [], unchanged: ["api"] }),
  };
  return orders;
}
