import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import type { AgentStatus, EventsPage, StoredEvent } from "#src/protocol/api.ts";
import type { NewSource, Project } from "#src/protocol/project.ts";
import { type Agent, allEntries, crash, createAgent, entries, startHub } from "#test/hub/kit/hub.ts";
import { type Client, createClient } from "#test/hub/kit/people.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { type Program, startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const hubProcess = new URL("kit/hub-process.ts", import.meta.url).pathname;
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

type Running = { readonly program: Program; readonly client: Client; readonly agents: readonly Agent[] };

/** A hub of its own process on `folder`, with a few servers. */
async function startProcess(folder: string, servers: number): Promise<Running> {
  const program = startProgram([process.execPath, hubProcess, folder], { cwd: process.cwd() });
  const line = await until(() => /^\{.*\}$/m.exec(program.output())?.[0], "the hub's first line");
  const first = JSON.parse(line) as { url: string; apiKey: string; id: string; token: string };
  const client = createClient(first.url, { authorization: `Bearer ${first.apiKey}` });
  const agents = [createAgent(first.url, first)];
  for (let i = 1; i < servers; i++) {
    const response = await client.send("POST", "/api/servers", { hostname: `web-${i + 1}` });
    agents.push(createAgent(first.url, (await response.json()) as { id: string; token: string }));
  }
  return { program, client, agents };
}

describe("a hub that is killed with SIGKILL", () => {
  test("has everything that it acknowledged, and each entry once and in order after repeats", async () => {
    await using folder = temporaryFolder();
    const servers = 3;
    const next = Array.from({ length: servers }, () => 1);
    const acknowledged = Array.from({ length: servers }, () => 0);
    const events: number[] = Array.from({ length: servers }, () => 0);
    const rounds = 10;
    for (let round = 0; round < rounds; round++) {
      const running = await startProcess(folder.path, servers);
      await using program = running.program;
      const deadline = performance.now() + 50 + ((round * 97) % 400);
      const sending = running.agents.map(async (agent, i) => {
        // like an agent: the same delivery again until it is acknowledged, then the next
        for (;;) {
          const from = next[i] ?? 1;
          const to = from + 400 + ((from * 7) % 900);
          const body = new Uint8Array(
            Bun.zstdCompressSync(
              entries(from, to)
                .map((one) => JSON.stringify(one))
                .join("\n"),
            ),
          );
          try {
            const response = await agent.post("logs", body, { "content-encoding": "zstd" });
            if (response.status !== 202) throw new Error(await response.text());
            await response.text();
            next[i] = to + 1;
            acknowledged[i] = to;
            const seq = (events[i] ?? 0) + 1;
            if ((await agent.event({ ...crash({ script: `s-${seq}` }), seq })).status === 202) events[i] = seq;
          } catch {
            // killed while we spoke: the next round sends it again
            return;
          }
        }
      });
      await until(() => performance.now() > deadline);
      program.kill("SIGKILL");
      await Promise.all([program.exited, ...sending]);
    }
    await using hub = await startHub({ folder: folder.path });
    for (let i = 0; i < servers; i++) {
      const agent = await hub.agent(`web-${i + 1}`);
      // what may or may not have been stored when it was killed, once more
      const last = (next[i] ?? 1) + 1400;
      expect((await agent.logs(entries(next[i] ?? 1, last))).status).toBe(202);
      const seqs = (await allEntries(hub, `&server=${agent.id}`)).map((one) => one.seq);
      expect(acknowledged[i]).toBeGreaterThan(0);
      expect(seqs).toEqual(numbers(1, last));
      const stored = await everyEvent(hub, agent.id);
      expect(stored.length).toBeGreaterThanOrEqual(events[i] ?? 0);
      expect(new Set(stored.map((one) => "script" in one.event && one.event.script)).size).toBe(stored.length);
    }
  });

  test("knows every token that it gave out, and none that it took back", async () => {
    await using folder = temporaryFolder();
    const { program: running, client, agents } = await startProcess(folder.path, 2);
    await using program = running;
    const ask = async <T>(method: string, path: string, body?: unknown) =>
      (await (await client.send(method, path, body)).json()) as T;
    const { projects } = await client.json<{ projects: readonly Project[] }>("/api/projects");
    const [project] = projects;
    const sources = `/api/projects/${project?.id}/sources`;
    const first = await ask<NewSource>("POST", sources, { name: "api" });
    const second = await ask<NewSource>("POST", `${sources}/${first.id}/token`);
    await client.send("DELETE", `/api/servers/${agents[1]?.id}/agent-token`);
    program.kill("SIGKILL");
    await program.exited;
    await using hub = await startHub({ folder: folder.path });
    const statusOf = async (one: Client, method: string, path: string, body?: unknown) =>
      (await one.send(method, path, body)).status;
    const asSource = (token: string) => createClient(hub.url, { authorization: `Bearer ${token}` });
    const line = { level: "info", message: "hello" };
    expect({
      key: await statusOf(createClient(hub.url, client.headers), "GET", "/api/projects"),
      agent: (await createAgent(hub.url, agents[0] ?? { id: "", token: "" }).beat()).status,
      revoked: (await createAgent(hub.url, agents[1] ?? { id: "", token: "" }).beat()).status,
      source: await statusOf(asSource(second.token), "POST", "/api/logs", line),
      rotated: await statusOf(asSource(first.token), "POST", "/api/logs", line),
    }).toEqual({ key: 200, agent: 200, revoked: 401, source: 202, rotated: 401 });
  });

  test("knows its servers again, and when they were last seen", async () => {
    await using folder = temporaryFolder();
    const first = await startProcess(folder.path, 1);
    await using program = first.program;
    const [agent] = first.agents;
    await agent?.beat();
    const status = (client: Pick<Client, "json">) => client.json<AgentStatus>(`/api/servers/${agent?.id}/agent-status`);
    const before = await status(first.client);
    // heartbeats reach the disk together, within a second or so
    await until(
      () => readdirSync(folder.path).includes("state.db-wal") && seenOnDisk(folder.at("state.db"), agent?.id ?? ""),
    );
    program.kill("SIGKILL");
    await program.exited;
    await using hub = await startHub({ folder: folder.path });
    expect(await status(hub)).toEqual(before);
  });
});

