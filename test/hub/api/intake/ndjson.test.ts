import fc from "fast-check";
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { readEntries } from "#src/hub/api/intake/ndjson.ts";
import { HttpFault } from "#src/hub/api/problem.ts";
import { levels, logEntry, streams } from "#src/protocol/log.ts";
import { z } from "#src/protocol/schema.ts";
import { entriesOf } from "#test/hub/kit/columns.ts";
import { entry } from "#test/hub/kit/hub.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

/** Values near the border between good and bad, member by member. */
const value = fc.oneof(
  fc.constantFrom<unknown>(null, true, 0, -1, 1.5, 2 ** 53, "", "a b", "api", "info", "stdout", [], {}, { a: 1 }),
  fc.constantFrom("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+01:00", "2026-02-30T00:00:00.1Z", "now"),
  fc.string({ maxLength: 5 }),
);
const near = fc
  .record(
    { seq: value, at: value, source: value, stream: value, level: value, message: value, fields: value, other: value },
    { requiredKeys: [] },
  )
  .chain((odd) => {
    const members = Object.entries(odd);
    const some = fc.subarray(members, { maxLength: Math.min(2, members.length) });
    return some.map((chosen) => ({ ...entry(7), ...Object.fromEntries(chosen) }));
  });

describe("reading entries", () => {
  test("takes exactly what the schema takes, and gives the same entries", () => {
    fc.assert(
      fc.property(fc.array(near, { maxLength: 4 }), (values) => {
        const text = values.map((one) => JSON.stringify(one)).join("\n");
        const wanted = values.map((one) => z.core.safeParse(logEntry, JSON.parse(JSON.stringify(one))));
        const safe = wanted.every((one) => one.success && Number.isSafeInteger(one.data.seq));
        let got: unknown;
        try {
          got = entriesOf(readEntries(Buffer.from(text), null).columns);
        } catch (error) {
          expect(error).toBeInstanceOf(HttpFault);
        }
        expect(got).toEqual(safe ? wanted.map((one) => one.data) : undefined);
      }),
      { numRuns: 2000 },
    );
  });

  test("keeps the compressed bytes it got, unless something had to be changed", () => {
    const plain = Buffer.from(`${JSON.stringify(entry(1))}\n`);
    const zstd = new Uint8Array([1]);
    const batch = readEntries(plain, zstd);
    expect(batch.zstd).toBe(zstd);
    expect(batch.bytes).toBe(plain.length);
    expect([...batch.columns.times]).toEqual([Date.parse(entry(1).at)]);
    const long = Buffer.from(`${JSON.stringify(entry(1, { message: "x".repeat(2 ** 20) }))}\n`);
    expect(readEntries(long, zstd).zstd).toBe(null);
  });

  test("every level and stream is known", () => {
    const lines = levels.flatMap((level) => streams.map((stream) => entry(1, { level, stream })));
    const batch = readEntries(Buffer.from(lines.map((one) => JSON.stringify(one)).join("\n")), null);
    expect(entriesOf(batch.columns)).toEqual(lines);
  });
});

test("the bytes of a delivery are kept only if they say nothing but entries", () => {
  // Before, a secret in a member that no entry has lay in the store until the delivery became blocks.
  const { seq, source, stream, level, message } = entry(1);
  const written = { seq, at: "2026-05-01T10:00:00.000Z", source, stream, level, message };
  const own = JSON.stringify(written);
  const foreign = JSON.stringify({ ...written, note: "password=hunter2" });
  const read = (line: string) => {
    const plain = Buffer.from(`${line}\n`);
    return readEntries(plain, Bun.zstdCompressSync(plain));
  };
  expect(read(own).zstd).not.toBeNull();
  expect(read(foreign)).toMatchObject({ zstd: null, columns: { count: 1 } });
});
