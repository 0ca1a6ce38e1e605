import { describe, expect, setDefaultTimeout, test } from "bun:test";

import type { ServerRecord } from "#src/hub/fleet/port.ts";
import { openCluster } from "#src/hub/store/cluster/cluster.ts";
import { openPostgres } from "#src/hub/store/postgres/connection.ts";
import { openPostgresState } from "#src/hub/store/postgres/state.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { Job } from "#src/protocol/job.ts";
import { freshDatabase, havePostgres, sharedPostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";
import { type RoomsOptions, openTestRooms } from "./rig.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

type Hub = Awaited<ReturnType<typeof openHub>>;

/** A hub on a real database, with all that it keeps in memory. */
async function openHub(url: string, options: Partial<RoomsOptions> = {}) {
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  const log = { info: say, warn: say };
  const postgres = await openPostgres(url, { clock: systemClock, log });
  const cluster = await openCluster({ postgres, clock: systemClock, log });
  let rooms: Awaited<ReturnType<typeof openTestRooms>> | undefined;
  const surprised = () => rooms?.sharing.again();
  const store = await openPostgresState(postgres, { clock: systemClock, cluster, surprised, warn: say });
  rooms = await openTestRooms({ store, cluster }, { clock: systemClock, shareWithinMs: 100, ...options });
  await rooms.jobs.open();
  const opened = rooms;
  return {
    ...opened,
    store,
    async close() {
      await opened.close();
      await store.close();
      await cluster.close();
      await postgres.close();
    },
  };
}

async function openHubs(count: number, options: Partial<RoomsOptions> = {}) {
  const database = await freshDatabase();
  // all at once, on an empty database
  const hubs = await Promise.all(Array.from({ length: count }, () => openHub(database.url, options)));
  const [first] = hubs;
  const projectId = first?.projects.all()[0]?.id ?? "";
  return {
    hubs,
    projectId,
    async [Symbol.asyncDispose]() {
      await Promise.all(hubs.map((hub) => hub.close()));
      await database[Symbol.asyncDispose]();
    },
  };
}

/** All that every hub knows of its servers: when a token was used, each hub knows of its own requests. */
const factsOf = (servers: readonly ServerRecord[]) =>
  servers.map((server) => ({ ...server, tokenUsedAtMs: null })).sort((a, b) => (a.id < b.id ? -1 : 1));
const rosterOf = ({ servers }: Hub) => factsOf(servers.all());

describe.skipIf(!havePostgres)("hubs on one database (needs PostgreSQL)", () => {
  test("begin with one project, and have the same servers whichever of them hosts register with", async () => {
    await using opened = await openHubs(3);
    const { hubs, projectId } = opened;
    const [first] = hubs as [Hub];
    await until(() => hubs.every(({ projects }) => projects.get(projectId) !== undefined), "the project on all hubs");
    expect((await first.store.projects()).length).toBe(1);
    const asked = Array.from({ length: 30 }, (_, n) => {
      const { servers } = hubs[n % 3] as Hub;
      return servers.register({ projectId, hostname: `web-${n % 5}` });
    });
    const made = await Promise.all(asked);
    const rows = factsOf(await first.store.servers());
    expect([rows.length, new Set(made.map(({ server }) => server.id)).size]).toEqual([5, 5]);
    await until(() => hubs.every((hub) => Bun.deepEquals(rosterOf(hub), rows)), "the same servers on all hubs");
    // of each server one token is good, and on all hubs the same
    for (const hub of hubs) {
      expect(made.filter(({ server, token }) => hub.servers.authenticate(server.id, token)).length).toBe(5);
    }
  });

  test("know soon what agents report to the others", async () => {
    await using opened = await openHubs(2);
    const { hubs, projectId } = opened;
    const [here, there] = hubs as [Hub, Hub];
    const made = await Promise.all(
      Array.from({ length: 300 }, (_, n) => here.servers.register({ projectId, hostname: `web-${n}` })),
    );
    await until(() => there.servers.all().length === 300, "all servers");
    for (const [n, { server }] of made.entries()) (n % 2 === 0 ? here : there).beat(server.id);
    await until(() => Bun.deepEquals(rosterOf(here), rosterOf(there)), "the same heartbeats on both");
    for (const { servers } of hubs) {
      expect(servers.all().filter((server) => servers.status(server).status === "connected").length).toBe(300);
    }
  });

  test("forget nothing that was done while the database was away, and show no agent as gone", async () => {
    await using opened = await openHubs(2);
    const { hubs, projectId } = opened;
    const [here, there] = hubs as [Hub, Hub];
    const { server } = await here.servers.register({ projectId, hostname: "web-1" });
    await until(() => there.servers.get(server.id), "the server");
    here.beat(server.id);
    await until(() => there.servers.isPresent(server.id), "its agent");
    const postgres = await sharedPostgres();
    await postgres.stop();
    try {
      here.beat(server.id);
      const failed = there.servers.rotate(server.id)?.then(
        () => "done",
        (error: { code: string }) => error.code,
      );
      expect(await failed).toBe("unavailable");
      for (const { servers } of hubs) {
        expect(servers.status(servers.get(server.id) as ServerRecord).status).toBe("connected");
      }
    } finally {
      await postgres.start();
    }
    const rotated = await until(
      () => there.servers.rotate(server.id)?.catch(() => undefined),
      "the database to take writes again",
    );
    await until(() => here.servers.authenticate(server.id, rotated.token), "the new token");
    await until(
      async () =>
        Bun.deepEquals(rosterOf(here), rosterOf(there)) && (await here.store.servers())[0]?.lastSeenMs != null,
      "the same on both",
    );
  });

  test("do each job once, one at a time for each server, whichever of them are asked", async () => {
    const busy = new Set<string>();
    const clashes: string[] = [];
    const ran: string[] = [];
    const plan = (job: Job) => ({
      steps: [
        {
          name: "one",
          async run() {
            if (busy.has(job.serverId)) clashes.push(job.id);
            busy.add(job.serverId);
            ran.push(job.id);
            await Bun.sleep(5);
            busy.delete(job.serverId);
          },
        },
      ],
      undo: async () => undefined,
      close: () => undefined,
    });
    await using opened = await openHubs(3, { plan });
    const { hubs, projectId } = opened;
    const [first] = hubs as [Hub];
    const made = await Promise.all(
      ["web-1", "web-2"].map((hostname) => first.servers.register({ projectId, hostname })),
    );
    const orders = made.flatMap(({ server }) => hubs.map(({ jobs }) => ({ jobs, serverId: server.id })));
    const started = await Promise.all(
      [...orders, ...orders].map(({ jobs, serverId }) =>
        jobs.start({ kind: "deploy", serverId, hostname: serverId, createdBy: null, request: {} }),
      ),
    );
    for (const { id } of started) {
      await until(async () => (await first.jobs.get(id))?.state === "done", `the end of job ${id}`);
    }
    expect([ran.toSorted(), clashes]).toEqual([started.map(({ id }) => id).sort(), []]);
  });
});
