import { join } from "node:path";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { systemClock } from "#src/lib/clock.ts";
import { appendChanges, createSoleHub, openCluster } from "#src/hub/store/cluster/cluster.ts";
import type { Change, Cluster, Duty } from "#src/hub/store/cluster/port.ts";
import { type Postgres, openPostgres } from "#src/hub/store/postgres/connection.ts";
import { type TestPostgres, freshDatabase, havePostgres, startPostgres } from "#test/kit/postgres.ts";
import { type Program, startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

/** Short leases, so that hubs are gone in two seconds and not in ten. */
const times = { leaseMs: 2000, memberMs: 1500, renewMs: 300, pollMs: 200 };

type Member = AsyncDisposable & { readonly postgres: Postgres; readonly cluster: Cluster; readonly log: string[] };

async function joined(url: string, given: object = times): Promise<Member> {
  const told: string[] = [];
  const log = { info: () => undefined, warn: (text: string) => void told.push(text) };
  const postgres = await openPostgres(url, { clock: systemClock, log });
  const cluster = await openCluster({ postgres, clock: systemClock, log, times: given });
  return {
    postgres,
    cluster,
    log: told,
    async [Symbol.asyncDispose]() {
      await cluster.close();
      await postgres.close();
    },
  };
}

type Line = { readonly joined?: string; readonly begin?: string; readonly end?: string; readonly gone?: string } & {
  readonly step?: number;
  readonly changes?: readonly string[] | null;
};

/** A hub in a process of its own. */
async function startMember(url: string): Promise<Program & { readonly id: string; lines(): Line[] }> {
  const file = join(import.meta.dir, "member.ts");
  const program = startProgram([process.execPath, file, url, JSON.stringify(times)]);
  const lines = () =>
    program
      .output()
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line) as Line);
  const id = await until(() => lines().find(({ joined }) => joined !== undefined)?.joined, "joining");
  return { ...program, id, lines };
}

const stepsOf = (member: { lines(): Line[] }) => member.lines().flatMap(({ step }) => step ?? []);
const hasBegun = (member: { lines(): Line[] }) => member.lines().some(({ begin }) => begin !== undefined);

/** A duty that notes who has it. */
function noting(has: Set<string>, name: string): Duty {
  return { begin: () => void has.add(name), end: () => void has.delete(name) };
}

/** Tells other hubs of changes, as the state's commits do. */
async function change({ postgres, cluster }: Member, ...changes: readonly Change[]): Promise<void> {
  await postgres
    .queries()
    .transaction()
    .execute((within) => appendChanges(within, cluster.hubId(), changes, postgres.canNotify));
}

/** All changes that a hub hears of; null as such. */
function hearing({ cluster }: Member): (Change | null)[] {
  const heard: (Change | null)[] = [];
  cluster.onChanges((changes) => void heard.push(...(changes ?? [null])));
  return heard;
}

const sessions = (server: TestPostgres) =>
  server.query("SELECT 1 FROM pg_stat_activity WHERE application_name = 'orion-hub'");

// a loaded machine takes its time
setDefaultTimeout(60_000);

