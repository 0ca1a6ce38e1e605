/** Simulated servers: who they are, and what their agents report at a given time. Pure; the same for the same number. */
import { timestamp } from "#src/lib/clock.ts";
import type { ContainerStatus, Heartbeat, ScriptStatus } from "#src/protocol/heartbeat.ts";

export type Simulated = {
  readonly hostname: string;
  readonly project: "default" | "shop" | "edge";
  readonly scripts: readonly string[];
  readonly containers: readonly string[];
  /** what is wrong with it; "new": registered, and its agent was never started */
  readonly trouble: "crashed" | "unhealthy" | "disk" | "losing" | "new" | null;
};

const roles = [
  { name: "web", project: "shop", scripts: ["api", "worker"], containers: ["nginx", "redis"] },
  { name: "db", project: "shop", scripts: ["backup"], containers: ["postgres"] },
  { name: "odoo", project: "default", scripts: ["cron"], containers: ["odoo", "postgres", "nginx"] },
  { name: "edge", project: "edge", scripts: ["proxy", "metrics-relay"], containers: [] },
] as const;

/** Every so many servers one has this trouble; the offsets keep them on different ones. */
const troubles = [
  { trouble: "crashed", every: 23, at: 4 },
  { trouble: "unhealthy", every: 31, at: 6 },
  { trouble: "disk", every: 37, at: 1 },
  { trouble: "losing", every: 61, at: 11 },
  { trouble: "new", every: 97, at: 9 },
] as const;

const mib = 1024 ** 2;
const gib = 1024 ** 3;
const hourMs = 3_600_000;

/** The first `count` servers of a fleet. */
export function simulateServers(count: number): readonly Simulated[] {
  return Array.from({ length: count }, (_, i) => {
    const { name, ...role } = roles[i % roles.length] ?? roles[0];
    const trouble = troubles.find(({ every, at }) => i % every === at)?.trouble ?? null;
    return { hostname: `${name}-${Math.floor(i / roles.length) + 1}`, ...role, trouble };
  });
}

/** What the agent of `server`, the `i`th of the fleet, reports at a time. */
export function heartbeatOf(server: Simulated, i: number, atMs: number): Heartbeat {
  const wave = (periodMs: number, shift: number) =>
    (1 + Math.sin(((atMs % periodMs) / periodMs) * 2 * Math.PI + shift)) / 2;
  const noise = (Bun.hash.crc32(`${i} ${Math.floor(atMs / 10_000)}`) % 1000) / 1000;
  const busy = Math.min(98, 8 + (i % 5) * 9 + wave(4 * hourMs, i) * 30 + noise * 12);
  const used = 0.25 + (i % 7) * 0.07 + wave(7 * hourMs, i * 2) * 0.12;
  const full = server.trouble === "disk" ? 96.4 : 22 + ((i * 7) % 55) + wave(24 * hourMs, i) * 2;
  const [memory, disk] = [[8, 16, 32][i % 3]! * gib, [80, 160, 400][i % 3]! * gib];
  const seconds = Math.floor(atMs / 1000) - 1_700_000_000;
  return {
    at: timestamp(atMs),
    hostname: server.hostname,
    agent: { version: "1.4.0", startedAt: timestamp(atMs - 26 * hourMs) },
    system: {
      cpu: { usage: busy, cores: [2, 4, 8][i % 3]! },
      memory: { total: memory, used: memory * used, available: memory * (1 - used), usage: used * 100 },
      disk: { path: "/", total: disk, used: (disk * full) / 100, usage: full },
      network: {
        rxBytes: seconds * 90_000,
        txBytes: seconds * 30_000,
        rxRate: 40_000 + wave(2 * hourMs, i) * 900_000 + noise * 80_000,
        txRate: 20_000 + wave(2 * hourMs, i + 1) * 300_000 + noise * 20_000,
      },
      load: [busy / 30, busy / 34, busy / 38],
      uptime: 86_400 * (3 + (i % 90)),
    },
    scripts: server.scripts.map((name, n) => scriptOf(name, n, server.trouble, atMs)),
    docker: { available: server.containers.length > 0, error: null },
    containers: server.containers.map((name, n) => containerOf(name, n, i, server.trouble, atMs)),
    delivery: server.trouble === "losing" ? { buffered: 8211, dropped: 420 } : { buffered: 0, dropped: 0 },
  };
}

function scriptOf(name: string, n: number, trouble: Simulated["trouble"], atMs: number): ScriptStatus {
  if (trouble === "crashed" && n === 0) {
    const lastExit = { code: 1, signal: null, observed: true, oom: false, at: timestamp(atMs - 20_000) };
    const nextRestartAt = timestamp(atMs + 40_000);
    return {
      name,
      state: "crashed",
      pid: null,
      uptime: null,
      restarts: 4,
      cpu: null,
      memory: null,
      lastExit,
      nextRestartAt,
    };
  }
  return {
    name,
    state: "running",
    pid: 1200 + n * 31,
    uptime: 93_000 + n * 411,
    restarts: 0,
    cpu: 4 + n * 3 + ((atMs / 1000) % 7),
    memory: (90 + n * 65) * mib,
    lastExit: null,
    nextRestartAt: null,
  };
}

function containerOf(name: string, n: number, i: number, trouble: Simulated["trouble"], atMs: number): ContainerStatus {
  return {
    id: new Bun.CryptoHasher("sha256").update(`${i} ${n}`).digest("hex"),
    name,
    image: `${name}:${17 - n}`,
    state: "running",
    health: trouble === "unhealthy" && n === 0 ? "unhealthy" : "healthy",
    restartCount: n,
    startedAt: timestamp(atMs - 50 * hourMs),
    cpu: 2 + n * 5 + ((atMs / 1000) % 11),
    memory: { usage: (150 + n * 210) * mib, limit: 2 * gib },
    network: { rxBytes: 1e9, txBytes: 3e8 },
    blockIo: { readBytes: 5e8, writtenBytes: 2e8 },
    source: name,
  };
}
