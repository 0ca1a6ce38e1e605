/**
 * What watching containers costs: RSS, PSS and CPU of a compiled agent beside an engine of its own with 1, 10 and 100 idle
 * containers, then with 20 that print 20,000 lines a second together; the hub takes everything, by POST and over the
 * stream. With --stats also what figures cost: 100 containers asked once every 10 s, as the agent does, and a stream of
 * each, as `docker stats` opens it.
 *
 *     bun test/bench/containers.ts [--seconds 30] [--load-seconds 15] [--idle 1,10,100] [--stats] [--binary dist/orion]
 *
 * One JSON line a figure. Needs what test/e2e/containers.test.ts needs.
 */
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { createEngine } from "#src/agent/containers/engine.ts";
import { createSeries } from "#src/agent/containers/samples.ts";
import { systemClock } from "#src/lib/clock.ts";
import { image, startEngine } from "#test/e2e/kit/engine.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { build } from "../../scripts/build.ts";
import { cpuSeconds, rounded } from "./process.ts";

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "30" },
    "load-seconds": { type: "string", default: "15" },
    stats: { type: "boolean", default: false },
    idle: { type: "string", default: "1,10,100" },
    binary: { type: "string" },
  },
});
const binary = flags.binary ?? join(tmpdir(), `orion-bench-${process.pid}`);
if (flags.binary === undefined) await build({ outfile: binary });

/** A hub that only counts; a child process would be measured with it. */
let lines = 0;
let frames = 0;
const seq = Buffer.from('{"seq":');
let heartbeats = 0;
let seen = 0;
using hub = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request, server) {
    if (request.url.endsWith("/stream") && server.upgrade(request)) return undefined;
    const body = Buffer.from(await request.arrayBuffer());
    if (request.url.endsWith("/heartbeat")) {
      heartbeats++;
      seen = (JSON.parse(body.toString()) as { containers: { state: string }[] }).containers.length;
    } else if (request.url.endsWith("/logs")) {
      const plain = request.headers.get("content-encoding") === "zstd" ? Bun.zstdDecompressSync(body) : body;
      for (let at = plain.indexOf(10); at !== -1; at = plain.indexOf(10, at + 1)) lines++;
    }
    return Response.json({ receivedAt: new Date().toISOString(), heartbeatInterval: 10, accepted: 1, duplicates: 0 });
  },
  websocket: {
    message(socket, message) {
      const json = typeof message === "string" ? Buffer.from(message) : Bun.zstdDecompressSync(message);
      for (let at = json.indexOf(seq); at !== -1; at = json.indexOf(seq, at + 1)) lines++;
      frames++;
      socket.send(`{"type":"ack","seq":${/"seq":(\d+)/.exec(json.toString("latin1", 0, 64))?.[1]}}`);
    },
  },
});

const mib = (pid: number, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]) / 1024;

await using engine = await startEngine();
const enginePid = Number(readFileSync(join(engine.socket, "..", "pid"), "utf8"));

async function measure(what: object, seconds: number): Promise<void> {
  await using folder = temporaryFolder();
  await using agent = startProgram([binary, "agent"], {
    env: {
      ORION_DIR: folder.path,
      ORION_DOCKER_SOCKET: engine.socket,
      ORION_ENDPOINT: `http://127.0.0.1:${hub.port}`,
      ORION_AGENT_TOKEN: "oat_bench",
      ORION_SERVER_ID: "bench",
      ORION_PUSH_INTERVAL: "10",
    },
  });
  const first = heartbeats;
  await until(() => heartbeats > first, "a heartbeat", 60_000);
  // the start is not idleness
  await Bun.sleep(6_000);
  const before = { agent: cpuSeconds(agent.pid), engine: cpuSeconds(enginePid), lines, heartbeats, frames };
  await Bun.sleep(seconds * 1000);
  const cpu = cpuSeconds(agent.pid) - before.agent;
  const figures = {
    ...what,
    seen,
    rssMiB: rounded(mib(agent.pid, "Rss")),
    pssMiB: rounded(mib(agent.pid, "Pss")),
    agentCpuPercent: rounded((cpu / seconds) * 100),
    engineCpuPercent: rounded(((cpuSeconds(enginePid) - before.engine) / seconds) * 100),
    heartbeats: heartbeats - before.heartbeats,
    linesPerSecond: rounded((lines - before.lines) / seconds),
    frames: frames - before.frames,
  };
  console.log(JSON.stringify(figures));
  agent.kill("SIGTERM");
  await agent.exited;
}

/** CPU of the engine, and of this process as its client, for figures of all containers. */
async function measureStats(seconds: number): Promise<void> {
  const client = createEngine(engine.socket, systemClock);
  const ids = (await engine.docker("ps", "--quiet", "--no-trunc")).split("\n");
  const measured = async (how: string, work: () => Promise<void>): Promise<void> => {
    const before = { own: cpuSeconds(process.pid), engine: cpuSeconds(enginePid) };
    await work();
    const [own, its] = [cpuSeconds(process.pid) - before.own, cpuSeconds(enginePid) - before.engine];
    const figures = {
      clientCpuPercent: rounded((own / seconds) * 100),
      engineCpuPercent: rounded((its / seconds) * 100),
    };
    console.log(JSON.stringify({ stats: how, containers: ids.length, ...figures }));
  };
  await measured("one-shot, every 10 s", async () => {
    const end = performance.now() + seconds * 1000;
    const series = createSeries(systemClock, { debug() {}, info() {}, warn() {}, error() {} });
    while (performance.now() < end) {
      await series.refresh(client, ids);
      await Bun.sleep(Math.min(10_000, Math.max(0, end - performance.now())));
    }
  });
  await measured("a stream each", async () => {
    const handlers = { data: (bytes: Buffer) => void (bytes.at(-1) === 10 && JSON.parse(bytes.toString())), end() {} };
    const streams = await Promise.all(
      ids.map((id) => client.open(`/containers/${id}/stats?stream=true`, handlers, 30_000)),
    );
    await Bun.sleep(seconds * 1000);
    for (const stream of streams) stream.close();
  });
}

const start = (name: string, command: string) =>
  engine.docker("run", "--detach", "--network=none", "--name", name, image, "sh", "-c", command);
let started = 0;
for (const wanted of flags.idle.split(",").map(Number)) {
  for (; started < wanted; started++) await start(`idle-${started}`, "exec sleep 100000");
  await measure({ idle: wanted }, Number(flags.seconds));
}
if (flags.stats) await measureStats(Number(flags.seconds));
if (started > 0) await engine.docker("rm", "--force", ...Array.from({ length: started }, (_, i) => `idle-${i}`));
const line = "a line of about a hundred characters, as programs print them: request 123456 was served in 12 ms";
for (let i = 0; i < 20; i++) {
  await start(`busy-${i}`, `while :; do yes '${line}' | head -n 100; usleep 92000; done`);
}
await measure({ busy: 20 }, Number(flags["load-seconds"]));
