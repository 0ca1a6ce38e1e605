/**
 * Past one machine: two hubs behind a balancer, a real Postgres, a real ClickHouse engine, and 2,000 agents that report
 * and log, while hubs are killed with -9, connections are torn down, Postgres is restarted and ClickHouse is away for half
 * a minute. The run prints one JSON line with what happened. ORION_SOAK=1 makes it ten minutes.
 */
import { beforeAll, expect, test } from "bun:test";

import { orionBinary } from "#test/kit/binary.ts";
import { haveClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { havePostgres, startPostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";

import type { Job } from "#src/protocol/job.ts";

import { type Credentials, firstSeq } from "./agents.ts";
import { startFleet } from "./fleet.ts";
import { type Hubs, startHubs } from "./hubs.ts";
import { type Seen, followTail, startHost, watchStates } from "./watching.ts";

const soak = process.env["ORION_SOAK"] === "1";
const seconds = soak ? 600 : 80;
const agentCount = 2000;
const hosts = 6;

beforeAll(async () => void (await orionBinary()), 60_000);

async function register(hubs: Hubs, count: number): Promise<Credentials[]> {
  const agents: Credentials[] = [];
  for (let i = 0; i < count; i += 50) {
    const group = Array.from({ length: Math.min(50, count - i) }, (_, k) =>
      hubs.ask<Credentials>("/api/servers", { method: "POST", body: JSON.stringify({ hostname: `host-${i + k}` }) }),
    );
    agents.push(...(await Promise.all(group)));
  }
  return agents;
}

/** Asks for something until a hub has answered: one of them may just have been killed. */
async function persist<T>(work: () => Promise<T>): Promise<T> {
  let last: unknown;
  const answer = await until(
    async () => {
      try {
        return { value: await work() };
      } catch (error) {
        last = error;
        await Bun.sleep(200);
        return undefined;
      }
    },
    "a hub's answer",
    60_000,
  ).catch(() => {
    throw last;
  });
  return answer.value;
}

test.skipIf(!havePostgres || !haveClickhouse)(
  "every line once, nobody disconnected who wasn't, each job once, whatever was killed meanwhile (needs PostgreSQL and chdb)",
  async () => {
    await using postgres = await startPostgres();
    await using database = await postgres.freshDatabase();
    await using clickhouse = await startClickhouse();
    const clickhouseUrl = await clickhouse.freshDatabase();
    await using hubs = await startHubs(["a", "b"], { databaseUrl: database.url, clickhouseUrl });
    const agents = await register(hubs, agentCount);
    const targets = await Promise.all(Array.from({ length: hosts }, startHost));
    const hostKey = `SHA256:${"A".repeat(43)}`;
    const auth = { kind: "password", password: "secret" };
    const ssh = (port: number) => JSON.stringify({ host: "127.0.0.1", port, user: "root", auth, hostKey });
    for (const [i, { port }] of targets.entries()) {
      await hubs.ask(`/api/servers/${agents[i]?.id}/ssh`, { method: "PUT", body: ssh(port) });
    }
    const observed = agents[17]?.id ?? "";
    await using fleet = startFleet({
      url: hubs.balancer.url,
      agents,
      beatSeconds: 10,
      deliverSeconds: 10,
      lines: 20,
    });
    const tail = followTail(hubs, observed);
    // what one hub was told, the other shows within a second
    for (const name of hubs.names) {
      await until(
        async () => {
          const { servers } = await hubs.ask<{ servers: Seen[] }>("/api/servers?limit=10000", {}, name);
          return servers.every(({ agent }) => agent.status === "connected");
        },
        `all agents to be connected, by hub ${name}`,
        60_000,
      );
    }
    const states = watchStates(hubs, agentCount);

    const done = { hubKills: 0, postgresRestarts: 0, clickhouseAway: 0 };
    const began = performance.now();
    const second = () => (performance.now() - began) / 1000;
    const jobIds: string[] = [];
    const startJob = async (i: number): Promise<void> => {
      const path = `/api/servers/${agents[i]?.id}/agent/deploy`;
      jobIds.push((await persist(() => hubs.ask<Job>(path, { method: "POST", body: "{}" }))).id);
    };
    const at = (when: number, work: () => Promise<void>): Promise<void> => Bun.sleep(when * 1000).then(work);
    const disturbances = [
      ...Array.from({ length: Math.floor(seconds / 20) }, (_, i) =>
        at(10 + i * 20, async () => {
          const name = hubs.names[i % 2] ?? "a";
          await hubs.kill(name);
          done.hubKills++;
          await Bun.sleep(3000);
          await persist(() => hubs.start(name));
        }),
      ),
      ...Array.from({ length: soak ? 6 : 1 }, (_, i) =>
        at(22 + i * 95, async () => {
          await postgres.stop();
          await Bun.sleep(4000);
          await postgres.start();
          done.postgresRestarts++;
        }),
      ),
      ...Array.from({ length: soak ? 5 : 1 }, (_, i) =>
        at(38 + i * 110, async () => {
          await clickhouse.kill();
          await Bun.sleep(30_000);
          await clickhouse.start();
          done.clickhouseAway++;
        }),
      ),
      ...[5, 12, 28, 40, 55, 70].map((when, i) => at(when, () => startJob(i))),
      (async () => {
        while (second() < seconds) {
          await Bun.sleep(7000);
          hubs.balancer.shuffle(0.3);
        }
      })(),
    ];
    await Promise.all(disturbances);
    const figures = await fleet.drain(120_000);
    const { looks, wrong, oldest } = await states.end();

    // every line once: counted by the engine itself, not by a hub
    const name = new URL(clickhouseUrl).pathname.slice(1);
    const counted = await clickhouse.ask(
      "SELECT count(), uniqExact(server, seq), uniqExact(position), countIf(seq < toInt64(" +
        `${firstSeq})) FROM logs WHERE server != '' FORMAT TabSeparated`,
      name,
    );
    const perServer = await clickhouse.ask(
      `SELECT count() FROM (SELECT server, count() AS n, max(seq) - min(seq) + 1 AS span FROM logs WHERE server != '' GROUP BY server HAVING n != span) FORMAT TabSeparated`,
      name,
    );
    const [rows, unique, positions, strange] = counted.trim().split("\t").map(Number);

    const ofObserved = Number(
      await clickhouse.ask(`SELECT count() FROM logs WHERE server = '${observed}' FORMAT TabSeparated`, name),
    );
    await until(() => tail.seqs() >= ofObserved, `the tail's ${ofObserved} lines`, 30_000).catch(() => undefined);
    const tailed = tail.end();
    const jobs = await Promise.all(jobIds.map((id) => persist(() => hubs.ask<Job>(`/api/jobs/${id}`))));
    const latencies = tailed.latenciesMs.toSorted((a, b) => a - b);
    console.log(
      JSON.stringify({
        run: "scale",
        seconds: Math.round(second()),
        ...done,
        made: figures.made,
        acknowledged: figures.acknowledged,
        rows,
        unique,
        beats: figures.beats,
        answers: figures.answers,
        longestSilence: Math.round(figures.longestSilence),
        looks,
        oldestReport: Math.round(oldest),
        tail: {
          lines: tailed.seqs.length,
          connections: tailed.connections,
          skipped: tailed.skipped,
          medianMs: latencies[Math.floor(latencies.length / 2)],
        },
        jobs: jobs.map(({ state }) => state),
        connections: hubs.balancer.given(),
      }),
    );
    expect(wrong).toEqual([]);
    expect(looks).toBeGreaterThan(20);
    expect({ rows, unique, positions, strange, perServer: perServer.trim() }).toEqual({
      rows: figures.made,
      unique: figures.made,
      positions: figures.made,
      strange: 0,
      perServer: "0",
    });
    // the tail: all lines of its server, each once, in order
    expect(tailed.skipped).toBe(0);
    expect(tailed.seqs).toEqual(Array.from({ length: ofObserved }, (_, i) => firstSeq + i));
    // nothing listens there that speaks SSH: each job has failed, and never were two hubs at work on one
    await until(
      async () => {
        const all = await Promise.all(jobIds.map((id) => persist(() => hubs.ask<Job>(`/api/jobs/${id}`))));
        return all.every(({ state }) => state === "failed");
      },
      "the jobs to come to their end",
      60_000,
    );
    expect(targets.map((host) => host.mostAtOnce())).toEqual(targets.map(() => 1));
    expect(done).toEqual({
      hubKills: Math.floor(seconds / 20),
      postgresRestarts: soak ? 6 : 1,
      clickhouseAway: soak ? 5 : 1,
    });
    for (const host of targets) await host[Symbol.asyncDispose]();
  },
  (seconds + 400) * 1000,
);
