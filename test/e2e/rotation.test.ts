/**
 * A server's token is rotated and revoked while its agent reports, its script prints, and a stream is open: the old one
 * is dead at once, and nothing is lost or stored twice.
 */
import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";

import { expect, setDefaultTimeout, test } from "bun:test";

import type { AgentStatus, RegisteredServer, Server } from "#src/protocol/api.ts";
import { type StatusAnswer, statusAnswer } from "#src/protocol/ipc.ts";
import { type TestStream, entries, openStream } from "#test/hub/api/intake/ingest-rig.ts";
import { type TestHub, allEntries, createAgent, startHub } from "#test/hub/kit/hub.ts";
import { type TestAgent, startAgent } from "#test/kit/agent.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

import { judge } from "./kit/lines.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(120_000);

/** Prints numbered lines until the file `$1` is there, and says at last how many. */
const numbers = (stop: string) =>
  `n=0; while [ ! -e ${stop} ]; do n=$((n+1)); echo "line $n"; sleep 0.01; done; echo "printed $n"`;

function write(folder: Folder, name: string, content: unknown): void {
  mkdirSync(folder.at("etc"), { recursive: true, mode: 0o755 });
  writeFileSync(folder.at("etc", `${name}.new`), JSON.stringify(content));
  chmodSync(folder.at("etc", `${name}.new`), 0o600);
  renameSync(folder.at("etc", `${name}.new`), folder.at("etc", name));
}

async function statusOf(agent: TestAgent): Promise<StatusAnswer> {
  return statusAnswer.parse((await agent.ask({ cmd: "status" })).data);
}

/**
 * The containers' half of an agent: sends a frame every few milliseconds, and after a new connection everything again
 * that was not acknowledged, with a frame before it that was.
 */
function createStreamer(url: string, id: string) {
  const perFrame = 5;
  let stream: TestStream | undefined;
  let sent = 0;
  let acked = 0;
  let timer: Timer | undefined;

  const send = (n: number) => {
    const list = entries(n * perFrame + 1, (n + 1) * perFrame, { source: "odoo" });
    stream?.send({ type: "logs", seq: n, entries: list });
  };

  return {
    async connect(token: string) {
      const opened = (stream = openStream(url, id, token));
      await opened.opened;
      opened.socket.addEventListener("message", ({ data }) => {
        const answer = JSON.parse(String(data)) as { type: string; seq: number };
        if (answer.type === "ack") acked = Math.max(acked, answer.seq + 1);
      });
      for (let n = Math.max(0, acked - 1); n < sent; n++) send(n);
      timer = setInterval(() => send(sent++), 5);
      return { ended: opened.ended.finally(() => clearInterval(timer)) };
    },
    /** Sends no more. @returns how many entries there are once all are acknowledged */
    async finish() {
      clearInterval(timer);
      await until(() => acked === sent, "the last acknowledgement of the stream");
      return sent * perFrame;
    },
    acked: () => acked,
    [Symbol.asyncDispose]: async () => await stream?.[Symbol.asyncDispose](),
  };
}

async function register(hub: TestHub, hostname: string): Promise<RegisteredServer> {
  const response = await hub.send("POST", "/api/servers", { hostname });
  expect(response.status).toBe(201);
  return (await response.json()) as RegisteredServer;
}

test("a rotated token: 401 at once, the stream closed, and everything arrives once the file has the new one", async () => {
  await using hub = await startHub();
  await using folder = temporaryFolder();
  const { id, token } = await register(hub, "web-1");
  const stop = folder.at("stop");
  const config = { apiUrl: hub.url, serverId: id, heartbeatInterval: 10 };
  write(folder, "config.json", { ...config, token });
  write(folder, "scripts.json", [{ name: "numbers", command: numbers(stop), autoRestart: false }]);
  await using agent = await startAgent(folder);
  await using streamer = createStreamer(hub.url, id);
  const closed = await streamer.connect(token);
  const lastSeen = async () => (await hub.json<AgentStatus>(`/api/servers/${id}/agent-status`)).lastSeen;
  await until(lastSeen, "a heartbeat");
  await until(() => streamer.acked() > 20, "frames");
  await until(async () => (await hub.json<{ entries: unknown[] }>("/api/logs?source=numbers")).entries.length > 50);

  const rotated = await hub.send("POST", `/api/servers/${id}/agent-token`);
  const { token: fresh } = (await rotated.json()) as { token: string };
  // whatever comes after the answer comes too late
  const late = createAgent(hub.url, { id, token });
  expect((await late.beat()).status).toBe(401);
  expect((await late.logs([])).status).toBe(401);
  expect((await openStream(hub.url, id, token).ended).code).toBe(1006);
  expect((await closed.ended).code).toBe(4401);

  // lines go on being printed and kept meanwhile, by the agent and by the streamer
  const refused = await until(async () => {
    const { delivery } = await statusOf(agent);
    return delivery.state === "refused" && delivery.ledger.buffered > 50 && delivery;
  }, "an agent that is refused and keeps what it has");
  expect(refused.lastError).toContain("401");

  write(folder, "config.json", { ...config, token: fresh });
  const closedAgain = await streamer.connect(fresh);
  await until(async () => (await statusOf(agent)).delivery.state === "online", "an agent that is let in again", 30_000);
  const before = await lastSeen();
  await until(async () => (await lastSeen()) !== before, "a heartbeat with the new token", 30_000);
  writeFileSync(stop, "");
  const total = await streamer.finish();
  const last = await until(async () => {
    const page = await hub.json<{ entries: { message: string }[] }>("/api/logs?source=numbers&q=printed");
    return page.entries[0];
  }, "the script's last line");

  const printed = Number(last.message.split(" ")[1]);
  const own = (await allEntries(hub, "&source=numbers")).filter(({ message }) => message.startsWith("line "));
  const verdict = judge(
    own.map(({ message }) => Number(message.split(" ")[1])),
    printed,
  );
  expect(verdict).toEqual({ lines: printed, lost: 0, repeated: 0, outOfOrder: 0, examples: [] });
  const streamed = await allEntries(hub, "&source=odoo");
  expect(streamed.map(({ seq }) => seq)).toEqual(Array.from({ length: total }, (_, i) => i + 1));

  // revoked: nobody is let in, and what was known of the agent is gone
  expect((await hub.send("DELETE", `/api/servers/${id}/agent-token`)).status).toBe(204);
  expect((await closedAgain.ended).code).toBe(4401);
  expect((await createAgent(hub.url, { id, token: fresh }).beat()).status).toBe(401);
  const server = await hub.json<Server>(`/api/servers/${id}`);
  expect([server.agent, server.tokenLastUsedAt]).toEqual([
    { status: "disconnected", version: null, lastSeen: null, transport: null },
    null,
  ]);
});
