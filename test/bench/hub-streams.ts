/**
 * A fleet's WebSocket streams: STREAMS servers with 10 lines a second each, for SECONDS, as frames of 10, of 2 (about what
 * an agent gathers in 250 ms) and of 1 line, and the floor: a bare server that parses the frames and answers them.
 * `bun test/bench/hub-streams.ts [SECONDS] [STREAMS]`; one JSON line per figure. The open files of a process must allow
 * as many connections (`ulimit -n`).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openStream } from "../hub/api/intake/ingest-rig.ts";
import {
  type Measured,
  type Target,
  quantile,
  registerAt,
  report,
  startHubProcess,
  startMeasured,
} from "./hub-process.ts";

const seconds = Number(process.argv[2] ?? 10);
const streams = Number(process.argv[3] ?? 2000);
const linesPerSecond = 10;

const floor = `const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch(request, self) { self.upgrade(request); }, websocket: { message(socket, text) { const { seq } = JSON.parse(text); socket.send('{"type":"ack","seq":' + seq + "}"); } } }); console.log(JSON.stringify({ url: "http://127.0.0.1:" + server.port, id: "floor", token: "", apiKey: "" }));`;

function frame(server: number, seq: number, count: number): string {
  const entries = Array.from({ length: count }, (_, i) => ({
    seq: seq + i,
    at: new Date().toISOString(),
    source: `app-${server % 10}`,
    stream: "container",
    level: "info",
    message: `10.0.${server % 256}.7 GET /api/v1/orders/${(seq * 7919) % 100_000} 200 ${seq % 5000} Mozilla/5.0`,
    fields: { container: `app-${server % 10}`, containerId: "4f5e6d7c8b9a" },
  }));
  return JSON.stringify({ type: "logs", seq: seq + count - 1, entries });
}

async function measure(name: string, server: Measured, agents: readonly Target[], perFrame: number): Promise<void> {
  const open = agents.map((agent) => openStream(agent.url, agent.id, agent.token));
  try {
    await Promise.all(open.map(async (stream) => await stream.opened));
    const sentAt = new Map<string, number>();
    const took: number[] = [];
    const framesPerSecond = (streams * linesPerSecond) / perFrame;
    const frames = Math.round(framesPerSecond * seconds);
    let acknowledged = 0;
    const all = Promise.withResolvers<void>();
    for (const [i, { socket }] of open.entries()) {
      socket.addEventListener("message", ({ data }) => {
        if (++acknowledged === frames) all.resolve();
        const key = `${i} ${(JSON.parse(String(data)) as { seq: number }).seq}`;
        const sent = sentAt.get(key);
        if (sent !== undefined) took.push(performance.now() - sent);
        sentAt.delete(key);
      });
    }
    // numbers go on where the run before left them
    const base = Date.now() * 1000;
    const cpu = server.cpuSeconds();
    const started = performance.now();
    for (let n = 0; n < frames; n++) {
      const due = started + (n * 1000) / framesPerSecond;
      if (due > performance.now() + 1) await Bun.sleep(due - performance.now());
      const turn = n % streams;
      const seq = base + Math.floor(n / streams) * perFrame;
      if (turn % 20 === 0) sentAt.set(`${turn} ${seq + perFrame - 1}`, performance.now());
      open[turn]?.socket.send(frame(turn, seq, perFrame));
    }
    await all.promise;
    const elapsed = (performance.now() - started) / 1000;
    report({
      bench: "hub-streams",
      name,
      streams,
      linesPerFrame: perFrame,
      linesPerSecond: Math.round((frames * perFrame) / elapsed),
      cpuPercentOfOneCore: Number((((server.cpuSeconds() - cpu) / elapsed) * 100).toFixed(1)),
      rssMiB: server.rssMiB(),
      ackMsMedian: quantile(took, 0.5),
      ackMsP99: quantile(took, 0.99),
    });
  } finally {
    for (const { socket } of open) socket.terminate();
  }
}

{
  await using server = await startMeasured(["-e", floor]);
  const agents = Array.from({ length: streams }, () => server.target);
  for (const perFrame of [10, 1]) await measure("floor: parses and answers", server, agents, perFrame);
}

const folder = mkdtempSync(join(tmpdir(), "orion-bench-"));
try {
  await using server = await startHubProcess(folder);
  const agents: Target[] = [];
  for (let i = 0; i < streams; i += 200) {
    const group = Array.from(
      { length: Math.min(200, streams - i) },
      async (_, k) => await registerAt(server, `host-${i + k}`),
    );
    agents.push(...(await Promise.all(group)));
  }
  for (const perFrame of [10, 2, 1]) await measure("hub", server, agents, perFrame);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
