import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { systemClock } from "#src/lib/clock.ts";
import type { FleetHistory } from "#src/protocol/history.ts";
import type { MetricsAnswer } from "#src/protocol/metrics.ts";
import type { Project } from "#src/protocol/project.ts";
import { crash, heartbeat, startHub } from "#test/hub/kit/hub.ts";
import { parseExposition } from "#test/hub/metrics/exposition.ts";
import { createTestClock } from "#test/kit/clock.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const startMs = Date.parse("2026-03-10T12:00:00.000Z");
const at = (seconds: number) => new Date(startMs + seconds * 1000).toISOString();

/** A hub whose time goes on by leaps for what is measured; what waits for a timer waits for a real one. */
async function startAt(folder?: string) {
  const clock = createTestClock(startMs);
  const after = systemClock.after.bind(systemClock);
  const hub = await startHub({ clock: { ...clock, after }, ...(folder !== undefined && { folder }) });
  return { clock, hub };
}

describe("what a server measured", () => {
  test("comes for all servers at once, in a few numbers of the last hour", async () => {
    const { clock, hub } = await startAt();
    await using _hub = hub;
    const [one, other] = [await hub.agent("one"), await hub.agent("other")];
    await hub.agent("silent");
    const system = heartbeat().system;
    const measured = (cpu: number) => ({
      at: at(clock.monotonic() / 1000),
      system: {
        ...system,
        cpu: { usage: cpu, cores: 2 },
        memory: { ...system.memory, total: 8_000_000_000, used: 2_000_000_000 },
        network: { ...system.network, rxRate: 1000, txRate: 24 },
      },
    });
    await one.beat(measured(10));
    await other.beat(measured(60));
    clock.advance(240_000);
    await one.beat(measured(30));
    const history = await hub.json<FleetHistory>("/api/fleet/history");
    expect(Object.keys(history.servers).sort()).toEqual([one.id, other.id].sort());
    const { cpu, memory, network } = history.servers[one.id] ?? { cpu: [], memory: [], network: [] };
    expect([cpu.length, cpu.length * history.step]).toEqual([30, 3600]);
    expect([cpu.at(-4), cpu.at(-3), cpu.at(-1)]).toEqual([null, 10, 30]);
    expect(memory.at(-1)).toBeCloseTo(25, 1);
    expect(network.at(-1)).toBeCloseTo(1024, -2);
    // what is kept for a while is not kept for ever
    clock.advance(120_000);
    await one.beat(measured(50));
    const later = await hub.json<FleetHistory>("/api/fleet/history");
    expect(later.servers[one.id]?.cpu.slice(-2)).toEqual([30, 50]);
  });

  test("comes as values on a grid, with gaps and with what happened", async () => {
    const { clock, hub } = await startAt();
    await using _hub = hub;
    const agent = await hub.agent();
    const system = heartbeat().system;
    const beat = (cpu: number) =>
      agent.beat({ at: at(clock.monotonic() / 1000), system: { ...system, cpu: { usage: cpu, cores: 2 } } });
    for (const cpu of [10, 20, 30]) {
      await beat(cpu);
      clock.advance(30_000);
    }
    // repeated, which changes nothing
    await agent.beat({ at: at(60), system: { ...system, cpu: { usage: 30, cores: 2 } } });
    clock.advance(300_000);
    await beat(40);
    clock.advance(30_000);
    await beat(50);
    await agent.event({ ...crash(), at: at(45) });
    const query = `from=${at(0)}&to=${at(450)}&step=30&series=host.cpu`;
    const answer = await hub.json<MetricsAnswer>(`/api/servers/${agent.id}/metrics?${query}`);
    expect({ ...answer, marks: answer.marks.map(({ id: _id, ...mark }) => mark) }).toEqual({
      from: at(0),
      to: at(450),
      step: 30,
      resolution: 0,
      series: [
        {
          name: "host.cpu",
          subject: null,
          unit: "percent",
          values: [10, 20, 30, ...Array.from({ length: 10 }, () => null), 40, 50],
        },
      ],
      marks: [{ at: at(45), type: "script.crashed", subject: "api" }],
    });
    const hourly = await hub.json<MetricsAnswer>(`/api/servers/${agent.id}/metrics?step=3600&series=host.cpu`);
    expect([hourly.resolution, hourly.series[0]?.values.at(-1), hourly.series[0]?.min?.at(-1)]).toEqual([3600, 30, 10]);
  });

  test("is still there after a restart", async () => {
    const { hub } = await startAt();
    await using _hub = hub;
    const agent = await hub.agent();
    await agent.beat({ at: at(0) });
    const path = `/api/servers/${agent.id}/metrics?from=${at(-60)}&to=${at(60)}`;
    const before = await hub.json<MetricsAnswer>(path);
    expect(before.series.length).toBeGreaterThan(10);
    await hub.hub.stop();
    const { hub: second } = await startAt(hub.folder);
    await using again = second;
    expect(await again.json<MetricsAnswer>(path)).toEqual(before);
  });

  test("is asked for in a sane way", async () => {
    const { hub } = await startAt();
    await using _hub = hub;
    const { id } = await hub.agent();
    for (const query of [`from=${at(10)}&to=${at(0)}`, "step=0", "from=yesterday", "step=1.5"]) {
      expect([query, (await hub.get(`/api/servers/${id}/metrics?${query}`)).status]).toEqual([query, 400]);
    }
    expect((await hub.get("/api/servers/nobody/metrics")).status).toBe(404);
  });
});

