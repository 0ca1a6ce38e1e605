import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { maskMessage } from "#src/hub/errors/fingerprint-message.ts";
import { createTemplates } from "#src/hub/errors/template.ts";

const rows: readonly (readonly [name: string, message: string, masked: string])[] = [
  [
    "numbers and addresses",
    "no answer from 10.0.0.3:5432 after 12.5 s (3 tries)",
    "no answer from <ip> after <n> s (<n> tries)",
  ],
  ["IPv6", "refused by fe80::1 and [2001:db8::12]:80", "refused by <ip> and [<ip>]:<n>"],
  ["a UUID", "job 550e8400-e29b-41d4-a716-446655440000 lost", "job <n> lost"],
  ["times", "2026-05-01 10:00:00,123 late since 2026-05-01T10:00:00Z", "<time> late since <time>"],
  ["a path and an address", "can't read ~/a/b.txt of bob@example.org", "can't read <path> of <email>"],
  ["a URL", "GET https://a.example/x?y=1 gave 500", "GET <url> gave <n>"],
  [
    "quoted text, and no apostrophes",
    "don't use 'it' or \"that\", won't work",
    "don't use <quoted> or <quoted>, won't work",
  ],
  ["hexadecimal numbers, and no words", "0x7ffe at deadbeef00, a facade", "<n> at <n>, a facade"],
  ["ids", "request req-7f3k29dk2l1m3n4o5p failed", "request <n> failed"],
  ["colours and white space", "\u001b[31mbad\u001b[0m \t thing", "bad thing"],
  ["all but the first line that says something", "\n\nfirst 1\nsecond", "first <n>"],
];

describe("masking", () => {
  for (const [name, message, masked] of rows) {
    test(`takes out ${name}`, () => expect(maskMessage(message).text).toBe(masked));
  }

  test("of any text ends soon, and what is masked stays as it is", () => {
    const piece = fc.constantFrom("a", "1", ".", ":", "/", "-", "@", "'", '"', " ", "0x", "::", "<", "é");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 2000 }), (pieces) => {
        const { text } = maskMessage(pieces.join(""));
        expect(text.length).toBeLessThan(10_000);
      }),
    );
  });
});

describe("templates", () => {
  test("are learned from words that most messages share", () => {
    const { learn, changes } = createTemplates();
    const first = learn("o", "user alice can not be found in cache");
    expect(learn("o", "user bob can not be found in cache")).toBe(first);
    expect(learn("o", "user alice can not be found in store")).toBe(first);
    expect(learn("o", "disk alice can not be found in cache")).not.toBe(first);
    expect(changes().map(({ words }) => words)).toEqual([
      "user <*> can not be found in <*>",
      "disk alice can not be found in cache",
    ]);
  });

  test("of short messages must be equal", () => {
    const { learn } = createTemplates();
    expect(learn("o", "payment declined")).not.toBe(learn("o", "payment lost"));
  });

  test("are of one owner", () => {
    const { learn } = createTemplates();
    expect(learn("a", "payment declined")).not.toBe(learn("b", "payment declined"));
  });

  test("go on after a restart as if there had been none", () => {
    const message = fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 40 }), fc.nat(40), (messages, at) => {
        const texts = messages.map((words) => words.join(" "));
        const whole = createTemplates();
        const expected = texts.map((text) => whole.learn("o", text).first);
        const before = createTemplates();
        const kept = new Map<string, ReturnType<typeof before.changes>[number]>();
        const head = texts.slice(0, at).map((text) => before.learn("o", text).first);
        for (const row of before.changes()) kept.set(row.first, row);
        const after = createTemplates(kept.values());
        expect([...head, ...texts.slice(at).map((text) => after.learn("o", text).first)]).toEqual(expected);
      }),
    );
  });

  test("know the message that they began with for good", () => {
    const message = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 60 }), (messages) => {
        const { learn, changes } = createTemplates();
        for (const words of messages) learn("o", words.join(" "));
        for (const { first } of changes()) expect(learn("o", first).words).not.toBeNull();
        expect(changes()).toEqual([]);
      }),
    );
  });

  test("beyond the most of one source are one for everything else", () => {
    const { learn, count } = createTemplates();
    for (let n = 0; n < 600; n++) learn("o", `w${n} happened`);
    expect(count()).toBe(500);
    expect(learn("o", "something new happened").first).toBe("");
    expect(learn("other", "something new happened").first).not.toBe("");
  });
});