describe.skipIf(!havePostgres)("hubs that share a database (needs PostgreSQL)", () => {
  test("a duty is one hub's, and another's when that one says goodbye", async () => {
    await using database = await freshDatabase();
    const members = await Promise.all([1, 2, 3].map(() => joined(database.url)));
    const has = new Set<string>();
    const gone: string[] = [];
    for (const { cluster } of members) {
      cluster.take("work", noting(has, cluster.hubId()));
      cluster.onGone((hub) => gone.push(hub));
    }
    await until(() => has.size === 1, "somebody to have the duty");
    const [holder] = [...has];
    const one = members.find(({ cluster }) => cluster.hubId() === holder);
    expect(await members[0]?.cluster.duties()).toEqual([{ name: "work", hubId: holder ?? "" }]);
    await one?.cluster.close();
    expect(has.has(holder ?? "")).toBe(false);
    await until(() => has.size === 1 && !has.has(holder ?? ""), "another to have the duty");
    await until(() => gone.length === 2, "both others to know");
    expect(gone).toEqual([holder ?? "", holder ?? ""]);
    const others = members.filter((member) => member !== one);
    for (const { cluster } of others) {
      expect(await cluster.isGone(holder ?? "")).toBe(true);
      expect(await cluster.isGone(cluster.hubId())).toBe(false);
    }
    await Promise.all(others.map(({ cluster }) => cluster.close()));
    expect(has.size).toBe(0);
    await Promise.all(members.map(({ postgres }) => postgres.close()));
  });

  test("a duty that is given up, or can't be begun, goes to another hub", async () => {
    await using database = await freshDatabase();
    await using first = await joined(database.url);
    await using second = await joined(database.url);
    const has = new Set<string>();
    const giveUp = first.cluster.take("work", noting(has, "first"));
    await until(() => has.has("first"));
    second.cluster.take("work", noting(has, "second"));
    await giveUp();
    expect(has.has("first")).toBe(false);
    await until(() => has.has("second"));

    first.cluster.take("hard", { begin: () => Promise.reject(new Error("no room")), end: () => undefined });
    await until(() => first.log.length > 0, "the failure to be told");
    expect(first.log).toEqual(['the duty "hard" could not be begun, it is tried again: no room']);
    second.cluster.take("hard", noting(has, "hard"));
    await until(() => has.has("hard"), "the other to take it");
  });

  test("a killed hub's duty is another's soon, and who hangs never has it together with another", async () => {
    await using database = await freshDatabase();
    await using killed = await startMember(database.url);
    await until(() => stepsOf(killed).length > 3);
    await using hanging = await startMember(database.url);
    await using third = await startMember(database.url);
    killed.kill("SIGKILL");
    await until(() => hasBegun(hanging) || hasBegun(third), "a takeover");
    const [holder, waiting] = hasBegun(hanging) ? [hanging, third] : [third, hanging];
    await until(() => stepsOf(holder).length > 3);
    expect(Math.min(...stepsOf(holder))).toBeGreaterThan(Math.max(...stepsOf(killed)));
    await until(() => [holder, waiting].every((one) => one.lines().some(({ gone }) => gone === killed.id)));

    holder.kill("SIGSTOP");
    await until(() => stepsOf(waiting).length > 3, "another takeover");
    const before = stepsOf(holder).length;
    holder.kill("SIGCONT");
    await until(() => holder.lines().some(({ end }) => end !== undefined), "the one that hung to notice");
    await until(() => holder.lines().some(({ changes }) => changes === null), "it to read everything again");
    // it is another hub now, whose duty is not its own any more
    await until(() => waiting.lines().some(({ gone }) => gone === holder.id));
    const steps = stepsOf(waiting).length;
    await until(() => stepsOf(waiting).length > steps + 10);
    expect(stepsOf(holder).length).toBe(before);
    expect(Math.max(...stepsOf(holder))).toBeLessThan(Math.min(...stepsOf(waiting)));
  });

  test("a database that is away for a while makes nobody gone and moves no duty; what was changed arrives", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    // so that either has the time to find the database again before the other doubts it
    const leaseMs = 3000;
    await using first = await joined(database.url, { ...times, leaseMs });
    await using second = await joined(database.url, { ...times, leaseMs });
    const has = new Set<string>();
    const gone: string[] = [];
    first.cluster.take("work", noting(has, "first"));
    await until(() => has.has("first"));
    second.cluster.take("work", noting(has, "second"));
    for (const { cluster } of [first, second]) cluster.onGone((hub) => gone.push(hub));
    const heard = hearing(second);
    await server.stop();
    await until(() => !first.cluster.isMember() && !second.cluster.isMember(), "both to doubt");
    await until(() => has.size === 0, "the duty to be ended");
    // longer than a lease
    await Bun.sleep(leaseMs);
    await server.start();
    const ids = [first, second].map(({ cluster }) => cluster.hubId());
    await change(first, { kind: "server", id: "s1" });
    await until(() => heard.length === 1, "the change");
    expect(heard).toEqual([{ kind: "server", id: "s1" }]);
    await until(() => has.size === 1, "the duty to be done again");
    expect([...has]).toEqual(["first"]);
    await Bun.sleep(leaseMs * 1.5);
    expect({ gone, has: [...has], ids: [first, second].map(({ cluster }) => cluster.hubId()) }).toEqual({
      gone: [],
      has: ["first"],
      ids,
    });
  });

  test("everybody hears of each change of the others once, in the order of their commits", async () => {
    await using database = await freshDatabase();
    const members = await Promise.all([1, 2, 3].map(() => joined(database.url)));
    const heard = members.map(hearing);
    const count = 60;
    await Promise.all(
      members.map(async (member, number) => {
        for (let n = 0; n < count; n++) {
          await change(member, { kind: "server", id: `${number} ${n}` }, { kind: "beat", id: `${number} ${n}` });
          if (n % 20 === 19) await Bun.sleep(50);
        }
      }),
    );
    await until(() => heard.every((list) => list.length === count * 4), "all changes");
    for (const [number, list] of heard.entries()) {
      for (const other of [0, 1, 2]) {
        const ids = list.filter((one) => one?.kind === "server").map((one) => one?.id ?? "");
        const wanted = Array.from({ length: other === number ? 0 : count }, (_, n) => `${other} ${n}`);
        expect(ids.filter((id) => id.startsWith(`${other} `))).toEqual(wanted);
      }
    }
    // none of a transaction that is undone
    const [one] = members;
    if (one === undefined) throw new Error("nobody");
    const undone = one.postgres
      .queries()
      .transaction()
      .execute(async (within) => {
        await appendChanges(within, one.cluster.hubId(), [{ kind: "server", id: "never" }], true);
        throw new Error("undone");
      });
    expect(await undone.catch((error: unknown) => error)).toEqual(new Error("undone"));
    await change(one, { kind: "project", id: "after" });
    await until(() => heard[1]?.at(-1)?.id === "after");
    expect(heard[1]?.at(-2)?.id).not.toBe("never");
    await Promise.all(members.map((member) => member[Symbol.asyncDispose]()));
  });

  test("who misses changes is told to read everything again", async () => {
    await using database = await freshDatabase();
    await using first = await joined(database.url);
    await using second = await joined(database.url);
    const heard = hearing(second);
    await change(first, { kind: "server", id: "a" });
    await until(() => heard.length === 1);
    // as after a pruning that was faster than the reader
    const missing = `UPDATE change_heads SET n = n + 3 WHERE hub = '${first.cluster.hubId()}'`;
    await database.query(missing);
    await until(() => heard.length === 2);
    await change(first, { kind: "server", id: "b" });
    await until(() => heard.length === 3);
    expect(heard).toEqual([{ kind: "server", id: "a" }, null, { kind: "server", id: "b" }]);
  });

  test("old changes go, those of hubs that are gone too", async () => {
    await using database = await freshDatabase();
    // whoever is away for half of it reads everything again
    const keepMs = 4000;
    await using reader = await joined(database.url, { ...times, keepMs });
    const heard = hearing(reader);
    {
      await using writer = await joined(database.url, { ...times, keepMs });
      await change(writer, { kind: "server", id: "a" });
      await change(reader, { kind: "server", id: "own" });
      await until(() => heard.length === 1);
    }
    await until(async () => (await database.query("SELECT 1 FROM changes")).length === 0, "pruning");
    await until(async () => (await database.query("SELECT hub FROM change_heads")).length === 1, "pruning of heads");
    expect(heard).toEqual([{ kind: "server", id: "a" }]);
    await using late = await joined(database.url, times);
    await change(late, { kind: "server", id: "b" });
    await until(() => heard.length === 2);
    expect(heard.at(-1)).toEqual({ kind: "server", id: "b" });
  });

  test("signals wake those who follow, here and on the other hubs", async () => {
    await using database = await freshDatabase();
    await using first = await joined(database.url, { ...times, pollMs: 60_000 });
    await using second = await joined(database.url, { ...times, pollMs: 60_000 });
    const woken = { first: 0, second: 0, other: 0 };
    first.cluster.onSignal("logs", () => void woken.first++);
    second.cluster.onSignal("logs", () => void woken.second++);
    const cancel = second.cluster.onSignal("events", () => void woken.other++);
    await until(() => {
      first.cluster.signal("logs");
      return woken.first > 0 && woken.second > 0;
    }, "both to be woken");
    expect(woken.other).toBe(0);
    cancel();
    await using third = await joined(database.url, { ...times, pollMs: 50 });
    let polled = 0;
    third.cluster.onSignal("jobs", () => void polled++);
    await until(() => polled > 2, "being woken without a signal");
  });

  test("four hubs start at once on an empty database, and leave no connection behind", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    const members = await Promise.all([1, 2, 3, 4].map(() => joined(database.url)));
    expect(new Set(members.map(({ cluster }) => cluster.hubId())).size).toBe(4);
    await Promise.all(members.map((member) => member[Symbol.asyncDispose]()));
    await until(async () => (await sessions(server)).length === 0, "the connections to end");
    expect(await database.query("SELECT id FROM hubs")).toEqual([]);
  });
});

describe("a hub alone", () => {
  test("has every duty at once, and gives them up in the end", async () => {
    const hub = createSoleHub();
    const has = new Set<string>();
    const giveUp = hub.take("one", noting(has, "one"));
    hub.take("two", noting(has, "two"));
    expect([...has]).toEqual(["one", "two"]);
    expect(await hub.duties()).toEqual([
      { name: "one", hubId: hub.hubId() },
      { name: "two", hubId: hub.hubId() },
    ]);
    await giveUp();
    expect([...has]).toEqual(["two"]);
    await hub.close();
    expect([...has]).toEqual([]);
    expect([hub.isMember(), await hub.isGone(hub.hubId()), await hub.isGone("another")]).toEqual([true, false, true]);
  });

  test("wakes its own, once for signals that come together", async () => {
    const hub = createSoleHub();
    let woken = 0;
    const cancel = hub.onSignal("logs", () => void woken++);
    for (let n = 0; n < 5; n++) hub.signal("logs");
    hub.signal("events");
    await until(() => woken > 0);
    expect(woken).toBe(1);
    cancel();
    hub.signal("logs");
    await Bun.sleep(5);
    expect(woken).toBe(1);
    await hub.close();
  });
});
