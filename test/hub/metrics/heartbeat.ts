/** A heartbeat in which every number is another one. */
import type { ContainerStatus, Heartbeat } from "#src/protocol/heartbeat.ts";

const at = "2026-01-01T00:00:00.000Z";
export const container: ContainerStatus = {
  id: "1",
  name: "odoo_1",
  image: "odoo:17",
  state: "running",
  health: null,
  restartCount: 27,
  startedAt: at,
  cpu: 21,
  memory: { usage: 22, limit: 0 },
  network: { rxBytes: 23, txBytes: 24 },
  blockIo: { readBytes: 25, writtenBytes: 26 },
  source: "odoo",
};
export const heartbeat: Heartbeat = {
  at,
  hostname: "web-1",
  agent: { version: "1.2.3", startedAt: at },
  system: {
    cpu: { usage: 1, cores: 8 },
    memory: { total: 3, used: 2, available: 0, usage: 0 },
    disk: { path: "/", total: 5, used: 4, usage: 0 },
    network: { rxBytes: 0, txBytes: 0, rxRate: 6, txRate: 7 },
    load: [8, 9, 10],
    uptime: 11,
  },
  scripts: [
    {
      name: "api",
      state: "crashed",
      pid: null,
      uptime: null,
      restarts: 16,
      cpu: 14,
      memory: 15,
      lastExit: null,
      nextRestartAt: null,
    },
  ],
  docker: { available: true, error: null },
  containers: [container],
  delivery: { buffered: 12, dropped: 13 },
};
