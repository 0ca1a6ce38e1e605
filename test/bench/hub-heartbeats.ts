/**
 * A fleet's heartbeats: 10,000 servers, 334 beats a second, 5 scripts and 5 containers each, for SECONDS. Beside it a
 * bare server that parses the same bodies, and the time of a page with 1,000 servers.
 * `bun test/bench/hub-heartbeats.ts [SECONDS] [SERVERS]`; one JSON line per figure.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { heartbeat } from "../hub/kit/hub.ts";
import {
  type Measured,
  type Target,
  quantile,
  registerAt,
  report,
  startFloor,
  startHubProcess,
} from "./hub-process.ts";

const seconds = Number(process.argv[2] ?? 10);
const servers = Number(process.argv[3] ?? 10_000);
const perSecond = 334;

const base = heartbeat();
const container = (n: number) => ({
  id: String(n).repeat(64).slice(0, 64),
  name: `app-${n}`,
  image: `registry.example/app:${n}`,
  state: "running",
  health: "healthy",
  restartCount: 0,
  startedAt: base.at,
  cpu: 1.5,
  memory: { usage: 123_456_789, limit: 536_870_912 },
});
const body = JSON.stringify({
  ...base,
  scripts: Array.from({ length: 5 }, (_, n) => ({ ...base.scripts[0], name: `script-${n}` })),
  containers: Array.from({ length: 5 }, (_, n) => container(n)),
});

async function beat(agent: Target): Promise<number> {
  const sent = performance.now();
  const response = await fetch(`${agent.url}/api/v1/agent/heartbeat`, {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${agent.token}`, "x-server-id": agent.id, "user-agent": "orion-agent/0.1.0" },
  });
  if (!response.ok) throw new Error(await response.text());
  await response.text();
  return performance.now() - sent;
}

async function measure(name: string, measured: Measured): Promise<void> {
  await using server = measured;
  const agents: Target[] = [];
  for (let i = 0; i < servers; i += 200) {
    const group = Array.from({ length: 200 }, async (_, k) => await registerAt(server, `host-${i + k}`));
    agents.push(...(await Promise.all(group)));
  }
  // each server has reported once, as a running fleet has
  for (let i = 0; i < agents.length; i += 100) await Promise.all(agents.slice(i, i + 100).map(beat));
  const cpu = server.cpuSeconds();
  const started = performance.now();
  const answers: Promise<number>[] = [];
  for (let n = 0; n < seconds * perSecond; n++) {
    const due = started + (n * 1000) / perSecond;
    if (due > performance.now()) await Bun.sleep(due - performance.now());
    const agent = agents[n % agents.length];
    if (agent !== undefined) answers.push(beat(agent));
  }
  const took = await Promise.all(answers);
  const elapsed = (performance.now() - started) / 1000;
  report({
    bench: "hub-heartbeats",
    name,
    servers,
    beatsPerSecond: Math.round(took.length / elapsed),
    bodyBytes: body.length,
    cpuPercentOfOneCore: Number((((server.cpuSeconds() - cpu) / elapsed) * 100).toFixed(1)),
    cpuMicrosecondsPerBeat: Math.round(((server.cpuSeconds() - cpu) / took.length) * 1e6),
    rssMiB: server.rssMiB().now,
    answerMsMedian: quantile(took, 0.5),
    answerMsP99: quantile(took, 0.99),
  });
  if (server.target.id === "floor") return;
  const pages: number[] = [];
  for (let i = 0; i < 15; i++) {
    const asked = performance.now();
    const headers = { authorization: `Bearer ${server.target.apiKey}` };
    await (await fetch(`${server.target.url}/api/servers?limit=1000`, { headers })).bytes();
    pages.push(performance.now() - asked);
  }
  report({
    bench: "hub-heartbeats",
    name: "page of 1,000 servers",
    msMedian: quantile(pages, 0.5),
    msP99: quantile(pages, 0.99),
  });
}

const folder = mkdtempSync(join(tmpdir(), "orion-bench-"));
try {
  await measure("floor: parses the body", await startFloor("await request.json()"));
  await measure("hub", await startHubProcess(folder));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
