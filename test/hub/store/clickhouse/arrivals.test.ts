import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { delivery } from "#test/hub/kit/delivery.ts";
import { haveClickhouse, sharedClickhouse } from "#test/kit/clickhouse.ts";
import { havePostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";
import { deliver, lines, numbers } from "./lines.ts";
import { type Faults, openRig, storedOf } from "./rig.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

describe.skipIf(!haveClickhouse || !havePostgres)("followers (need ClickHouse and PostgreSQL)", () => {
  test("wait for an insert that is on its way, and then hear everything in order", async () => {
    await using rig = await openRig("postgres", await sharedClickhouse());
    const gate = Promise.withResolvers<void>();
    // else a failure of this test would wait for it for ever
    using _ = { [Symbol.dispose]: () => gate.resolve() };
    const faults: Faults = { beforeInsert: () => gate.promise };
    const [slow, fast] = [await rig.hub(faults, { deadline: 20_000 }), await rig.hub()];
    const sent = slow.logs.append(delivery("a", lines(1, 5)));
    await until(async () => (await rig.pending()) === 1, "the insert in the ledger");
    await fast.logs.append(delivery("b", lines(1, 5)));
    // one that comes while its own is being stored sees both
    await until(() => {
      const { given, pending } = fast.logs.figures();
      return given === 10 && pending === 1;
    }, "a look at the ledger");
    expect([fast.logs.head(), fast.positions, slow.positions]).toEqual([0, [], []]);
    expect(fast.logs.figures()).toMatchObject({ head: 0 });
    gate.resolve();
    await sent;
    await until(() => fast.heard.length === 10 && slow.heard.length === 10, "all entries");
    expect(fast.heard.map(({ id, serverId }) => id + serverId)).toEqual([
      ...numbers(1, 5).map((id) => `${id}a`),
      ...numbers(6, 10).map((id) => `${id}b`),
    ]);
    expect(slow.heard).toEqual(fast.heard);
  });

  test("go on behind an insert that came to nothing", async () => {
    await using rig = await openRig("postgres", await sharedClickhouse());
    const faults: Faults = {};
    const [dying, other] = [await rig.hub(faults), await rig.hub()];
    await dying.logs.append(delivery("a", lines(1, 3)));
    faults.beforeInsert = async () => dying.kill();
    void dying.logs.append(delivery("a", lines(4, 6))).catch(() => undefined);
    await until(() => rig.died(dying), "the hub's end");
    await other.logs.append(delivery("b", lines(1, 2)));
    await until(() => other.heard.length === 5, "what is stored");
    expect(other.positions).toEqual([1, 2, 3, 7, 8]);
    await deliver(() => [other], "a", lines(4, 6));
    await until(() => other.heard.length === 8, "what was sent again");
    expect(other.heard.slice(5).map(({ id, seq }) => [id, seq])).toEqual([
      ["9", 4],
      ["10", 5],
      ["11", 6],
    ]);
  });

  test("that come later read what is stored, and nothing of it twice", async () => {
    await using rig = await openRig("postgres", await sharedClickhouse());
    const [one, two] = [await rig.hub(), await rig.hub()];
    for (let i = 0; i < 10; i++)
      await (i % 2 === 0 ? one : two).logs.append(delivery("a", lines(i * 3 + 1, i * 3 + 3)));
    const third = await rig.hub();
    expect(await third.logs.refreshHead()).toBe(30);
    const read: string[] = [];
    for await (const arrived of third.logs.arrivalsAfter(4, third.logs.head())) {
      read.push(...storedOf(arrived).map(({ id }) => id));
    }
    expect(read).toEqual(numbers(5, 30).map(String));
    await one.logs.append(delivery("a", lines(31, 33)));
    await until(() => third.heard.length === 3, "what is new");
    expect(third.positions).toEqual([31, 32, 33]);
  });

  test("that want the lines of some servers are told of those, and up to where there are no more", async () => {
    await using rig = await openRig("postgres", await sharedClickhouse());
    const [one, two] = [await rig.hub(), await rig.hub()];
    // the rig's own listener wants everything
    const { logs } = await rig.hub({}, {}, { isDeaf: true });
    const wanted = new Set(["a", "b"]);
    const told: string[] = [];
    let passed = 0;
    logs.onArrival((arrived) => told.push(...storedOf(arrived).map(({ id, serverId }) => id + serverId)), {
      servers: () => wanted,
      passed: (position) => void (passed = position),
    });
    for (let i = 0; i < 8; i++) {
      await (i % 2 === 0 ? one : two).logs.append(delivery("abcd"[i % 4] ?? "", lines(i * 2 + 1, i * 2 + 2)));
    }
    await until(() => passed === 16, "the end");
    expect(told).toEqual(["1a", "2a", "3b", "4b", "9a", "10a", "11b", "12b"]);
    const read: string[] = [];
    for await (const arrived of logs.arrivalsAfter(2, 15, new Set(["b", "d"]))) {
      read.push(...storedOf(arrived).map(({ id, serverId }) => id + serverId));
    }
    expect(read).toEqual(["3b", "4b", "7d", "8d", "11b", "12b", "15d"]);
  });

  test("read a long way over positions that are empty", async () => {
    await using rig = await openRig("postgres", await sharedClickhouse());
    const { logs } = await rig.hub();
    await logs.append(delivery("a", lines(1, 3)));
    await rig.database.queries.updateTable("log_head").set({ head: 9_000_000_000 }).execute();
    await logs.append(delivery("a", lines(4, 6)));
    const read: string[] = [];
    for await (const arrived of logs.arrivalsAfter(0, 9_000_000_003))
      read.push(...storedOf(arrived).map(({ id }) => id));
    expect(read).toEqual(["1", "2", "3", "9000000001", "9000000002", "9000000003"]);
  });
});
