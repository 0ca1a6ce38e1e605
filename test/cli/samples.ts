/** Answers of a daemon, whole. */
import type { ContainerStatus, ScriptStatus } from "#src/protocol/heartbeat.ts";
import type { StatusAnswer } from "#src/protocol/ipc.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import type { Script } from "#src/protocol/scripts.ts";

export const running: ScriptStatus = {
  name: "api-backend",
  state: "running",
  pid: 4242,
  uptime: 3700,
  restarts: 1,
  cpu: 12.34,
  memory: 52_428_800,
  lastExit: null,
  nextRestartAt: null,
};

export const crashed: ScriptStatus = {
  name: "worker",
  state: "crashed",
  pid: null,
  uptime: null,
  restarts: 3,
  cpu: null,
  memory: null,
  lastExit: { code: 3, signal: null, observed: true, oom: false, at: "2026-01-01T00:00:50.000Z" },
  nextRestartAt: "2026-01-01T00:01:04.000Z",
};

export const container: ContainerStatus = {
  id: "c0ffee".padEnd(64, "0"),
  name: "odoo",
  image: "odoo:17",
  state: "running",
  health: "healthy",
  restartCount: 2,
  startedAt: "2025-12-31T23:56:00.000Z",
  cpu: 1.5,
  memory: { usage: 1024, limit: null },
  source: "shop/odoo",
};

export const status: StatusAnswer = {
  version: "0.1.0",
  pid: 77,
  startedAt: "2026-01-01T00:00:00.000Z",
  hostname: "web-1",
  system: {
    cpu: { usage: 12.5, cores: 8 },
    memory: { total: 8_589_934_592, used: 4_294_967_296, available: 4_294_967_296, usage: 50 },
    disk: { path: "/", total: 107_374_182_400, used: 21_474_836_480, usage: 20 },
    network: { rxBytes: 1, txBytes: 2, rxRate: 1536, txRate: null },
    load: [0.1, 0.2, 0.3],
    uptime: 90_061,
  },
  scripts: [running, crashed],
  docker: { available: false, error: null },
  containers: [],
  delivery: {
    state: "away",
    endpoint: "https://hub.example",
    lastAck: "2026-01-01T00:00:30.000Z",
    lastError: "no route to host",
    nextAttemptAt: "2026-01-01T00:01:10.000Z",
    ledger: { read: 12_345, sent: 12_000, acknowledged: 12_000, dropped: 45, buffered: 300, bufferedBytes: 61_440 },
  },
  problems: [{ what: "disk", why: "it is full", todo: "Free space" }],
};

export const script = (name: string): Script => ({
  name,
  command: "sleep 100",
  autoRestart: true,
  maxRestarts: 5,
  backoffBase: 1000,
  captureOutput: true,
  killSignal: "SIGTERM",
  killTimeout: 10_000,
  stableAfter: 10_000,
  enabled: true,
});

export const entry = (seq: number, more: Partial<LogEntry> = {}): LogEntry => ({
  seq,
  at: "2026-01-01T00:00:00.000Z",
  source: "api-backend",
  stream: "stdout",
  level: "info",
  message: `line ${seq}`,
  ...more,
});
