/**
 * What one hub takes at half of one core, embedded and on Postgres and ClickHouse, with 10 to 10,000 agents: heartbeats
 * (5 scripts and 5 containers each) and log lines (zstd NDJSON, 400 lines a delivery, one in fifty an error), and
 * the bytes that a line takes. First the cost of one is measured at a steady rate, then the rate that half a core is by
 * that is tried. The databases' own CPU is told apart.
 * `bun test/bench/fleet.ts [AGENTS,AGENTS,…] [embedded|shared]`; one JSON line per figure.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startClickhouse } from "#test/kit/clickhouse.ts";
import { startPostgres } from "#test/kit/postgres.ts";

import { heartbeat } from "../hub/kit/hub.ts";
import { type Measured, type Target, quantile, registerAt, report, startHubProcess } from "./hub-process.ts";
import { createLines } from "./store-lines.ts";

const sizes = (process.argv[2] ?? "10,100,1000,10000").split(",").map(Number);
const only = process.argv[3];
const beatBatch = 100;
const steadyBeats = 300;
const linesPerDelivery = 400;
/** Deliveries before anything is measured, at each of the two rates, and how many are on their way at once before. */
const warmDeliveries = 3000;
const deliveries = 1000;
const atOnce = 16;
/** Lines a second while the cost of one is measured. */
const steadyLines = 40_000;
const warmBeats = 6000;
const half = 0.5;
const firstSeq = 1_790_000_000_000_000;

/** CPU seconds so far of processes and those that they have started, and of ended ones that were waited for. */
function cpuOf(pids: readonly number[]): number {
  const parents = new Map<number, { readonly parent: number; readonly seconds: number }>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const fields = readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
      parents.set(Number(name), { parent: Number(fields[1]), seconds: ticks / 100 });
    } catch {
      // it has ended meanwhile, and is in its parent's figure
      continue;
    }
  }
  const isOf = (pid: number): boolean => pids.includes(pid) || (pid > 1 && isOf(parents.get(pid)?.parent ?? 0));
  return [...parents].reduce((sum, [pid, { seconds }]) => sum + (isOf(pid) ? seconds : 0), 0);
}

const base = heartbeat();
const beatBody = JSON.stringify({
  ...base,
  at: new Date().toISOString(),
  scripts: Array.from({ length: 5 }, (_, n) => ({ ...base.scripts[0], name: `script-${n}` })),
  containers: Array.from({ length: 5 }, (_, n) => ({
    id: String(n).repeat(64),
    name: `app-${n}`,
    image: `registry.example/app:${n}`,
    state: "running",
    health: "healthy",
    restartCount: 0,
    startedAt: base.at,
    cpu: 1.5,
    memory: { usage: 123_456_789, limit: 536_870_912 },
  })),
});

