import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { largeBytes } from "#src/hub/api/intake/admission.ts";
import { partsOf } from "#src/hub/api/intake/ndjson.ts";
import { isHeavy } from "#src/hub/api/intake/weight.ts";
import { ndjson } from "#test/hub/kit/hub.ts";
import { type IngestRig, entries, server, startIngest } from "./ingest-rig.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

let rig: IngestRig;
beforeAll(async () => {
  rig = await startIngest();
});
afterAll(async () => await rig[Symbol.asyncDispose]());

const count = 20_000;
const filler = "x".repeat(300);
const answer = async (response: Response) => [response.status, await response.json()];
const zstd = (text: string) => new Uint8Array(Bun.zstdCompressSync(text));

describe("a large delivery of an agent", () => {
  let senders = 0;
  const newAgent = () => {
    const id = `${server}-${++senders}`;
    const headers = { authorization: `Bearer ${id}`, "content-encoding": "zstd" };
    return {
      post: (text: string, more: Record<string, string> = {}) =>
        rig.post("/api/v1/agent/logs", zstd(text), { ...headers, ...more }),
      seqs: () => rig.stored(id).map(({ seq }) => seq),
    };
  };
  const body = (from: number) => ndjson(entries(from, from + count - 1, { message: filler }));
  const numbers = (to: number) => Array.from({ length: to }, (_, i) => i + 1);

  test("is large", () => expect(body(1).length).toBeGreaterThan(largeBytes));

  test("is stored whole and in order, and a repeat adds nothing", async () => {
    const agent = newAgent();
    expect(await answer(await agent.post(body(1)))).toEqual([202, { accepted: count, duplicates: 0 }]);
    expect(await answer(await agent.post(body(1)))).toEqual([202, { accepted: 0, duplicates: count }]);
    const named = { "x-batch-id": "one" };
    expect(await answer(await agent.post(body(1), named))).toEqual([202, { accepted: 0, duplicates: count }]);
    const more = [202, { accepted: 5000, duplicates: count - 5000 }];
    expect(await answer(await agent.post(body(5001)))).toEqual(more);
    expect(agent.seqs()).toEqual(numbers(count + 5000));
  });

  test("with one bad line far behind is refused whole, naming the line", async () => {
    const agent = newAgent();
    const response = await agent.post(`${body(1)}{"seq":1}\n`);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain(`line ${count + 1} is not a log entry`);
    expect(agent.seqs()).toEqual([]);
  });
});

describe("a large delivery of an application", () => {
  let sources = 0;
  const newSource = () => {
    const id = `large-${++sources}`;
    const headers = { authorization: `Bearer ${id}`, "content-encoding": "zstd" };
    return {
      post: (text: string, more: Record<string, string> = {}) =>
        rig.post("/api/logs", zstd(text), { ...headers, ...more }),
      messages: () => rig.stored(id).map(({ message }) => Number(message.split(" ")[0])),
    };
  };
  const values = Array.from({ length: count }, (_, i) => ({ message: `${i} ${filler}` }));
  const lines = values.map((value) => `${JSON.stringify(value)}\n`).join("");
  const numbers = values.map((_, i) => i);

  for (const [what, text] of [
    ["one object a line", lines],
    ["an array", JSON.stringify(values)],
    ["an array over several lines", JSON.stringify(values, null, 1)],
    ["objects over several lines", values.map((value) => JSON.stringify(value, null, 1)).join("\n")],
    ["lines with CRLF", lines.replaceAll("\n", "\r\n")],
  ] as const) {
    test(`is stored whole and in order: ${what}`, async () => {
      const source = newSource();
      const named = { "x-batch-id": "one" };
      expect(await answer(await source.post(text, named))).toEqual([202, { accepted: count, duplicates: 0 }]);
      expect(await answer(await source.post(text, named))).toEqual([202, { accepted: 0, duplicates: count }]);
      expect(source.messages()).toEqual(numbers);
    });
  }

  for (const [what, text, said] of [
    ["no JSON", `${lines}{"message"\n`, `line ${count + 1} is not JSON`],
    ["no entry", `${lines}\n{"level":"info"}\n`, `line ${count + 2} is not a log entry: message is missing`],
    ["no entry, in an array", JSON.stringify([...values, {}]), `element ${count} is not a log entry`],
  ] as const) {
    test(`with something far behind that is ${what} is refused whole`, async () => {
      const source = newSource();
      const response = await source.post(text);
      expect(response.status).toBe(400);
      expect(await response.text()).toContain(said);
      expect(source.messages()).toEqual([]);
    });
  }

  test("with too many entries is refused whole", async () => {
    const source = newSource();
    const response = await source.post('{"message":"0 and some more text to make it large"}\n'.repeat(100_001));
    expect(response.status).toBe(413);
    expect(source.messages()).toEqual([]);
  });
});

test("parts are whole lines, hold everything, and know their first line", () => {
  const text = fc.array(fc.constantFrom("\n", "a", "bc\n", "é", "long long line\n"), { maxLength: 30 });
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 20 }), (pieces, bytes) => {
      const whole = Buffer.from(pieces.join(""));
      const parts = [...partsOf(whole, bytes)].map(({ plain, firstLine }) => ({ part: Buffer.from(plain), firstLine }));
      expect(Buffer.concat(parts.map(({ part }) => part)).toString()).toBe(whole.toString());
      let before = "";
      for (const [i, { part, firstLine }] of parts.entries()) {
        const shown = part.toString();
        expect(firstLine).toBe(before.split("\n").length);
        expect(i === parts.length - 1 || shown.endsWith("\n")).toBe(true);
        expect(part.length <= bytes || shown.indexOf("\n") >= shown.length - 1 || !shown.includes("\n")).toBe(true);
        before += shown;
      }
    }),
  );
});

describe("a body that would take many times its size", () => {
  const many = Buffer.from(`[${"{},".repeat(200_000)}0]`);
  for (const [what, plain, wire, heavy] of [
    ["values without text, compressed far beyond what log lines are", many, 1000, true],
    ["values without text, not compressed", many, many.length, true],
    ["what is compressed as log lines are, which is not looked at", many, many.length / 10, false],
    ["text, however far it is compressed", Buffer.alloc(3_000_000, "x"), 1000, false],
    ["little", Buffer.from(`[${"{},".repeat(1000)}0]`), 100, false],
  ] as const) {
    test(`is told before it is parsed: ${what}`, () => expect(isHeavy(plain, wire)).toBe(heavy));
  }
});
