/** Lines of any length and any bytes, from a script's pipe to the hub, by way of the compiled binary. */
import { writeFileSync } from "node:fs";

import { afterAll, beforeAll, expect, test } from "bun:test";

import type { EventsPage, StoredEntry } from "#src/protocol/api.ts";
import { until } from "#test/kit/wait.ts";

import { createRandom } from "./kit/disturbances.ts";
import { readEntries } from "./kit/lines.ts";
import { peakRssMiB } from "./kit/memory.ts";
import { type System, createSystem } from "./kit/orion.ts";

/** The agent may take this much whatever it reads: its bar under a flood of ordinary lines is 128 MiB. */
const mostRssMiB = 192;

let system: System;
beforeAll(async () => {
  system = await createSystem();
  await system.start();
}, 60_000);
afterAll(() => system[Symbol.asyncDispose]());

/** Prints `bytes` from a script and waits until all of it is in the hub. */
async function print(name: string, bytes: Uint8Array, after = ""): Promise<readonly StoredEntry[]> {
  const file = system.folder.at(name);
  writeFileSync(file, bytes);
  const added = await system.run("script", "add", name, `cat ${file}${after}`, "--no-auto-restart", "--start");
  expect(added).toMatchObject({ code: 0, stderr: "" });
  await until(async () => {
    const { scripts, delivery } = await system.status();
    return scripts.find((script) => script.name === name)?.pid === null && delivery.ledger.buffered === 0;
  }, `everything of ${name} in the hub`);
  return readEntries(system, name);
}

const messages = (entries: readonly StoredEntry[]): string[] => entries.map(({ message }) => message);

test("bytes that are no text, line ends of other systems and colours arrive as is promised", async () => {
  const rows: readonly (readonly [printed: string, arrives: string])[] = [
    ["\xef\xbb\xbfbyte order mark", "\ufeffbyte order mark"],
    ["plain", "plain"],
    // one U+FFFD for each byte that can't be part of a character (Unicode 15 section 3.9, "U+FFFD substitution")
    ["latin1 \xe9\xfc end", "latin1 \ufffd\ufffd end"],
    ["cut short \xe2\x82", "cut short \ufffd"],
    ["euro \xe2\x82\xac, emoji \xf0\x9f\x98\x80", "euro €, emoji 😀"],
    ["nul \0 nul", "nul \u2400 nul"],
    ["windows\r", "windows"],
    ["progress 1 %\rprogress 2 %", "progress 1 %\rprogress 2 %"],
    ["\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"],
    ["", ""],
    ["\r", ""],
    ['{"quote\\n": "back\\\\slash"}', '{"quote\\n": "back\\\\slash"}'],
    ["line separator \xe2\x80\xa8 and tab \t.", "line separator \u2028 and tab \t."],
    ["\x01\x02\x7f", "\x01\x02\x7f"],
    ["the end", "the end"],
  ];
  const printed = Buffer.from(rows.map(([text]) => text).join("\n"), "latin1");
  expect(messages(await print("odd", printed))).toEqual(rows.map(([, text]) => text));
}, 20_000);

test("random bytes arrive line by line, nothing of them missing", async () => {
  const random = createRandom(7);
  const bytes = Buffer.from(Uint8Array.from({ length: 300_000 }, () => Math.floor(random() * 256)));
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const expected: string[] = [];
  for (let from = 0; from < bytes.length;) {
    const newline = bytes.indexOf(10, from);
    const to = newline === -1 ? bytes.length : newline;
    expected.push(decoder.decode(bytes.subarray(from, to)).replace(/\r$/, "").replaceAll("\0", "\u2400"));
    from = to + 1;
  }
  expect(messages(await print("random", bytes))).toEqual(expected);
}, 20_000);

test("a line of 10 MiB without an end arrives in numbered pieces, and the next line is a line of its own", async () => {
  const mebibyte = 1_048_576;
  const long = await print("long", Buffer.from(`first\n${"0123456789abcdef".repeat(mebibyte / 16).repeat(10)}\nlast`));
  const [first, ...rest] = long;
  const last = rest.pop();
  expect([first?.message, last?.message]).toEqual(["first", "last"]);
  expect(rest.map(({ message }) => message).join("")).toBe("0123456789abcdef".repeat(mebibyte / 16).repeat(10));
  expect(rest.map(({ fields }) => fields)).toEqual(
    rest.map((_, i) => ({ cut: true, part: i + 1, last: i === rest.length - 1 })),
  );
  // 3 MiB of one character of two bytes: no character is cut in two
  const wide = await print("wide", Buffer.from("é".repeat(1_500_000)));
  expect(messages(wide).join("")).toBe("é".repeat(1_500_000));
  expect(wide.at(-1)?.fields).toEqual({ cut: true, part: 3, last: true });
}, 20_000);

test("a flood of empty lines arrives, each of them", async () => {
  const count = 50_000;
  const entries = await print("empty", Buffer.alloc(count, "\n"));
  expect(entries.length).toBe(count);
  expect(entries.every(({ message }) => message === "")).toBe(true);
}, 20_000);

// Before, a first line that was longer than what is kept for `orion logs` made that unreadable: the crash behind it was
// neither told nor followed by a restart.
test("a crash right behind a very long line is told, with the beginning of the line", async () => {
  await print("crashes", Buffer.from(`${"x".repeat(500_000)}\n`), "; exit 3");
  const { events } = await until(async () => {
    const page = await system.get<EventsPage>("/api/events?type=script.crashed");
    return page.events.length > 0 && page;
  }, "the crash in the hub");
  expect(events[0]?.event).toMatchObject({
    script: "crashes",
    exitCode: 3,
    tail: [expect.stringMatching(/^x{1000,}… \(500000 characters\)$/)],
  });
  expect(await system.run("logs", "crashes", "-n", "1")).toMatchObject({ code: 0, stderr: "" });
}, 20_000);

test("all of this cost neither the agent's life nor its memory", async () => {
  const { pid, problems, delivery } = await system.status();
  expect({ pid, problems }).toEqual({ pid: system.agent.pid(), problems: [] });
  expect(delivery.ledger).toMatchObject({ dropped: 0, buffered: 0, read: delivery.ledger.acknowledged });
  expect(peakRssMiB(pid)).toBeLessThan(mostRssMiB);
});
