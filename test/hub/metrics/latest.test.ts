import { describe, expect, test } from "bun:test";

import { labelText } from "#src/hub/metrics/exposition.ts";
import { latestFigures } from "#src/hub/metrics/latest.ts";
import { createMeter, createOwnFigures } from "#src/hub/metrics/own.ts";
import { createLatencies } from "#src/lib/latencies.ts";
import { container, heartbeat } from "./heartbeat.ts";
import { parseExposition } from "./exposition.ts";

const server = (hostname: string, rest = {}) => ({
  hostname,
  project: "default",
  connected: true,
  lastSeenMs: 1_700_000_000_123,
  version: "1.2.3",
  heartbeat: JSON.stringify(heartbeat),
  ...rest,
});

const now = 1_700_000_030_123;
const meter = createMeter();
const world = {
  version: "1.2.3",
  startedAtMs: 1000,
  meter,
  disk: () => ({ freeBytes: 5, sizeBytes: 9, reserveBytes: 2 }),
  queueBytes: () => 5,
  openStreams: () => 2,
  series: () => ({ samples: 7, refused: 0, openBytes: 100, due: 3 }),
  stores: () => ({ "state.db": 10, "metrics.db": 20 }),
};
const own = createOwnFigures(world);
/** What every hub tells. */
const plain = new Set(own().map(({ family, labels }) => keyOf(family.name, labels)));

function keyOf(name: string, labels: Readonly<Record<string, string>> = {}): string {
  const text = labelText(labels);
  return text === "" ? name : `${name}{${text}}`;
}

const latencies = createLatencies();
for (const milliseconds of [3, 3, 70, 60_000]) latencies.observe(milliseconds);
const told = createOwnFigures({
  ...world,
  told: () => [
    {
      up: { postgres: true },
      queues: { metrics: { items: 3, bytes: 400, oldestMs: 1500 }, logs: { bytes: 7, oldestMs: null } },
      writes: [{ store: "clickhouse", what: "metrics", latencies: latencies.read() }],
    },
    {
      up: { clickhouse: false },
      logs: { head: 20, safeHead: 18 },
      errorsBehind: 2,
      membershipAgeMs: 2500,
      duties: { errors: true, watching: false },
      dropped: { metrics: 5 },
      refused: { logs: 6 },
    },
  ],
});

describe("the latest figures in Prometheus' format", () => {
  test("are what the heartbeat said, in base units", async () => {
    const { samples } = parseExposition(await latestFigures([server("web-1")], [], now));
    const labels = 'server="web-1",project="default"';
    expect(samples.get(`orion_server_cpu_usage_ratio{${labels}}`)).toBe(0.01);
    expect(samples.get(`orion_server_disk_used_bytes{${labels},path="/"}`)).toBe(4);
    expect(samples.get(`orion_server_load15{${labels}}`)).toBe(10);
    expect(samples.get(`orion_script_state{${labels},script="api",state="crashed"}`)).toBe(1);
    expect(samples.get(`orion_script_state{${labels},script="api",state="running"}`)).toBe(0);
    expect(samples.get(`orion_script_cpu_usage_ratio{${labels},script="api"}`)).toBe(0.14);
    const image = 'container="odoo_1",image="odoo:17"';
    expect(samples.get(`orion_container_network_receive_bytes_total{${labels},${image}}`)).toBe(23);
    expect(samples.get(`orion_server_last_report_timestamp_seconds{${labels}}`)).toBe(1_700_000_000.123);
    expect(samples.get(`orion_server_last_report_age_seconds{${labels}}`)).toBe(30);
  });

  test("of a server that is read over SSH are what was read, and say so", async () => {
    const { system, containers } = heartbeat;
    const polled = JSON.stringify({ system, containers });
    const { samples } = parseExposition(await latestFigures([server("web-1", { connected: false, polled })], [], now));
    const labels = 'server="web-1",project="default"';
    const of = (name: string) => samples.get(`orion_${name}{${labels}}`);
    expect([of("server_up"), of("server_polled"), of("server_cpu_usage_ratio"), of("server_load15")]).toEqual([
      0, 1, 0.01, 10,
    ]);
    expect([...samples.keys()].filter((key) => /script|logs_buffered|agent_info/.test(key))).toEqual([]);
    expect([...samples.keys()].some((key) => key.startsWith("orion_container_running"))).toBe(true);
  });

  test("of a server that is silent say only that it is", async () => {
    const { samples } = parseExposition(await latestFigures([server("web-1", { connected: false })], [], now));
    expect([...samples.keys()]).toEqual([
      'orion_server_up{server="web-1",project="default"}',
      'orion_server_last_report_timestamp_seconds{server="web-1",project="default"}',
      'orion_server_last_report_age_seconds{server="web-1",project="default"}',
    ]);
  });

  test("stand family by family, each with its help and type, whatever names hold", async () => {
    const odd = { ...container, name: 'a"b\\c\nd', health: "healthy" };
    const heartbeats = [
      server("web-1"),
      server('we"b\n2', { heartbeat: JSON.stringify({ ...heartbeat, containers: [odd] }) }),
    ];
    const { families, samples } = parseExposition(await latestFigures(heartbeats, own(), now));
    expect(families.get("orion_server_up")).toBe("gauge");
    expect(families.get("orion_container_restarts_total")).toBe("counter");
    expect(
      samples.get(
        'orion_container_healthy{server="we\\"b\\n2",project="default",container="a\\"b\\\\c\\nd",image="odoo:17"}',
      ),
    ).toBe(1);
    expect(samples.get('orion_hub_store_bytes{file="metrics.db"}')).toBe(20);
  });

  test("are right in the eyes of Prometheus' own tool", async () => {
    // of Debian's package prometheus; where it is not installed, the grammar above has to do
    const promtool = Bun.which("promtool");
    if (promtool === null) return;
    const text = await latestFigures([server("web-1"), server("web-2")], told(), now);
    const child = Bun.spawn([promtool, "check", "metrics"], {
      stdin: Buffer.from(text),
      stdout: "pipe",
      stderr: "pipe",
    });
    const said = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
    expect([said, await child.exited]).toEqual(["", 0]);
  });
});

