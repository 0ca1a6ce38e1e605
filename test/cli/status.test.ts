import { describe, expect, test } from "bun:test";

import { painter } from "#src/cli/colour.ts";
import { renderContainers } from "#src/cli/containers-view.ts";
import { renderStatus } from "#src/cli/status-view.ts";
import { until } from "#test/kit/wait.ts";

import { startFakeDaemon, success } from "./fake-daemon.ts";
import { main, orion } from "./orion.ts";
import { container, status } from "./samples.ts";

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
    const text = renderStatus(
      { ...status, containers: [container], docker: { available: false, error: "permission denied" } },
      painter(false),
      now,
    );
    expect(text).toContain(`Containers
  NAME  STATE              UP  RESTARTS    CPU   MEMORY  IMAGE
  odoo  running (healthy)  5m         2  1.5 %  1.0 KiB  odoo:17

Docker
  permission denied
`);
  });

  test("shows the containers that run first, and what is not known as a dash", () => {
    const gone = { ...container, name: "a-job", state: "exited", health: null, cpu: null };
    const containers = [
      { ...gone, memory: { usage: null, limit: null } },
      { ...container, state: "paused" },
      container,
    ];
    expect(renderContainers(containers, painter(false), now)).toEqual([
      "  NAME   STATE              UP  RESTARTS    CPU   MEMORY  IMAGE",
      "  odoo   running (healthy)  5m         2  1.5 %  1.0 KiB  odoo:17",
      "  a-job  exited              -         2      -        -  odoo:17",
      "  odoo   paused (healthy)    -         2  1.5 %  1.0 KiB  odoo:17",
    ]);
    expect(renderContainers([], painter(false), now)).toEqual([]);
  });

  test("cuts the image to the terminal's width, and leaves it out where nothing of it would be seen", () => {
    const image = `registry.example/team/odoo@sha256:${"0123456789ab".padEnd(64, "f")}`;
    const at = (width?: number) => renderContainers([{ ...container, image }], painter(false), now, width)[1];
    const before = "  odoo  running (healthy)  5m         2  1.5 %  1.0 KiB";
    expect(at()).toBe(`${before}  registry.example/team/odoo@sha256:0123456789ab`);
    expect(at(80)).toBe(`${before}  registry.example/team/…`);
    expect(at(80)?.length).toBe(80);
    expect(at(62)).toBe(before);
    expect(at(20)).toBe(before);
  });

  test("lets a container neither steer the terminal nor pretend to be another line", () => {
    const bad = {
      ...container,
      name: "x\u001b[2J",
      image: "y\rroot",
      state: "run\u001b]0;t\u0007ning",
      health: "\u001b[31m",
    };
    expect(renderContainers([bad], painter(false), now).join("\n")).not.toMatch(/[\u001b\r\u0007]/);
  });

  test("gives only the names with -q, for completion", async () => {
    const containers = [container, { ...container, name: "db" }, { ...container, name: "worker" }];
    await using daemon = startFakeDaemon(() => success({ ...status, containers }));
    expect(await orion(["--dir", daemon.dir, "status", "-q"])).toEqual({
      code: 0,
      out: "api-backend\nworker\nodoo\ndb\n",
      err: "",
    });
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
