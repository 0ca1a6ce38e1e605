import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { delivery } from "#test/hub/kit/delivery.ts";
import { haveClickhouse, sharedClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { failureOf } from "#test/kit/failure.ts";
import { havePostgres, startPostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";
import { deliver, expectOnce, lines, numbers } from "./lines.ts";
import { type Faults, type Rig, type TestHub, openRig } from "./rig.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

const points = ["beforeAdmit", "afterAdmit", "beforeInsert", "afterInsert", "beforeConfirm", "afterConfirm"] as const;

for (const kind of ["sqlite", "postgres"] as const) {
  const have = haveClickhouse && (kind === "sqlite" || havePostgres);
  describe.skipIf(!have)(`with the ledger in ${kind} (needs ClickHouse and PostgreSQL)`, () => {
    for (const point of points) {
      test(`a hub that dies at "${point}" leaves nothing lost and nothing twice`, async () => {
        await using rig = await openRig(kind, await sharedClickhouse());
        const faults: Faults = {};
        const first = await rig.hub(faults);
        await first.logs.append(delivery("a", lines(1, 10), "one"));
        faults[point] = async () => first.kill();
        void first.logs.append(delivery("a", lines(11, 20), "two")).catch(() => undefined);
        void first.logs.append(delivery("b", lines(1, 5))).catch(() => undefined);
        await until(() => first.logs.waiting() > 0, "the deliveries to be on their way");
        await until(() => rig.died(first), "the hub's end");
        const second = await rig.hub();
        await Promise.all([
          deliver(() => [second], "a", lines(11, 20), "two"),
          deliver(() => [second], "b", lines(1, 5)),
        ]);
        await second.logs.append(delivery("a", lines(21, 25)));
        const stored = await rig.stored();
        expectOnce(stored, { a: numbers(1, 25), b: numbers(1, 5) });
        // whoever follows is held up by nothing
        await until(() => second.logs.head() === second.logs.figures().given, "the safe head");
        expect(await rig.pending()).toBe(0);
      });
    }

    test("an insert that comes after the hub was taken for dead adds nothing, and is not acknowledged", async () => {
      await using rig = await openRig(kind, await sharedClickhouse());
      const gate = Promise.withResolvers<void>();
      // else a failure of this test would wait for it for ever
      using _ = { [Symbol.dispose]: () => gate.resolve() };
      const faults: Faults = { beforeInsert: () => gate.promise };
      // it does not know that it is gone: its clock stood still
      const first = await rig.hub(faults, {}, { believesItself: true });
      const late = failureOf(first.logs.append(delivery("a", lines(1, 10))));
      const second = await rig.hub();
      await until(async () => (await rig.pending()) === 1, "the insert in the ledger");
      // not known yet: neither new nor repeated
      expect(await failureOf(second.logs.append(delivery("a", lines(5, 15))))).toMatchObject({ code: "unavailable" });
      rig.bury(first.id);
      await deliver(() => [second], "a", lines(1, 15));
      gate.resolve();
      expect(await late).toMatchObject({ code: "unavailable" });
      expectOnce(await rig.stored(), { a: numbers(1, 15) });
      expect(await deliver(() => [first], "a", lines(1, 15))).toEqual({
        accepted: 0,
        duplicates: 15,
      });
    });

    test("a hub does not acknowledge what another one is about to settle", async () => {
      await using rig = await openRig(kind, await sharedClickhouse());
      const [send, settle] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      // else a failure of this test would wait for them for ever
      using _ = {
        [Symbol.dispose]() {
          send.resolve();
          settle.resolve();
        },
      };
      const first = await rig.hub({ beforeInsert: () => send.promise }, {}, { believesItself: true });
      const late = failureOf(first.logs.append(delivery("a", lines(1, 10))));
      await until(async () => (await rig.pending()) === 1, "the insert in the ledger");
      let marked = false;
      const second = await rig.hub({
        async afterInsert() {
          marked = true;
          await settle.promise;
        },
      });
      rig.bury(first.id);
      await until(() => marked, "the mark");
      // ClickHouse says that it is done, since it knows the token
      send.resolve();
      expect(await late).toMatchObject({ code: "unavailable" });
      settle.resolve();
      await deliver(() => [second], "a", lines(1, 10));
      expectOnce(await rig.stored(), { a: numbers(1, 10) });
    });

    test("an insert that had arrived before its hub was taken for dead is kept", async () => {
      await using rig = await openRig(kind, await sharedClickhouse());
      const faults: Faults = {};
      const first = await rig.hub(faults);
      faults.afterInsert = async () => first.kill();
      void first.logs.append(delivery("a", lines(1, 10))).catch(() => undefined);
      await until(() => rig.died(first), "the hub's end");
      const second = await rig.hub();
      expect(await deliver(() => [second], "a", lines(1, 10))).toEqual({ accepted: 0, duplicates: 10 });
      expectOnce(await rig.stored(), { a: numbers(1, 10) });
    });
  });
}

describe.skipIf(!haveClickhouse)("ClickHouse in trouble (needs ClickHouse)", () => {
  test("that cuts connections, before or after it has taken the data, gets each entry once", async () => {
    await using clickhouse = await startClickhouse();
    await using rig = await openRig("sqlite", clickhouse);
    const { logs } = await rig.hub();
    for (const [i, odd] of (["cut", "cut-before", "refuse", "cut", 30] as const).entries()) {
      await clickhouse.misbehave(odd, 1, "INSERT INTO logs");
      expect(await logs.append(delivery("a", lines(i * 10 + 1, i * 10 + 10)))).toEqual({ accepted: 10, duplicates: 0 });
    }
    expectOnce(await rig.stored(), { a: numbers(1, 50) });
  });

  test("that is too slow is told to senders, who then hear that their entries are stored", async () => {
    await using clickhouse = await startClickhouse();
    await using rig = await openRig("sqlite", clickhouse);
    const { logs } = await rig.hub({}, { deadline: 1500 });
    await clickhouse.misbehave("hold", 1, "INSERT INTO logs");
    expect(await failureOf(logs.append(delivery("a", lines(1, 10))))).toMatchObject({ code: "unavailable" });
    const hubs = [{ logs } as TestHub];
    expect(await deliver(() => hubs, "a", lines(1, 12))).toEqual({ accepted: 2, duplicates: 10 });
    await clickhouse.behave();
    expectOnce(await rig.stored(), { a: numbers(1, 12) });
  });

  test("that is away refuses nothing for ever: what was refused is stored when it is back", async () => {
    await using clickhouse = await startClickhouse();
    await using rig = await openRig("sqlite", clickhouse);
    const { logs, heard } = await rig.hub({}, { deadline: 1500 });
    await logs.append(delivery("a", lines(1, 10)));
    await clickhouse.kill();
    expect(await failureOf(logs.append(delivery("a", lines(11, 20))))).toMatchObject({ code: "unavailable" });
    const senders = Array.from({ length: 10 }, (_, i) => {
      const hubs = [{ logs } as TestHub];
      return deliver(() => hubs, "a", lines(i * 5 + 11, i * 5 + 15));
    });
    await until(() => logs.figures().problem !== null, "the hub to know");
    // while it is away nothing piles up in the ledger
    await Bun.sleep(200);
    expect(await rig.pending()).toBe(1);
    await clickhouse.start();
    await Promise.all(senders);
    await until(() => heard.length === 60, "all entries");
    expectOnce(await rig.stored(), { a: numbers(1, 60) });
    expect(logs.figures().problem).toBeNull();
  });

  test("that hangs is given up, and goes on when it wakes", async () => {
    await using clickhouse = await startClickhouse();
    await using rig = await openRig("sqlite", clickhouse);
    const { logs } = await rig.hub({}, { deadline: 1500 });
    await logs.append(delivery("a", lines(1, 10)));
    clickhouse.pause();
    expect(await failureOf(logs.append(delivery("a", lines(11, 20))))).toMatchObject({ code: "unavailable" });
    clickhouse.resume();
    const hubs = [{ logs } as TestHub];
    await deliver(() => hubs, "a", lines(11, 20));
    expectOnce(await rig.stored(), { a: numbers(1, 20) });
  });
});

describe.skipIf(!haveClickhouse || !havePostgres)("PostgreSQL in trouble (needs it, and ClickHouse)", () => {
  test("that restarts under load costs nothing but time", async () => {
    await using postgres = await startPostgres();
    await using rig = await openRig("postgres", await sharedClickhouse(), () => postgres.freshDatabase());
    const hubs = [await rig.hub(), await rig.hub()];
    let sent = 0;
    const senders = ["a", "b", "c", "d"].map(async (server) => {
      for (let i = 0; i < 60; i++) {
        await deliver(() => hubs, server, lines(i * 5 + 1, i * 5 + 7));
        sent++;
      }
    });
    await until(() => sent > 30, "some deliveries");
    await postgres.kill();
    expect(await failureOf(hubs[0]!.logs.append(delivery("e", lines(1, 3))))).toMatchObject({ code: "unavailable" });
    await postgres.start();
    await until(() => sent > 90, "more deliveries", 30_000);
    await postgres.stop();
    await postgres.start();
    await Promise.all(senders);
    await deliver(() => hubs, "e", lines(1, 3));
    const stored = await rig.stored();
    expectOnce(stored, {
      ...Object.fromEntries(["a", "b", "c", "d"].map((own) => [own, numbers(1, 302)])),
      e: [1, 2, 3],
    });
    await until(() => hubs.every(({ heard }) => heard.length === stored.length), "all entries");
    expect(hubs.map(({ heard }) => heard)).toEqual([stored, stored]);
  });
});

describe.skipIf(!haveClickhouse || !havePostgres)(
  "PostgreSQL put back to an earlier time (needs it, and ClickHouse)",
  () => {
    /** As a backup has it that was made when there were ten entries. */
    const putBack = async (rig: Rig) => {
      await rig.database.queries.updateTable("log_head").set({ head: 10 }).execute();
      await rig.database.queries.deleteFrom("log_senders").where("server", "!=", "a").execute();
    };

    test("gives no position twice to hubs that start then", async () => {
      // Before, positions were given once more, and two entries had the same id
      await using rig = await openRig("postgres", await sharedClickhouse());
      const before = await rig.hub();
      await before.logs.append(delivery("a", lines(1, 10)));
      await before.logs.append(delivery("b", lines(1, 10)));
      before.kill();
      await putBack(rig);
      const hub = await rig.hub();
      expect([hub.logs.head(), hub.logs.figures().given]).toEqual([20, 20]);
      await hub.logs.append(delivery("c", lines(1, 3)));
      await until(() => hub.heard.length === 3, "what is new");
      expect(hub.positions).toEqual([21, 22, 23]);
      expect((await rig.stored()).map(({ id }) => Number(id))).toEqual(numbers(1, 23));
    });

    test("gives no position twice to hubs that go on", async () => {
      await using rig = await openRig("postgres", await sharedClickhouse());
      const hubs = [await rig.hub(), await rig.hub()] as const;
      await hubs[0].logs.append(delivery("a", lines(1, 10)));
      await hubs[1].logs.append(delivery("b", lines(1, 10)));
      await until(() => hubs.every(({ heard }) => heard.length === 20), "both to know where the log ends");
      await putBack(rig);
      await Promise.all(hubs.map(({ logs }, i) => logs.append(delivery(`c${i}`, lines(1, 3)))));
      await until(() => hubs.every(({ heard }) => heard.length === 26), "what is new");
      expect(hubs.map(({ positions }) => positions)).toEqual([numbers(1, 26), numbers(1, 26)]);
    });
  },
);

describe.skipIf(!haveClickhouse)("a hub that is full (needs ClickHouse)", () => {
  test("refuses more, and what waits is answered", async () => {
    await using clickhouse = await startClickhouse();
    await using rig = await openRig("sqlite", clickhouse);
    const { logs } = await rig.hub({}, { deadline: 10_000 });
    await clickhouse.misbehave(400, 1, "INSERT INTO logs");
    const big = (seq: number) => [{ ...lines(seq, seq)[0]!, message: "x".repeat(20 * 1024 * 1024) }];
    const sent = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => logs.append(delivery(`s${i}`, big(1)))));
    const refused = sent.filter((one) => one.status === "rejected");
    expect(refused.length).toBeGreaterThan(2);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: "unavailable" });
    expect(logs.waiting()).toBe(0);
    expect((await rig.stored()).length).toBe(sent.length - refused.length);
  });
});
