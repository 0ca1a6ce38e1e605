import fc from "fast-check";
import { describe, expect, test } from "bun:test";

import { piecesOf } from "#src/hub/dashboard/ansi.ts";
import { ago, bytes, duration, percent, rate } from "#src/hub/dashboard/format.ts";

describe("figures", () => {
  for (const [got, wanted] of [
    [bytes(0), "0 B"],
    [bytes(1023), "1023 B"],
    [bytes(1536), "1.5 KB"],
    [bytes(16 * 1024 ** 3), "16.0 GB"],
    [bytes(null), "–"],
    [rate(2048), "2.0 KB/s"],
    [percent(12.34), "12.3 %"],
    [percent(100), "100 %"],
    [percent(99.96), "100 %"],
    [duration(59.9), "59 s"],
    [duration(3600 * 5 + 61), "5 h 1 min"],
    [duration(86_400 * 3 + 3600 * 4), "3 d 4 h"],
    [duration(null), "–"],
    [ago(null, 0), "never"],
    [ago("1970-01-01T00:00:00Z", 500), "just now"],
    [ago("1970-01-01T00:00:00Z", 61_000), "1 min ago"],
    [ago("1970-01-01T00:01:00Z", 0), "just now"],
  ] as const) {
    test(wanted, () => expect(got).toBe(wanted));
  }
});

describe("colours of terminal output", () => {
  test("become styles, and all other escapes are left out", () => {
    expect(
      piecesOf("a\u001b[1;31mred\u001b[0m \u001b[38;5;208mtrue\u001b[39m\u001b[2K\u001b]0;title\u0007end"),
    ).toEqual([
      { text: "a", style: "" },
      { text: "red", style: "ansi-red bold" },
      { text: " ", style: "" },
      { text: "true", style: "ansi-yellow" },
      { text: "end", style: "" },
    ]);
  });

  test("grounds and looks are kept, and end where they end", () => {
    expect(piecesOf("\u001b[2;4;44mx\u001b[22;49my\u001b[24mz\u001b[7;48;2;250;20;20mw")).toEqual([
      { text: "x", style: "on-blue dim underline" },
      { text: "y", style: "underline" },
      { text: "z", style: "" },
      { text: "w", style: "on-red inverse" },
    ]);
  });

  test("what can't be seen is a symbol, and what would turn text round is one", () => {
    expect(piecesOf("a\u0000\u0007\u007f\u0085\u202egnp.exe\tb")).toEqual([
      { text: "a␀␇␡‹0085›‹202E›gnp.exe\tb", style: "" },
    ]);
  });

  test("never lose or add a visible character", () => {
    const part = fc.oneof(
      fc.string().filter((text) => !text.includes("\u001b")),
      fc.constantFrom("\u001b[0m", "\u001b[91;1m", "\u001b[38;2;1;2;3m"),
    );
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const text = piecesOf(parts.join(""))
          .map((piece) => piece.text)
          .join("");
        expect(text).toBe(parts.filter((one) => !one.startsWith("\u001b")).join(""));
      }),
    );
  });

  test("take time in proportion to the text, whatever it is", () => {
    const started = performance.now();
    for (const text of ["\u001b[".repeat(100_000), `\u001b]${"x".repeat(200_000)}`, `\u001b[${";".repeat(200_000)}`])
      piecesOf(text);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
