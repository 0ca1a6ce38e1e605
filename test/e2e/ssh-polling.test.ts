/** A server whose agent stops: the hub goes on by itself over SSH, and leaves it alone when the agent is back. */
import { readFileSync, statfsSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import type { AgentStatus, EventsPage, Server } from "#src/protocol/api.ts";
import type { HubEvent } from "#src/protocol/event.ts";
import type { MetricsAnswer } from "#src/protocol/metrics.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { type Sshd, sshdMissing, startSshd } from "#test/hub/ssh/sshd.ts";
import { startAgent } from "#test/kit/agent.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { createSkippingClock } from "#test/kit/skipping-clock.ts";
import { until } from "#test/kit/wait.ts";

/** Says how the server is reached; with `change`, not quite so. */
async function putDetails(hub: TestHub, id: string, sshd: Sshd, change: Record<string, unknown> = {}): Promise<void> {
  const { host, port, user, credentials, hostKey } = sshd.target();
  const auth = credentials.kind === "key" ? { kind: "key", privateKey: credentials.privateKey } : credentials;
  const answer = await hub.send("PUT", `/api/servers/${id}/ssh`, { host, port, user, auth, hostKey, ...change });
  expect([answer.status, answer.ok ? "" : await answer.text()]).toEqual([200, ""]);
}

const statusOf = (hub: TestHub, id: string) => hub.json<AgentStatus>(`/api/servers/${id}/agent-status`);
const commandsOf = (sshd: Sshd) => sshd.output().split("Starting session: command").length - 1;

/** What became of the agent and of watching, oldest first, once there are so many of it. */
async function turnsOf(hub: TestHub, id: string, count: number): Promise<HubEvent[]> {
  return await until(async () => {
    const { events } = await hub.json<EventsPage>(`/api/events?server=${id}`);
    const all = events.map(({ event }) => event as HubEvent).toReversed();
    const turns = all.filter(({ type }) => /^(agent\.(silent|back)|watch\.)/.test(type));
    return turns.length >= count && turns;
  }, `${count} turns`);
}

/** The values of each series, nulls left out. */
async function seriesOf(hub: TestHub, id: string, from: string): Promise<Map<string, number[]>> {
  const { series } = await hub.json<MetricsAnswer>(`/api/servers/${id}/metrics?from=${from}&step=10`);
  return new Map(series.map(({ name, values }) => [name, values.filter((value) => value !== null)]));
}

describe.skipIf(sshdMissing() !== undefined)("a server whose agent is stopped", () => {
  test("goes on over SSH with the host's own figures, until the agent is back", async () => {
    const clock = createSkippingClock();
    await using hub = await startHub({ clock });
    await using sshd = await startSshd();
    await using folder = temporaryFolder();
    const { id, token } = await hub.agent("web-1");
    await putDetails(hub, id, sshd);
    // a server that never had an agent is looked at from the beginning
    await until(async () => (await statusOf(hub, id)).transport === "ssh", "the first poll");
    const env = { ORION_ENDPOINT: hub.url, ORION_AGENT_TOKEN: token, ORION_SERVER_ID: id, ORION_PUSH_INTERVAL: "10" };
    const agent = await startAgent(folder, env);
    await until(async () => (await statusOf(hub, id)).transport === "agent", "the agent");
    expect(await statusOf(hub, id)).not.toHaveProperty("ssh");
    const { latest } = await hub.json<Server>(`/api/servers/${id}`);
    const seen = (await statusOf(hub, id)).lastSeen;

    await agent[Symbol.asyncDispose]();
    const before = commandsOf(sshd);
    clock.skip(100_000);
    await Bun.sleep(1500);
    expect([(await statusOf(hub, id)).transport, commandsOf(sshd)]).toEqual(["agent", before]);
    clock.skip(20_000);
    const silent = await until(async () => {
      const status = await statusOf(hub, id);
      return status.transport === "ssh" && status;
    }, "polling");
    expect(silent.status).toBe("disconnected");
    // this machine's Docker may be nothing for this user
    expect(silent.ssh?.problem ?? "Docker: ").toStartWith("Docker: ");
    const lastSeen = silent.lastSeen ?? "";
    expect(lastSeen >= (seen ?? "")).toBe(true);

    const { polled } = await hub.json<Server>(`/api/servers/${id}`);
    const { blocks, bsize } = statfsSync("/");
    const uptime = Number.parseFloat(readFileSync("/proc/uptime", "utf8"));
    expect(polled).toMatchObject({
      hostname: latest?.hostname ?? "",
      system: {
        cpu: { cores: latest?.system.cpu.cores ?? 0, usage: expect.any(Number) },
        memory: { total: latest?.system.memory.total ?? 0 },
        disk: { path: "/", total: blocks * bsize },
        network: { rxRate: latest?.system.network.rxBytes === null ? null : expect.any(Number) },
      },
    });
    expect(Math.abs((polled?.system.uptime ?? 0) - uptime)).toBeLessThan(10);
    expect(polled?.system.network.rxBytes ?? 0).toBeGreaterThanOrEqual(latest?.system.network.rxBytes ?? 0);

    // the next minute, compared with this one
    const commands = commandsOf(sshd);
    clock.skip(66_000);
    await until(() => commandsOf(sshd) > commands, "the next poll");
    const from = new Date(Date.parse(lastSeen) - 60_000).toISOString();
    const series = await until(async () => {
      const found = await seriesOf(hub, id, from);
      return (found.get("host.ssh")?.length ?? 0) > 1 && found;
    }, "two samples");
    expect(new Set(series.get("host.ssh"))).toEqual(new Set([1]));
    expect(new Set(series.get("host.memory.total"))?.size).toBe(1);
    expect(sshd.output().split("Accepted publickey").length - 1).toBe(2);

    const running = commandsOf(sshd);
    await using _again = await startAgent(folder, env);
    await until(async () => (await statusOf(hub, id)).transport === "agent", "the agent, back");
    await until(() => sshd.output().split("Disconnected from user").length - 1 === 2, "the session's end");
    expect((await hub.json<Server>(`/api/servers/${id}`)).polled).toBeUndefined();
    clock.skip(66_000);
    await Bun.sleep(500);
    expect(commandsOf(sshd)).toBe(running);
    expect(await turnsOf(hub, id, 2)).toMatchObject([
      { type: "agent.silent", since: lastSeen, watch: "ssh" },
      { type: "agent.back", since: lastSeen },
    ]);
  }, 60_000);

  test("that can't be reached either says why, and is watched once it can", async () => {
    const clock = createSkippingClock();
    await using hub = await startHub({ clock });
    await using sshd = await startSshd();
    const agent = await hub.agent("web-1");
    await agent.beat({ at: new Date(clock.now()).toISOString() });
    await putDetails(hub, agent.id, sshd, { hostKey: `SHA256:${"A".repeat(43)}` });
    clock.skip(121_000);
    const failed = await until(async () => {
      const { transport, ssh } = await statusOf(hub, agent.id);
      return transport === null && ssh?.problem != null && ssh;
    }, "the problem");
    expect(failed).toMatchObject({ lastPolled: null, nextPoll: null });
    expect(failed.problem).toContain("has changed");
    expect(commandsOf(sshd)).toBe(0);

    await putDetails(hub, agent.id, sshd);
    await until(async () => (await statusOf(hub, agent.id)).transport === "ssh", "polling");
    expect(await turnsOf(hub, agent.id, 3)).toMatchObject([
      { type: "agent.silent", watch: "ssh" },
      { type: "watch.failed", problem: expect.stringContaining("has changed") },
      { type: "watch.restored" },
    ]);

    const gone = await hub.send("DELETE", `/api/servers/${agent.id}/ssh`);
    expect(gone.status).toBe(204);
    expect(await statusOf(hub, agent.id)).toMatchObject({ status: "disconnected", transport: null });
    expect(await statusOf(hub, agent.id)).not.toHaveProperty("ssh");
  }, 30_000);

  test("is told to be watched by nobody without SSH details", async () => {
    const clock = createSkippingClock();
    await using hub = await startHub({ clock });
    const agent = await hub.agent("web-1");
    await agent.beat();
    clock.skip(121_000);
    await turnsOf(hub, agent.id, 1);
    await agent.beat();
    expect(await turnsOf(hub, agent.id, 2)).toMatchObject([
      { type: "agent.silent", watch: null },
      { type: "agent.back" },
    ]);
  });

  test("is polled on at once by a hub that is started again, and told silent no second time", async () => {
    const clock = createSkippingClock();
    await using folder = temporaryFolder();
    await using sshd = await startSshd();
    const { id, turns } = await (async () => {
      await using hub = await startHub({ clock, folder: folder.path });
      const agent = await hub.agent("web-1");
      await agent.beat();
      await putDetails(hub, agent.id, sshd);
      clock.skip(121_000);
      await until(async () => (await statusOf(hub, agent.id)).transport === "ssh", "polling");
      return { id: agent.id, turns: await turnsOf(hub, agent.id, 1) };
    })();
    await using hub = await startHub({ clock, folder: folder.path });
    await until(async () => (await statusOf(hub, id)).transport === "ssh", "polling again");
    clock.skip(130_000);
    await Bun.sleep(1500);
    expect(await turnsOf(hub, id, 1)).toEqual(turns);
  }, 30_000);
});