describe("what stores tell of themselves", () => {
  test("stands among the hub's figures", async () => {
    const { families, samples } = parseExposition(await latestFigures([], told(), now));
    const found = [...samples].filter(([key]) => !/process|write_seconds|log_(lines|bytes|fail|queue)/.test(key));
    expect(Object.fromEntries(found.filter(([key]) => !plain.has(key)))).toEqual({
      'orion_hub_store_up{store="postgres"}': 1,
      'orion_hub_store_up{store="clickhouse"}': 0,
      'orion_hub_waiting_items{queue="metrics"}': 3,
      'orion_hub_waiting_bytes{queue="metrics"}': 400,
      'orion_hub_waiting_bytes{queue="logs"}': 7,
      'orion_hub_waiting_age_seconds{queue="metrics"}': 1.5,
      'orion_hub_waiting_age_seconds{queue="logs"}': 0,
      orion_hub_log_head: 20,
      orion_hub_log_safe_head: 18,
      orion_hub_errors_behind_lines: 2,
      orion_hub_membership_age_seconds: 2.5,
      'orion_hub_duty{duty="errors"}': 1,
      'orion_hub_duty{duty="watching"}': 0,
      'orion_hub_dropped_total{what="metrics"}': 5,
      'orion_hub_refused_total{what="logs"}': 6,
    });
    expect(families.get("orion_hub_store_write_seconds")).toBe("histogram");
    const of = (part: string) => samples.get(`orion_hub_store_write_seconds${part}`);
    const labels = 'store="clickhouse",what="metrics"';
    expect([0.0025, 0.005, 0.1, 30, "+Inf"].map((le) => of(`_bucket{${labels},le="${le}"}`))).toEqual([0, 2, 3, 3, 4]);
    expect([of(`_sum{${labels}}`), of(`_count{${labels}}`)]).toEqual([60.076, 4]);
  });

  test("is left out where nobody tells it", () => {
    const names = new Set(own().map(({ family }) => family.name));
    expect([...names].filter((name) => /up$|waiting|write|head|behind|membership|duty|dropped/.test(name))).toEqual([]);
  });
});

describe("the meter", () => {
  test("counts what is stored, and what could not be", async () => {
    let fail = false;
    const store = meter.count({
      append: (_batch: { bytes: number }) =>
        fail ? Promise.reject(new Error("disk full")) : Promise.resolve({ accepted: 2, duplicates: 1 }),
      head: () => 5,
    });
    await store.append({ bytes: 70 });
    fail = true;
    expect(store.append({ bytes: 20 })).rejects.toThrow("disk full");
    await Promise.resolve();
    expect([meter.lines(), meter.bytes(), meter.failures(), store.head()]).toEqual([
      { accepted: 2, duplicates: 1 },
      70,
      1,
      5,
    ]);
  });
});
