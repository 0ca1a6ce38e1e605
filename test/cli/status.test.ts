import { describe, expect, test } from "bun:test";

import { painter } from "#src/cli/colour.ts";
import { renderStatus } from "#src/cli/status-view.ts";
import { until } from "#test/kit/wait.ts";

import { startFakeDaemon, success } from "./fake-daemon.ts";
import { main, orion } from "./orion.ts";
import { status } from "./samples.ts";

const now = Date.parse("2026-01-01T00:01:00.000Z");

describe("orion status", () => {
  test("shows host, scripts, delivery and problems in aligned columns", () => {
    expect(renderStatus(status, painter(false), now)).toBe(`web-1  orion 0.1.0, pid 77, up 1m

Host
  CPU      12.5 % of 8 cores, load 0.10 0.20 0.30
  Memory   50.0 %, 4.0 GiB of 8.0 GiB
  Disk /   20.0 %, 20.0 GiB of 100 GiB
  Network  in 1.5 KiB/s, out -
  Uptime   1d 1h

Scripts
  NAME         STATE     PID     UP  RESTARTS     CPU    MEMORY
  api-backend  running  4242  1h 1m         1  12.3 %  50.0 MiB
  worker       crashed     -      -         3       -         -  exited with 3 10s ago, starts again in 4s

Delivery
  the hub is away; entries wait, https://hub.example
  read 12,345, acknowledged 12,000, waiting 300 (60.0 KiB), dropped 45
  last acknowledged 30s ago
  no route to host, next try in 10s

Problems
  ! disk: it is full. Free space
`);
  });

  test("shows containers when there are some, and why Docker can't be asked", () => {
    const container = {
      id: "c0ffee",
      name: "odoo",
      image: "odoo:17",
      state: "running",
      health: "healthy",
      restartCount: 2,
      startedAt: null,
      cpu: 1.5,
      memory: { usage: 1024, limit: null },
    };
    const text = renderStatus(
      { ...status, containers: [container], docker: { available: false, error: "permission denied" } },
      painter(false),
      now,
    );
    expect(text).toContain(`Containers
  NAME  STATE                CPU   MEMORY  RESTARTS  IMAGE
  odoo  running (healthy)  1.5 %  1.0 KiB         2  odoo:17

Docker
  permission denied
`);
  });

  test("gives the daemon's answer as one JSON document", async () => {
    await using daemon = startFakeDaemon(() => success(status));
    const run = await orion(["--dir", daemon.dir, "status", "--json"]);
    expect([run.code, run.err]).toEqual([0, ""]);
    expect(JSON.parse(run.out)).toEqual(status);
  });

  test("works wherever ORION_DIR or ORION_RUN_DIR point, the flag first", async () => {
    await using daemon = startFakeDaemon(() => success(status));
    const runs = await Promise.all([
      orion(["status"], { env: { ORION_DIR: daemon.dir } }),
      orion(["status"], { env: { ORION_RUN_DIR: `${daemon.dir}/run` } }),
      orion(["status", "--dir", daemon.dir], { env: { ORION_DIR: "/nonexistent" } }),
      orion(["status", "--dir", "."], { cwd: daemon.dir }),
    ]);
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  });
});

test("orion status --watch looks again and again over one connection, and Ctrl-C ends it well", async () => {
  await using daemon = startFakeDaemon(() => success(status));
  const child = Bun.spawn([process.execPath, main, "--dir", daemon.dir, "status", "--interval", "0.2", "--json"], {
    stdout: "pipe",
    stderr: "inherit",
  });
  await until(() => daemon.requests.length >= 3, "three looks");
  child.kill("SIGINT");
  const lines = (await new Response(child.stdout).text()).trim().split("\n");
  expect(await child.exited).toBe(0);
  expect(lines.length).toBeGreaterThanOrEqual(3);
  for (const line of lines) expect(JSON.parse(line)).toEqual(status);
});