describe("what an application measured", () => {
  test("comes in by OpenTelemetry and out as rates and values with labels", async () => {
    const { hub } = await startAt();
    await using _hub = hub;
    const source = await hub.source("shop");
    const nano = (seconds: number) => String(BigInt(startMs + seconds * 1000) * 1_000_000n);
    const total = (seconds: number, asInt: number) => ({ asInt, timeUnixNano: nano(seconds) });
    const metrics = [
      {
        name: "orders",
        unit: "{order}",
        sum: {
          isMonotonic: true,
          aggregationTemporality: 2,
          dataPoints: [total(-90, 5), total(-60, 35), total(-30, 15)],
        },
      },
      { name: "heat", gauge: { dataPoints: [{ asDouble: -3.25, timeUnixNano: nano(-30) }] } },
    ];
    const response = await source.send("POST", "/v1/metrics", { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] });
    expect([response.status, await response.json()]).toEqual([200, {}]);
    const [project] = (await hub.json<{ projects: Project[] }>("/api/projects")).projects;
    const path = `/api/projects/${project?.id}/sources/${source.id}/metrics?from=${at(-90)}&to=${at(0)}&step=30`;
    const { series, marks } = await hub.json<MetricsAnswer>(path);
    expect(marks).toEqual([]);
    expect(series).toEqual([
      { name: "orders", subject: null, unit: "{order}/s", labels: {}, values: [null, 1, 0.5] },
      { name: "heat", subject: null, unit: "", labels: {}, values: [null, null, -3.25] },
    ]);
    expect((await hub.json<MetricsAnswer>(`${path}&series=heat`)).series.length).toBe(1);
  });
});

describe("/metrics", () => {
  test("has the servers of the caller's organization, and of one that has the hub to itself the hub's own", async () => {
    await using hub = await startHub();
    await (await hub.agent("web-1")).beat();
    const alone = await hub.get("/metrics");
    expect(alone.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const { samples } = parseExposition(await alone.text());
    expect(samples.get('orion_server_up{server="web-1",project="default"}')).toBe(1);
    expect(samples.get("orion_hub_metric_samples_total")).toBe(1);
    const other = await hub.otherOrganizationAdmin();
    expect(await (await other.get("/metrics")).text()).toBe("");
    const shared = parseExposition(await (await hub.get("/metrics")).text());
    expect([...shared.families.keys()].filter((name) => name.startsWith("orion_hub"))).toEqual([]);
    expect((await hub.get("/metrics?project=nothing")).status).toBe(404);
  });
});
