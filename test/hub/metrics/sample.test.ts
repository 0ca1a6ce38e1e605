import { describe, expect, test } from "bun:test";

import { polledSampleOf, sampleOf } from "#src/hub/metrics/sample.ts";
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import { keyOf } from "#src/protocol/series.ts";
import { container, heartbeat } from "./heartbeat.ts";

/** Key and number of each series. */
function read(beat: Heartbeat): Record<string, number> {
  const { subjects, values } = sampleOf(beat);
  const keys = subjects.flatMap((subject) => subject.template.metrics.map((metric) => keyOf(subject, metric)));
  expect(keys.length).toBe(values.length);
  return Object.fromEntries(keys.map((key, i) => [key, values[i] ?? Number.NaN]));
}

describe("a heartbeat as a sample", () => {
  test("has each number under its name", () => {
    expect(read(heartbeat)).toEqual({
      "host.cpu": 1,
      "host.memory.used": 2,
      "host.memory.total": 3,
      "host.disk.used": 4,
      "host.disk.total": 5,
      "host.network.rx": 6,
      "host.network.tx": 7,
      "host.load.1": 8,
      "host.load.5": 9,
      "host.load.15": 10,
      "host.uptime": 11,
      "host.delivery.buffered": 12,
      "host.delivery.dropped": 13,
      "script.cpu/api": 14,
      "script.memory/api": 15,
      "script.restarts/api": 16,
      "script.state/api": 2,
      "container.cpu/odoo": 21,
      "container.memory/odoo": 22,
      "container.network.rx/odoo": 23,
      "container.network.tx/odoo": 24,
      "container.io.read/odoo": 25,
      "container.io.written/odoo": 26,
      "container.restarts/odoo": 27,
      "container.running/odoo": 1,
    });
  });

  test("of what was read over SSH is the same, without what only the agent knows, and says so", () => {
    const { subjects, values } = polledSampleOf(heartbeat);
    const keys = subjects.flatMap((subject) => subject.template.metrics.map((metric) => keyOf(subject, metric)));
    const polled = Object.fromEntries(keys.map((key, i) => [key, values[i]]));
    const whole = Object.entries(read(heartbeat)).filter(([key]) => !key.startsWith("script."));
    const unknown = { "host.delivery.buffered": Number.NaN, "host.delivery.dropped": Number.NaN };
    expect(polled).toEqual({ ...Object.fromEntries(whole), ...unknown, "host.ssh": 1 });
  });

  test("what could not be read is no number", () => {
    const system = { ...heartbeat.system, cpu: { usage: null, cores: null }, load: null };
    const { network: _network, ...plain } = container;
    const read1 = read({ ...heartbeat, system, containers: [plain] });
    expect(Object.keys(read1).filter((key) => Number.isNaN(read1[key]))).toEqual([
      "host.cpu",
      "host.load.1",
      "host.load.5",
      "host.load.15",
      "container.network.rx/odoo",
      "container.network.tx/odoo",
    ]);
  });

  test("two containers of one source are told apart by their names", () => {
    const containers = [container, { ...container, name: "odoo_2", cpu: 50 }];
    const found = read({ ...heartbeat, containers });
    expect([found["container.cpu/odoo"], found["container.cpu/odoo_2"]]).toEqual([21, 50]);
  });

  test("a thousand things are measured, and no more", () => {
    const containers = Array.from({ length: 2000 }, (_, i) => ({ ...container, source: `c-${i}` }));
    expect(sampleOf({ ...heartbeat, containers }).subjects.length).toBe(1001);
  });
});
