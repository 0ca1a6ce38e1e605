import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { delivery } from "#test/hub/kit/delivery.ts";
import { haveClickhouse, sharedClickhouse } from "#test/kit/clickhouse.ts";
import { havePostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";
import { deliver, expectOnce, line, lines, numbers } from "./lines.ts";
import { type TestHub, openRig } from "./rig.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

describe.skipIf(!haveClickhouse)("one hub with its ledger in SQLite (needs ClickHouse)", () => {
  test("stores what is new of deliveries, and tells followers in order", async () => {
    await using rig = await openRig("sqlite", await sharedClickhouse());
    const { logs, heard } = await rig.hub();
    expect(await logs.append(delivery("a", lines(1, 10), "first"))).toEqual({ accepted: 10, duplicates: 0 });
    expect(await logs.append(delivery("a", lines(1, 10), "first"))).toEqual({ accepted: 0, duplicates: 10 });
    expect(await logs.append(delivery("a", lines(5, 15)))).toEqual({ accepted: 5, duplicates: 6 });
    expect(await logs.append(delivery("b", lines(1, 3)))).toEqual({ accepted: 3, duplicates: 0 });
    expect(await logs.append(delivery("b", []))).toEqual({ accepted: 0, duplicates: 0 });
    await until(() => heard.length === 18, "all entries");
    expect(heard.map(({ id, serverId, seq }) => `${id} ${serverId}${seq}`)).toEqual(
      [...lines(1, 15).map(({ seq }) => `a${seq}`), "b1", "b2", "b3"].map((name, i) => `${i + 1} ${name}`),
    );
    expect(await rig.stored()).toEqual(heard);
    expect(await logs.extentSince(Date.UTC(2026, 0, 1) + 12)).toEqual({
      after: 11,
      oldestMs: new Map([
        ["a", Date.UTC(2026, 0, 1) + 1],
        ["b", Date.UTC(2026, 0, 1) + 1],
      ]),
    });
  });

  test("gives back odd times, odd messages and fields as they came", async () => {
    await using rig = await openRig("sqlite", await sharedClickhouse());
    const { logs, heard } = await rig.hub();
    const odd = [
      { ...line(1), at: "2026-01-01T00:00:00.5Z", message: "lone \ud800 surrogate", fields: { "a\n": [1, "\0"] } },
      { ...line(2), message: "" },
      { ...line(3), message: `${"long ".repeat(50_000)}\nwith\nnewlines\n`, level: "fatal" as const },
      { ...line(4), at: "1969-12-31T23:59:59.000Z", source: "ünï", stream: "http" as const },
    ];
    await logs.append(delivery("a", odd));
    await until(() => heard.length === 4, "all entries");
    const wanted = odd.map((entry, i) => ({ ...entry, id: String(i + 1), serverId: "a" }));
    expect(heard).toEqual(wanted);
    expect(await rig.stored()).toEqual(wanted);
  });

  test("numbers the entries of those who have no numbers", async () => {
    await using rig = await openRig("sqlite", await sharedClickhouse());
    const { logs } = await rig.hub();
    const unnumbered = (count: number) => lines(1, count).map((entry) => ({ ...entry, seq: 0 }));
    const send = (count: number, batchId: string | null) =>
      logs.append({ ...delivery("source", unnumbered(count), batchId), numberFrom: 1000 });
    const taken = { accepted: 5, duplicates: 0 };
    expect(await Promise.all([send(5, "x"), send(5, null), send(5, null)])).toEqual([taken, taken, taken]);
    expect(await send(5, "x")).toEqual({ accepted: 0, duplicates: 5 });
    expectOnce(await rig.stored(), { source: numbers(1000, 1014) });
  });
});

describe.skipIf(!haveClickhouse || !havePostgres)("two hubs (need ClickHouse and PostgreSQL)", () => {
  test("number entries together and hear of each other's", async () => {
    await using rig = await openRig("postgres", await sharedClickhouse());
    const [one, two] = [await rig.hub(), await rig.hub()];
    await Promise.all([
      ...Array.from({ length: 20 }, (_, i) => one.logs.append(delivery("a", lines(i * 10 + 1, i * 10 + 10)))),
      ...Array.from({ length: 20 }, (_, i) => two.logs.append(delivery("b", lines(i * 10 + 1, i * 10 + 10)))),
    ]);
    await until(() => one.heard.length === 400 && two.heard.length === 400, "all entries");
    expect(one.positions).toEqual(numbers(1, 400));
    expect(two.heard).toEqual(one.heard);
  });

  test("number the entries of a source that both have at once, and lose none", async () => {
    await using rig = await openRig("postgres", await sharedClickhouse());
    const hubs = [await rig.hub(), await rig.hub()];
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (hubs[i % 2] as TestHub).logs.append({ ...delivery("source", lines(1, 7)), numberFrom: 5 }),
      ),
    );
    expect(answers).toEqual(Array.from({ length: 20 }, () => ({ accepted: 7, duplicates: 0 })));
    expectOnce(await rig.stored(), { source: numbers(5, 144) });
  });

  test("store each entry once, whatever is repeated, overlaps, is split anew or comes in another order", async () => {
    const clickhouse = await sharedClickhouse();
    const range = fc.tuple(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 0, max: 40 }));
    const sent = fc.record({ server: fc.constantFrom("a", "b", "c"), range, hub: fc.nat(1), named: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(sent, { maxLength: 6 }), { maxLength: 6 }), async (waves) => {
        await using rig = await openRig("postgres", clickhouse);
        const hubs = [await rig.hub(), await rig.hub()] as const;
        const wanted: Record<string, Set<number>> = {};
        let [accepted, given, answered] = [0, 0, 0];
        for (const wave of waves) {
          const answers = await Promise.all(
            wave.map(async ({ server, range: [from, more], hub, named }) => {
              const name = named ? `${from}-${more}` : null;
              for (let i = from; i <= from + more; i++) (wanted[server] ??= new Set()).add(i);
              given += more + 1;
              return await deliver(() => [hubs[hub as 0 | 1]], server, lines(from, from + more), name);
            }),
          );
          for (const answer of answers) {
            accepted += answer.accepted;
            answered += answer.accepted + answer.duplicates;
          }
        }
        const numbersOf = Object.entries(wanted).map(([server, own]) => [server, [...own].sort((a, b) => a - b)]);
        const stored = await rig.stored();
        expectOnce(stored, Object.fromEntries(numbersOf) as Record<string, number[]>);
        expect([accepted, answered]).toEqual([stored.length, given]);
        await until(() => hubs.every(({ heard }) => heard.length === stored.length), "all entries");
        expect(hubs.map(({ heard }) => heard)).toEqual([stored, stored]);
      }),
      { numRuns: 6 },
    );
  });
});
