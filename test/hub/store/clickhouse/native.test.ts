import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { columnsOf } from "#src/hub/store/clickhouse/arrivals-reading.ts";
import { openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { nativeBlock } from "#src/hub/store/clickhouse/native-insert.ts";
import { readNative } from "#src/hub/store/clickhouse/native-read.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { entriesOf } from "#test/hub/kit/columns.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { haveClickhouse, sharedClickhouse } from "#test/kit/clickhouse.ts";
import { failureOf } from "#test/kit/failure.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

const entry: fc.Arbitrary<LogEntry> = fc.record(
  {
    seq: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    at: fc.date({ noInvalidDate: true, min: new Date(-1e13), max: new Date(1e14) }).map((date) => date.toISOString()),
    source: fc.constantFrom("web", "db", "ünï"),
    stream: fc.constantFrom("stdout", "stderr"),
    level: fc.constantFrom("info", "error"),
    message: fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string().map((text) => text.repeat(40)),
    ),
    fields: fc.dictionary(fc.string(), fc.jsonValue()),
  },
  { requiredKeys: ["seq", "at", "source", "stream", "level", "message"] },
);

/** Bytes in pieces of any size. */
function inPieces(bytes: Uint8Array, sizes: readonly number[]): ReadableStream<Uint8Array> {
  let at = 0;
  let turn = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) {
        controller.close();
        return;
      }
      const size = sizes[turn++ % sizes.length] ?? bytes.length;
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

describe("a block in ClickHouse's native format", () => {
  test("is read as it was written, in pieces of any size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.array(entry, { minLength: 1, maxLength: 8 })), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        async (parts, sizes) => {
          const stretches = parts.map(([serverId, entries], i) => ({
            serverId,
            firstPosition: 2 ** 40 + i * 10,
            columns: delivery(serverId, entries).columns,
          }));
          const found: unknown[] = [];
          for await (const { rows, columns } of readNative(inPieces(nativeBlock(stretches, 1234), sizes))) {
            const servers = columns.get("server");
            const positions = columns.get("position");
            if (servers?.kind !== "names" || positions?.kind !== "numbers") throw new Error("wrong columns");
            found.push(
              ...entriesOf(columnsOf(rows, columns)).map((one, i) => [
                servers.names[servers.indexes[i] ?? 0],
                positions.values[i],
                one,
              ]),
            );
          }
          const wanted = stretches.flatMap(({ serverId, firstPosition, columns }) =>
            entriesOf(columns).map((one, i) => [serverId, firstPosition + i, one]),
          );
          expect(found).toEqual(wanted);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("that is cut short is a failure", async () => {
    const bytes = nativeBlock([{ serverId: "a", firstPosition: 1, columns: delivery("a", [{ ...one }]).columns }], 1);
    const read = async () => {
      for await (const block of readNative(inPieces(bytes.slice(0, bytes.length - 3), [7]))) expect(block).toBeNull();
    };
    expect(await failureOf(read())).toEqual(new Error("the answer is cut short"));
  });

  test("that stops coming is a failure for whoever does not wait for ever, and is ended", async () => {
    // Before, whoever followed the log waited for minutes for a ClickHouse that hung in the middle of an answer
    const ended = Promise.withResolvers<void>();
    const bytes = nativeBlock([{ serverId: "a", firstPosition: 1, columns: delivery("a", [{ ...one }]).columns }], 1);
    const answer = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes),
      cancel: () => ended.resolve(),
    });
    let rows = 0;
    const read = async () => {
      for await (const block of readNative(answer, 50)) rows += block.rows;
    };
    expect(await failureOf(read())).toEqual(new Error("nothing came for 50 ms"));
    await ended.promise;
    expect(rows).toBe(1);
  });

  test.skipIf(!haveClickhouse)(
    "ends with what ClickHouse says of a query that fails half-way (needs ClickHouse)",
    async () => {
      const clickhouse = await sharedClickhouse();
      const log = { info: () => undefined };
      const client = await openClickhouse(await clickhouse.freshDatabase(), { clock: systemClock, log, cluster: null });
      const read = async () => {
        let rows = 0;
        const sql = "SELECT number + throwIf(number = 900000, 'no more') AS n FROM numbers(1000000)";
        for await (const block of client.blocks(sql)) rows += block.rows;
        return rows;
      };
      expect(await failureOf(read())).toMatchObject({ name: "Fault" });
      // and the connection is good for others
      expect(await client.rows("SELECT 1 AS one")).toEqual([{ one: 1 }]);
      await client.close();
    },
  );
});

const one: LogEntry = {
  seq: 1,
  at: "2026-01-01T00:00:00.000Z",
  source: "web",
  stream: "stdout",
  level: "info",
  message: "hello",
};
