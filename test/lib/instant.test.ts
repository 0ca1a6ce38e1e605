import fc from "fast-check";
import { describe, expect, test } from "bun:test";

import { parseInstant } from "#src/lib/instant.ts";
import { z } from "#src/protocol/schema.ts";

describe("reading an RFC 3339 instant", () => {
  test("gives what Date.parse gives for every date", () => {
    const dates = fc.date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
    fc.assert(
      fc.property(dates, (date) => {
        expect(parseInstant(date.toISOString())).toBe(date.getTime());
      }),
    );
  });

  for (const [text, ms] of [
    ["2026-01-01T00:00:00Z", 1_767_225_600_000],
    ["2026-01-01T00:00Z", 1_767_225_600_000],
    ["2026-01-01T00:00:00.5Z", 1_767_225_600_500],
    ["2026-01-01T00:00:00.123999999Z", 1_767_225_600_123],
    ["2024-02-29T12:00:00.001Z", 1_709_208_000_001],
  ] as const) {
    test(`reads ${text}`, () => expect(parseInstant(text)).toBe(ms));
  }

  for (const text of [
    "",
    "Z",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "2026-01-01T00:00:00.Z",
    "2026-01-01T00:00:00.1xZ",
    "2026-01-01T00:00:00+00:00",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:60:00Z",
    "2026-01-01T00:00:60Z",
    "2026-01-01 00:00:00Z",
  ]) {
    test(`refuses "${text}"`, () => {
      // the remembered second must not make a wrong text right
      parseInstant("2026-01-01T00:00:00.000Z");
      expect(parseInstant(text)).toBeNaN();
    });
  }

  test("takes what the schema takes, and nothing else", () => {
    const alphabet = fc.constantFrom(...Array.from("0123456789TZ:.-+ x"));
    const near = fc
      .tuple(fc.constantFrom("2026-01-01T00:00:00.000Z", "2024-02-29T23:59:59Z"), fc.nat(23), alphabet)
      .map(([text, index, letter]) => text.slice(0, index) + letter + text.slice(index + 1));
    const schema = z.iso.datetime();
    fc.assert(
      fc.property(near, (text) => {
        expect([text, !Number.isNaN(parseInstant(text))]).toEqual([text, z.core.safeParse(schema, text).success]);
      }),
      { numRuns: 2000 },
    );
  });
});
