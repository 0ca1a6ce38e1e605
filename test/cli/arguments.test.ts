import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { parseArguments } from "#src/cli/arguments.ts";
import { CliFault } from "#src/cli/exit.ts";
import { takeGlobals } from "#src/cli/globals.ts";
import { editDistance, nearest } from "#src/cli/nearest.ts";

const definitions = {
  name: { type: "positional", required: true },
  rest: { type: "positional", required: false, valueHint: "words..." },
  lines: { type: "string", alias: "n" },
  follow: { type: "boolean", alias: "f" },
  "auto-restart": { type: "boolean", default: true },
  env: { type: "string", valueHint: "K=V..." },
} as const;

const parse = async (...tokens: string[]) => await parseArguments("x", definitions, tokens);

describe("arguments", () => {
  test("without a flag are words and defaults", async () => {
    expect(await parse("a", "b", "c")).toEqual({
      args: { name: "a", rest: "b", "auto-restart": true },
      words: ["a", "b", "c"],
      repeated: {},
    });
  });

  test("take values attached, apart and short", async () => {
    for (const tokens of [
      ["a", "--lines", "5"],
      ["--lines=5", "a"],
      ["-n", "5", "a"],
      ["a", "-n5"],
    ]) {
      expect((await parse(...tokens)).args).toMatchObject({ name: "a", lines: "5" });
    }
  });

  test("join short flags", async () => {
    expect((await parse("a", "-fn", "5")).args).toMatchObject({ follow: true, lines: "5" });
  });

  test("switch a default off with --no-", async () => {
    expect((await parse("a", "--no-auto-restart")).args).toMatchObject({ "auto-restart": false });
  });

  test("keep every value of a flag that may be repeated, with whatever is in it", async () => {
    expect((await parse("a", "--env", "A=1", "--env=B=--x", "--env", "C=")).repeated).toEqual({
      env: ["A=1", "B=--x", "C="],
    });
  });

  test("leave everything after -- alone", async () => {
    expect((await parse("a", "-f", "--", "--lines", "-x", "--env")).words).toEqual(["a", "--lines", "-x", "--env"]);
    expect((await parse("a", "--", "-x")).words).toEqual(["a", "-x"]);
  });

  // Before, citty's own name for the words made these a crash.
  test.each(["-_", "--_", "--_=x", "-x_", "-=_", "-f=_", "--no-_"])(
    "a flag %p is unknown like any other",
    async (flag) => {
      const refused: unknown = await parse(flag).catch((error: unknown) => error);
      expect(refused).toMatchObject({ message: expect.stringMatching(/^x has no flag -/) });
    },
  );

  test("a flag whose value is missing doesn't take the -- for it", async () => {
    for (const tokens of [
      ["a", "--lines", "--", "-_"],
      ["a", "-n", "--", "b"],
    ]) {
      const refused: unknown = await parse(...tokens).catch((error: unknown) => error);
      expect(refused).toMatchObject({ exitCode: 2, message: expect.stringMatching(/ needs a value$/) });
    }
  });

  test("have values with an underscore", async () => {
    expect((await parse("a", "-n5_000")).args).toMatchObject({ name: "a", lines: "5_000" });
    expect((await parse("a", "-fn=_")).args).toMatchObject({ follow: true, lines: "=_" });
  });

  test("of any kind are parsed or refused with exit code 2, never anything else", async () => {
    const token = fc.oneof(
      fc.constantFrom(
        "--",
        "-",
        "-n",
        "-f",
        "--env",
        "--lines=",
        "--no-",
        "--no-env",
        "--=",
        "-=",
        "--__proto__",
        "--constructor=1",
      ),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(token, { maxLength: 8 }), async (tokens) => {
        try {
          const { words } = await parse(...tokens);
          for (const word of words) expect(tokens).toContain(word);
        } catch (error) {
          expect(error).toBeInstanceOf(CliFault);
          expect((error as CliFault).exitCode).toBe(2);
        }
      }),
    );
  });
});

describe("global flags", () => {
  test("are found anywhere before --", () => {
    expect(takeGlobals(["a", "--json", "b", "--dir", "/x", "--no-color", "--", "--json"])).toEqual({
      dir: "/x",
      json: true,
      plain: true,
      help: false,
      version: false,
      rest: ["a", "b", "--", "--json"],
    });
  });
});

describe("the nearest word", () => {
  const words = ["status", "script", "logs", "log", "doctor"];
  const rows: readonly [string, string | undefined][] = [
    ["staus", "status"],
    ["satus", "status"],
    ["statsu", "status"],
    ["docter", "doctor"],
    ["stat", "status"],
    ["lgo", "log"],
    ["banana", undefined],
    ["", undefined],
  ];
  for (const [typed, meant] of rows) test(`to "${typed}" is ${meant}`, () => expect(nearest(typed, words)).toBe(meant));

  test("is measured by a distance that is zero for equal words only, and the same both ways", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});
