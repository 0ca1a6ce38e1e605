/**
 * Blindness by the clock on the wall: an agent is killed right after a heartbeat, which is the worst moment, and the seconds
 * are counted until the same series go on over SSH; then it is started again, and what is still polled is counted. Takes
 * two and a half minutes. `bun test/bench/ssh-blind.ts`; one JSON line per figure.
 */
import { readFileSync } from "node:fs";

import type { AgentStatus, EventsPage, Server } from "#src/protocol/api.ts";
import type { MetricsAnswer } from "#src/protocol/metrics.ts";
import { startSshd } from "../hub/ssh/sshd.ts";
import { startAgent } from "../kit/agent.ts";
import { temporaryFolder } from "../kit/folder.ts";
import { until } from "../kit/wait.ts";
import { report, startHubProcess } from "./hub-process.ts";

await using folder = temporaryFolder();
await using agentFolder = temporaryFolder();
await using sshd = await startSshd();
await using hub = await startHubProcess(folder.path);
const { url, id, token, apiKey } = hub.target;
const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };

async function ask<T>(path: string, body?: unknown): Promise<T> {
  const init = body === undefined ? {} : { method: "PUT", body: JSON.stringify(body) };
  const answer = await fetch(`${url}/api${path}`, { headers, ...init });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as T;
}
const status = () => ask<AgentStatus>(`/servers/${id}/agent-status`);
const commands = () => sshd.output().split("Starting session: command").length - 1;
const now = () => Date.now();
const seconds = (ms: number) => Number((ms / 1000).toFixed(2));

const env = { ORION_ENDPOINT: url, ORION_AGENT_TOKEN: token, ORION_SERVER_ID: id, ORION_PUSH_INTERVAL: "10" };
const agent = await startAgent(agentFolder, env);
const first = await until(async () => (await status()).lastSeen, "the first heartbeat");
const { host, port, user, credentials, hostKey } = sshd.target();
const privateKey = credentials.kind === "key" ? credentials.privateKey : "";
await ask(`/servers/${id}/ssh`, { host, port, user, hostKey, auth: { kind: "key", privateKey } });
const lastSeen = await until(
  async () => {
    const { lastSeen: seen } = await status();
    return seen !== first && seen;
  },
  "the next heartbeat",
  20_000,
);
agent.kill("SIGKILL");
const killedAt = now();
report({ bench: "ssh-blind", who: "polls while the agent was there", count: commands() });

const polled = await until(async () => (await status()).ssh?.lastPolled, "the first poll", 150_000);
const knownAt = now();
const hostUptime = Number.parseFloat(readFileSync("/proc/uptime", "utf8"));
const hostMemory = Number(/MemTotal: +(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) * 1024;
const { polled: seen } = await ask<Server>(`/servers/${id}`);
report({
  bench: "ssh-blind",
  who: "blind",
  secondsSinceLastReport: seconds(Date.parse(polled) - Date.parse(lastSeen)),
  secondsSinceKilled: seconds(Date.parse(polled) - killedAt),
  secondsUntilSeen: seconds(knownAt - killedAt),
  cpuKnownAtOnce: seen?.system.cpu.usage !== null,
  ratesKnownAtOnce: seen?.system.network.rxRate !== null,
  sameMemory: seen?.system.memory.total === hostMemory,
  uptimeOffSeconds: seconds(Math.abs((seen?.system.uptime ?? 0) - hostUptime) * 1000),
});

const { series } = await ask<MetricsAnswer>(
  `/servers/${id}/metrics?from=${new Date(killedAt - 60_000).toISOString()}&step=10`,
);
const known = series.filter(({ name }) => /^host\.(cpu|memory|disk|network|load)/.test(name));
report({
  bench: "ssh-blind",
  who: "series that went on",
  of: known.length,
  count: known.filter(({ values }) => values.at(-1) !== null).length,
});

const before = commands();
const startedAt = now();
await using _again = await startAgent(agentFolder, env);
await until(async () => (await status()).transport === "agent", "the agent's return");
const backAt = now();
await until(() => sshd.output().includes("Disconnected from user"), "the end of the session");
report({
  bench: "ssh-blind",
  who: "the agent is back",
  secondsToFirstReport: seconds(backAt - startedAt),
  secondsUntilSessionEnded: seconds(now() - backAt),
});
// longer than the pause between two polls
await Bun.sleep(62_000);
report({ bench: "ssh-blind", who: "polls after that, in 62 s", count: commands() - before });
const { events } = await ask<EventsPage>(`/events?server=${id}`);
const turns = events.map(({ event }) => event).filter(({ type }) => type === "agent.silent" || type === "agent.back");
for (const event of turns.toReversed()) report({ bench: "ssh-blind", who: "event", ...event });