async function post(agent: Target, path: string, body: BodyInit, more: Record<string, string> = {}): Promise<number> {
  const sent = performance.now();
  const response = await fetch(`${agent.url}/api/v1/agent/${path}`, {
    method: "POST",
    body,
    headers: {
      authorization: `Bearer ${agent.token}`,
      "x-server-id": agent.id,
      "user-agent": "orion-agent/0.1.0",
      ...more,
    },
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
  return performance.now() - sent;
}

type Cost = { readonly hub: number; readonly databases: number };
type World = { readonly hub: Measured; readonly agents: readonly Target[]; readonly databasesCpu: () => number };

async function during(world: World, work: () => Promise<void>): Promise<Cost & { readonly seconds: number }> {
  const before = { hub: world.hub.cpuSeconds(), databases: world.databasesCpu(), at: performance.now() };
  await work();
  return {
    hub: world.hub.cpuSeconds() - before.hub,
    databases: world.databasesCpu() - before.databases,
    seconds: (performance.now() - before.at) / 1000,
  };
}

/** Heartbeats at a rate, for a time. @returns milliseconds that each took */
async function beatAt({ agents }: World, perSecond: number, seconds: number): Promise<readonly number[]> {
  const began = performance.now();
  const answers: Promise<number>[] = [];
  for (let n = 0; n < perSecond * seconds; n++) {
    const due = began + (n * 1000) / perSecond;
    if (due > performance.now()) await Bun.sleep(due - performance.now());
    const agent = agents[n % agents.length];
    if (agent !== undefined) answers.push(post(agent, "heartbeat", beatBody));
  }
  return await Promise.all(answers);
}

async function heartbeats(store: string, world: World): Promise<void> {
  // until the code is compiled
  await beatAt(world, 1000, warmBeats / 1000);
  const first = await during(world, async () => void (await beatAt(world, steadyBeats, 10)));
  const each = first.hub / (steadyBeats * 10);
  const rate = Math.round(half / each);
  let took: readonly number[] = [];
  const tried = await during(world, async () => {
    took = await beatAt(world, rate, 5);
  });
  report({
    bench: "fleet",
    store,
    agents: world.agents.length,
    name: "heartbeats",
    microsecondsEach: Math.round(each * 1e6),
    databaseMicrosecondsEach: Math.round((first.databases / (steadyBeats * 10)) * 1e6),
    perSecondAtHalfACore: rate,
    tried: { perSecond: Math.round(took.length / tried.seconds), core: Number((tried.hub / tried.seconds).toFixed(2)) },
    answerMsMedian: quantile(took, 0.5),
    answerMsP99: quantile(took, 0.99),
    rssMiB: world.hub.rssMiB().now,
  });
}

/** Deliveries as an agent would make them, each number once. */
function createBodies(): (count: number) => readonly Uint8Array<ArrayBuffer>[] {
  const make = createLines(linesPerDelivery * (warmDeliveries + 2 * deliveries));
  let made = 0;
  return (count) =>
    Array.from({ length: count }, () => {
      const from = made * linesPerDelivery;
      made++;
      const text = make(from, from + linesPerDelivery)
        .map(({ at, stream, message }, i) => {
          const [seq, level] = [firstSeq + from + i, i % 50 === 0 ? "error" : "info"];
          return `${JSON.stringify({ seq, at, source: "api", stream, level, message })}\n`;
        })
        .join("");
      return new Uint8Array(Bun.zstdCompressSync(text, { level: 1 }));
    });
}

async function lines(store: string, world: World): Promise<void> {
  const { agents } = world;
  const bodies = createBodies();
  const headers = { "content-type": "application/x-ndjson", "content-encoding": "zstd" };
  let turn = 0;
  const send = (body: Uint8Array<ArrayBuffer>): Promise<number> => {
    const agent = agents[turn++ % agents.length];
    if (agent === undefined) throw new Error("there are no agents");
    return post(agent, "logs", body, headers);
  };
  const sendAt = async (all: readonly Uint8Array<ArrayBuffer>[], perSecond: number): Promise<readonly number[]> => {
    const began = performance.now();
    const answers: Promise<number>[] = [];
    for (const [n, body] of all.entries()) {
      const due = began + (n * linesPerDelivery * 1000) / perSecond;
      if (due > performance.now()) await Bun.sleep(due - performance.now());
      answers.push(send(body));
    }
    return await Promise.all(answers);
  };
  const warming = bodies(warmDeliveries);
  for (let n = 0; n < warmDeliveries; n += atOnce) await Promise.all(warming.slice(n, n + atOnce).map(send));
  await Bun.sleep(3000);
  const [steady, atHalf] = [bodies(deliveries), bodies(deliveries)];
  const count = deliveries * linesPerDelivery;
  const first = await during(world, async () => void (await sendAt(steady, steadyLines)));
  const each = first.hub / count;
  const rate = Math.round(half / each);
  let took: readonly number[] = [];
  const tried = await during(world, async () => {
    took = await sendAt(atHalf, rate);
  });
  report({
    bench: "fleet",
    store,
    agents: agents.length,
    name: "lines",
    cpuSecondsPerMillion: Number((each * 1e6).toFixed(2)),
    databaseCpuSecondsPerMillion: Number(((first.databases / count) * 1e6).toFixed(2)),
    perSecondAtHalfACore: rate,
    tried: { perSecond: Math.round(count / tried.seconds), core: Number((tried.hub / tried.seconds).toFixed(2)) },
    answerMsMedian: quantile(took, 0.5),
    answerMsP99: quantile(took, 0.99),
    rssMiB: world.hub.rssMiB().now,
    peakRssMiB: world.hub.rssMiB().peak,
  });
}

/** Waits until the hub has had next to nothing to do for two seconds: blocks are made of what came. */
async function settle({ hub }: World): Promise<void> {
  for (let before = -1; hub.cpuSeconds() - before > 0.2;) {
    before = hub.cpuSeconds();
    await Bun.sleep(2000);
  }
}

async function measure(
  store: string,
  count: number,
  env: Readonly<Record<string, string>>,
  databasesCpu: () => number,
  bytesOfLogs: (folder: string) => Promise<number>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "orion-bench-"));
  try {
    await using hub = await startHubProcess(folder, [], env);
    const agents: Target[] = [];
    for (let i = 0; i < count; i += beatBatch) {
      const group = Array.from({ length: Math.min(beatBatch, count - i) }, (_, k) => registerAt(hub, `host-${i + k}`));
      agents.push(...(await Promise.all(group)));
    }
    const world = { hub, agents, databasesCpu };
    // each has reported once, as those of a running fleet have
    for (let i = 0; i < count; i += beatBatch)
      await Promise.all(agents.slice(i, i + beatBatch).map((agent) => post(agent, "heartbeat", beatBody)));
    const idle = await during(world, () => Bun.sleep(5000));
    report({
      bench: "fleet",
      store,
      agents: count,
      name: "nothing to do",
      corePercent: Number(((idle.hub / idle.seconds) * 100).toFixed(1)),
      databaseCorePercent: Number(((idle.databases / idle.seconds) * 100).toFixed(1)),
    });
    await heartbeats(store, world);
    await lines(store, world);
    await settle(world);
    const bytes = await bytesOfLogs(folder);
    report({
      bench: "fleet",
      store,
      agents: count,
      name: "bytes a line",
      bytesPerLine: Number((bytes / ((warmDeliveries + 2 * deliveries) * linesPerDelivery)).toFixed(1)),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const sizeBelow = async (folder: string): Promise<number> =>
  readdirSync(folder)
    .filter((name) => name.startsWith("logs."))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

if (only !== "shared") {
  for (const count of sizes) await measure("embedded", count, {}, () => 0, sizeBelow);
}
if (only !== "embedded") {
  await using postgres = await startPostgres();
  await using clickhouse = await startClickhouse();
  for (const count of sizes) {
    await using state = await postgres.freshDatabase();
    const urls = {
      ORION_HUB_DATABASE_URL: state.url,
      ORION_HUB_CLICKHOUSE_URL: await clickhouse.freshDatabase(),
    };
    const database = new URL(urls.ORION_HUB_CLICKHOUSE_URL).pathname.slice(1);
    const bytesOfLogs = async (): Promise<number> => {
      const query = `SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = '${database}' AND table IN ('logs', 'logs_local')`;
      return Number(await clickhouse.ask(query));
    };
    const cpu = () => cpuOf([postgres.pid(), clickhouse.pid()]);
    await measure("Postgres and ClickHouse", count, urls, cpu, bytesOfLogs);
  }
}
