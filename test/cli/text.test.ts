import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { harmless, painter } from "#src/cli/colour.ts";
import { CliFault } from "#src/cli/exit.ts";
import { levelNames } from "#src/cli/commands/log.ts";
import { renderEntry } from "#src/cli/logs-view.ts";
import { renderTable } from "#src/cli/table.ts";
import { bytes, count, duration, localTime, percent } from "#src/cli/units.ts";
import { parseBytes, parseSince, parseWhole } from "#src/cli/values.ts";
import { levels } from "#src/protocol/log.ts";

import { entry } from "./samples.ts";

test("the command line knows the levels of the protocol", () => {
  expect(levelNames).toEqual([...levels]);
});

describe("figures", () => {
  test("of bytes have a binary unit", () => {
    const rows: readonly [number | null, string][] = [
      [null, "-"],
      [0, "0 B"],
      [1023, "1023 B"],
      [1024, "1.0 KiB"],
      [1536, "1.5 KiB"],
      [102_400, "100 KiB"],
      [1_048_575, "1.0 MiB"],
      [8_589_934_592, "8.0 GiB"],
      [2 ** 60, "1024 PiB"],
    ];
    expect(rows.map(([value]) => bytes(value))).toEqual(rows.map(([, text]) => text));
  });

  test("of time have two units at most", () => {
    const rows: readonly [number | null, string][] = [
      [null, "-"],
      [-5, "0s"],
      [0.4, "0s"],
      [59, "59s"],
      [60, "1m"],
      [3661, "1h 1m"],
      [3601, "1h"],
      [90_061, "1d 1h"],
    ];
    expect(rows.map(([value]) => duration(value))).toEqual(rows.map(([, text]) => text));
  });

  test("that do not exist are no zeros", () => {
    expect([percent(null), percent(0), count(1_234_567), count(12)]).toEqual(["-", "0.0 %", "1,234,567", "12"]);
  });

  test("of a time that can't be read are shown as they came", () => {
    expect(localTime("never")).toBe("never");
  });
});

describe("values", () => {
  const now = Date.parse("2026-01-31T12:00:00.000Z");

  test("of time are spans or moments", () => {
    expect(["30s", "10m", "1h", "2d", "1w", "1.5h"].map((text) => parseSince(text, now))).toEqual([
      "2026-01-31T11:59:30.000Z",
      "2026-01-31T11:50:00.000Z",
      "2026-01-31T11:00:00.000Z",
      "2026-01-29T12:00:00.000Z",
      "2026-01-24T12:00:00.000Z",
      "2026-01-31T10:30:00.000Z",
    ]);
    expect(parseSince("2026-01-30T10:00:00+02:00", now)).toBe("2026-01-30T08:00:00.000Z");
  });

  test("of size may have a unit", () => {
    expect(["1", "1k", "512M", "2GiB", "1.5G", "1TB"].map((text) => parseBytes("x", text))).toEqual([
      1, 1024, 536_870_912, 2_147_483_648, 1_610_612_736, 1_099_511_627_776,
    ]);
  });

  test("of any text are read or refused", () => {
    const refused = (read: () => unknown) => {
      try {
        read();
      } catch (error) {
        expect(error).toBeInstanceOf(CliFault);
      }
    };
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^\d{1,400}[smhdwKMGT]?$/), fc.stringMatching(/^\d{4}-\d\d-\d\d.*$/)),
        (text) => {
          refused(() => expect(parseSince(text, now)).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/));
          refused(() => expect(parseBytes("x", text)).toBeGreaterThan(0));
          refused(() => expect(parseWhole("x", text, 0, 10)).toBeLessThanOrEqual(10));
        },
      ),
    );
  });
});

describe("what others wrote", () => {
  test("keeps its colours on a terminal, and they end with it", () => {
    expect(harmless("\u001b[31mred\u001b[0m", true)).toBe("\u001b[31mred\u001b[0m\u001b[0m");
    expect(harmless("\u001b[31mred", false)).toBe("red");
  });

  test("can't move the cursor, set a title, ring or erase", () => {
    const hostile =
      "a\u001b[2Jb\u001b]0;title\u0007c\u001b]8;;http://x\u001b\\d\u0007e\rf\u009b2Jg\u001bMh\u0000i\u001b";
    expect(harmless(hostile, true)).toBe("abcdef2Jghi");
  });

  test("holds no control characters but tabs, line breaks and colours, whatever it was", () => {
    const nasty = fc.string({
      unit: fc.constantFrom(
        "\u001b",
        "[",
        "]",
        "0",
        ";",
        "m",
        "J",
        "\u0007",
        "\u009b",
        "\\",
        "a",
        "\n",
        "\t",
        "\r",
        "P",
      ),
    });
    fc.assert(
      fc.property(nasty, (text) => {
        expect(harmless(text, false)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
        expect(harmless(text, true).replace(/\u001b\[[0-9;:]*m/g, "")).not.toMatch(
          /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/,
        );
      }),
    );
  });

  test("is one entry, however many lines it has", () => {
    const text = renderEntry(entry(1, { message: "first\nsecond\n", fields: { code: 7 } }), painter(false), false);
    expect(text.split("\n").slice(1)).toEqual(['    second  {"code":7}', ""]);
  });
});

test("a table's columns hold together with colours and wide characters", () => {
  const paint = painter(true);
  const lines = renderTable(
    [{ title: "NAME" }, { title: "N", right: true }],
    [
      [paint("red", "añ"), "1"],
      ["日本", "22"],
    ],
  );
  expect(lines.map((line) => Bun.stringWidth(line))).toEqual([10, 10, 10]);
});
