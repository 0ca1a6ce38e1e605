/** The way of log entries into their store: the same deliveries have the same answers, whichever engine keeps them. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { openClickhouseIntake } from "#src/hub/store/clickhouse/intake.ts";
import { openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { openSqliteLedger } from "#src/hub/store/clickhouse/ledger-databases.ts";
import { createSoleHub } from "#src/hub/store/cluster/sole.ts";
import type { BlockStore } from "#src/hub/store/log-port.ts";
import type { Appended } from "#src/hub/store/port.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { entriesOf } from "#test/hub/kit/columns.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { haveClickhouse, sharedClickhouse } from "#test/kit/clickhouse.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

type Store = Pick<BlockStore, "append" | "head" | "onArrival" | "arrivalsAfter" | "extentSince" | "waiting">;
type Opened = AsyncDisposable & { readonly store: Store };

const engines: readonly { readonly name: string; readonly has: boolean; readonly open: () => Promise<Opened> }[] = [
  {
    name: "blocks in SQLite",
    has: true,
    async open() {
      const folder = temporaryFolder();
      const store = await openBlockStore(folder.path, systemClock, (error) => {
        throw error;
      });
      return {
        store,
        async [Symbol.asyncDispose]() {
          store.close();
          await folder[Symbol.asyncDispose]();
        },
      };
    },
  },
  {
    name: "ClickHouse",
    has: haveClickhouse,
    async open() {
      const folder = temporaryFolder();
      const log = { info: () => undefined, warn: () => undefined };
      const url = await (await sharedClickhouse()).freshDatabase();
      const client = await openClickhouse(url, { clock: systemClock, log, cluster: null });
      const ledger = await openSqliteLedger(folder.path);
      const cluster = createSoleHub();
      const world = { client, ledger, cluster, clock: systemClock, log, days: 30, times: { gather: 2 } };
      const store = await openClickhouseIntake(world);
      return {
        store,
        async [Symbol.asyncDispose]() {
          await store.close();
          await cluster.close();
          await client.close();
          ledger.close();
          await folder[Symbol.asyncDispose]();
        },
      };
    },
  },
];

const text = fc.oneof(fc.string({ unit: "binary", maxLength: 30 }), fc.constantFrom("", "\n", "a\nb", "lone \udc00"));
const body = fc.record({
  message: text,
  level: fc.constantFrom("debug", "info", "error"),
  stream: fc.constantFrom("stdout", "stderr"),
  source: fc.constantFrom("web", "db", "a source"),
  at: fc.constantFrom("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.1Z", "2025-12-31T23:59:59.999Z"),
  fields: fc.option(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }), { nil: undefined }),
});
const sent = fc.record({
  server: fc.constantFrom("a", "b"),
  seqs: fc.array(fc.nat(40), { maxLength: 12 }),
  rising: fc.boolean(),
  batch: fc.option(fc.constantFrom("x", "y"), { nil: null }),
  numbered: fc.nat(5).map((one) => one === 0),
  bodies: fc.array(body, { minLength: 1, maxLength: 3 }),
});
type Sent = typeof sent extends fc.Arbitrary<infer T> ? T : never;

function entriesIn({ seqs, rising, bodies }: Sent): LogEntry[] {
  const numbers = rising ? [...new Set(seqs)].sort((a, b) => a - b) : seqs;
  return numbers.map((seq, i) => {
    const { fields, ...entry } = bodies[i % bodies.length] as Sent["bodies"][number];
    return { seq, ...entry, ...(fields === undefined ? {} : { fields }) };
  });
}

function storedOf({ serverId, firstPosition, columns }: Arrived): StoredEntry[] {
  return entriesOf(columns).map((entry, i) => ({ ...entry, id: String(firstPosition + i), serverId }));
}

/** All that can be seen of a store that is given these deliveries, one after the other. */
async function outcome(open: () => Promise<Opened>, deliveries: readonly Sent[]) {
  await using opened = await open();
  const { store } = opened;
  const heard: StoredEntry[] = [];
  store.onArrival((arrived) => heard.push(...storedOf(arrived)));
  const answers: Appended[] = [];
  for (const one of deliveries) {
    const batch = delivery(one.server, entriesIn(one), one.batch);
    answers.push(await store.append(one.numbered ? { ...batch, numberFrom: 20 } : batch));
  }
  const count = answers.reduce((sum, { accepted }) => sum + accepted, 0);
  await until(() => store.head() === count && heard.length === count, "all entries");
  const read: StoredEntry[] = [];
  for await (const arrived of store.arrivalsAfter(0, count)) read.push(...storedOf(arrived));
  expect(read).toEqual(heard);
  const { after } = await store.extentSince(Date.UTC(2026, 0, 1));
  return { answers, heard, empty: store.waiting() === 0, after: count === 0 ? after : Math.min(after, count) };
}

describe("log entries", () => {
  for (const { name, has, open } of engines) {
    test.skipIf(!has)(`in ${name} are each there once, in the order in which they came (needs ${name})`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(sent, { maxLength: 10 }), async (deliveries) => {
          const { answers, heard } = await outcome(open, deliveries);
          expect(answers.map(({ accepted, duplicates }) => accepted + duplicates)).toEqual(
            deliveries.map((one) => entriesIn(one).length),
          );
          expect(new Set(heard.map(({ serverId, seq }) => `${serverId} ${seq}`)).size).toBe(heard.length);
          expect(heard.map(({ id }) => Number(id))).toEqual(heard.map((_, i) => i + 1));
        }),
        { numRuns: 8 },
      );
    });
  }

  test.skipIf(!haveClickhouse)("have the same answers in all engines (needs ClickHouse)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(sent, { maxLength: 12 }), async (deliveries) => {
        const [first, ...others] = await Promise.all(engines.map(({ open }) => outcome(open, deliveries)));
        if (first === undefined) throw new Error("there is no engine");
        for (const other of others) {
          // blocks lie by position in pieces of many: theirs may begin earlier
          expect({ ...other, after: 0 }).toEqual({ ...first, after: 0 });
          expect(other.after).toBeGreaterThanOrEqual(first.after);
        }
      }),
      { numRuns: 10 },
    );
  });
});