async function everyEvent(hub: Pick<Client, "json">, id: string): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const query: string = cursor === "" ? "" : `&cursor=${cursor}`;
    const page: EventsPage = await hub.json(`/api/events?limit=1000&server=${id}${query}`);
    all.push(...page.events);
    ({ cursor } = page);
  }
  return all;
}

async function seenOnDisk(path: string, id: string): Promise<boolean> {
  const { Database } = await import("bun:sqlite");
  using database = new Database(path, { readonly: true });
  const row = database
    .query<{ heartbeat: string | null }, [string]>("SELECT heartbeat FROM servers WHERE id = ?")
    .get(id);
  return row?.heartbeat != null;
}

const mountable = process.getuid?.() === 0 && existsSync("/bin/mount");

/** A file system of its own, of `megabytes`; undefined where this user may not mount. */
function smallDisk(folder: string, megabytes: number): (AsyncDisposable & { readonly path: string }) | undefined {
  const path = `${folder}/disk`;
  mkdirSync(path);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "orion-test", path]);
  if (mounted.status !== 0) return undefined;
  return {
    path,
    async [Symbol.asyncDispose]() {
      spawnSync("umount", ["-l", path]);
    },
  };
}

describe("a full disk", () => {
  test.skipIf(!mountable)(
    "answers 503 with Retry-After, keeps what it has, and goes on once there is room (needs root)",
    async () => {
      await using folder = temporaryFolder();
      await using disk = smallDisk(folder.path, 24);
      if (disk === undefined) return;
      await using hub = await startHub({ folder: disk.path });
      const agent = await hub.agent();
      const ballast = `${disk.path}/ballast`;
      await Bun.write(ballast, new Uint8Array(12 * 1024 * 1024));
      const size = 300;
      // random text does not compress
      const delivery = (from: number) =>
        entries(from, from + size - 1).map((one) => ({
          ...one,
          message: Buffer.from(crypto.getRandomValues(new Uint8Array(1500))).toString("base64"),
        }));
      let stored = 0;
      let refused: Response | undefined;
      while (refused === undefined) {
        const response = await agent.logs(delivery(stored + 1));
        if (response.status === 202) stored += size;
        else refused = response;
        expect(stored).toBeLessThan(100_000);
      }
      expect(refused.status).toBe(503);
      expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(await refused.json()).toMatchObject({ status: 503, detail: expect.stringContaining("Free some space") });
      // the rest lives: reading works, and so do heartbeats, which are kept in memory
      expect((await agent.beat()).status).toBe(200);
      expect((await allEntries(hub)).map((one) => one.seq)).toEqual(numbers(1, stored));
      rmSync(ballast);
      const again = await agent.logs(delivery(stored + 1));
      expect([again.status, await again.json()]).toEqual([202, { accepted: size, duplicates: 0 }]);
      expect((await allEntries(hub)).map((one) => one.seq)).toEqual(numbers(1, stored + size));
    },
  );
});
