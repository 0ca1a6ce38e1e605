import { gzipSync } from "node:zlib";

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { type LogEntry, maxBodyBytes, maxInflatedBytes, maxMessageLength } from "#src/protocol/log.ts";
import { type TestHub, allEntries, entries, entry, ndjson, startHub } from "#test/hub/kit/hub.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

let hub: TestHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(async () => await hub[Symbol.asyncDispose]());

let hosts = 0;
const newAgent = () => hub.agent(`host-${++hosts}`);
const seqsOf = async (id: string) => (await allEntries(hub, `&server=${id}`)).map((one) => one.seq);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const answer = async (response: Response) => [response.status, await response.json()];

describe("deliveries arrive once", () => {
  test("a repeat adds nothing", async () => {
    const agent = await newAgent();
    expect(await answer(await agent.logs(entries(1, 5)))).toEqual([202, { accepted: 5, duplicates: 0 }]);
    expect(await answer(await agent.logs(entries(1, 5)))).toEqual([202, { accepted: 0, duplicates: 5 }]);
    expect(await answer(await agent.logs(entries(4, 7)))).toEqual([202, { accepted: 2, duplicates: 2 }]);
    expect(await seqsOf(agent.id)).toEqual(numbers(1, 7));
  });

  test("a repeated batch name adds nothing, whatever is inside", async () => {
    const agent = await newAgent();
    await agent.logs(entries(1, 5), { "x-batch-id": "one" });
    const again = await agent.logs(entries(100, 104), { "x-batch-id": "one" });
    expect(await answer(again)).toEqual([202, { accepted: 0, duplicates: 5 }]);
    expect(await seqsOf(agent.id)).toEqual(numbers(1, 5));
  });

  test("many copies of a delivery at the same time are one", async () => {
    const agent = await newAgent();
    const copies = await Promise.all(Array.from({ length: 20 }, async () => await agent.logs(entries(1, 50))));
    const answers = (await Promise.all(copies.map(async (copy) => await copy.json()))) as { accepted: number }[];
    expect(answers.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(50);
    expect(await seqsOf(agent.id)).toEqual(numbers(1, 50));
  });

  test("servers do not share numbers", async () => {
    const [one, two] = [await newAgent(), await newAgent()];
    await Promise.all([one.logs(entries(1, 3)), two.logs(entries(1, 3))]);
    expect(await seqsOf(one.id)).toEqual([1, 2, 3]);
    expect(await seqsOf(two.id)).toEqual([1, 2, 3]);
  });

  test("any repeats, overlaps and reordering of slices leave each entry once and in order", async () => {
    const slice = fc.tuple(fc.nat(39), fc.integer({ min: 1, max: 12 }), fc.boolean());
    await fc.assert(
      fc.asyncProperty(fc.array(slice, { minLength: 1, maxLength: 14 }), fc.boolean(), async (slices, atOnce) => {
        const agent = await newAgent();
        const sent = new Set<number>();
        const send = async ([from, length, named]: readonly [number, number, boolean]) => {
          const to = Math.min(40, from + length);
          for (const seq of numbers(from + 1, to)) sent.add(seq);
          const name: Record<string, string> = named ? { "x-batch-id": `${from}-${to}` } : {};
          const response = await agent.logs(entries(from + 1, to), name);
          expect(response.status).toBe(202);
        };
        if (atOnce) await Promise.all(slices.map(send));
        else for (const one of slices) await send(one);
        expect(await seqsOf(agent.id)).toEqual([...sent].sort((a, b) => a - b));
      }),
      { numRuns: 60 },
    );
  });
});

describe("bodies", () => {
  const text = ndjson(entries(1, 20));
  const forms: readonly (readonly [string, string | Uint8Array<ArrayBuffer>, Record<string, string>])[] = [
    ["plain", text, {}],
    ["without the last newline", text.trimEnd(), {}],
    ["with CRLF and blank lines", `\n${text.replaceAll("\n", "\r\n\r\n")}`, {}],
    ["zstd", new Uint8Array(Bun.zstdCompressSync(text)), { "content-encoding": "zstd" }],
    [
      "zstd in several frames",
      new Uint8Array(Buffer.concat([Bun.zstdCompressSync(text.slice(0, 333)), Bun.zstdCompressSync(text.slice(333))])),
      { "content-encoding": "ZSTD" },
    ],
    ["gzip", new Uint8Array(gzipSync(text)), { "content-encoding": "gzip" }],
    ["identity", text, { "content-encoding": "identity" }],
  ];
  for (const [name, body, headers] of forms) {
    test(`${name}: stored as sent`, async () => {
      const agent = await newAgent();
      const response = await agent.post("logs", body, headers);
      expect(await answer(response)).toEqual([202, { accepted: 20, duplicates: 0 }]);
      const stored = await allEntries(hub, `&server=${agent.id}`);
      expect(stored.map(({ id: _id, serverId: _serverId, ...rest }) => rest)).toEqual(entries(1, 20));
    });
  }

  test("a chunked body without a length is taken", async () => {
    const agent = await newAgent();
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const part of [text.slice(0, 100), text.slice(100)]) controller.enqueue(Buffer.from(part));
        controller.close();
      },
    });
    expect((await agent.post("logs", stream)).status).toBe(202);
    expect(await seqsOf(agent.id)).toEqual(numbers(1, 20));
  });

  test("nothing at all is a delivery of nothing", async () => {
    expect(await answer(await (await newAgent()).post("logs", ""))).toEqual([202, { accepted: 0, duplicates: 0 }]);
  });

  test("any text, fields and unknown members survive or are left out as the schema says", async () => {
    const agent = await newAgent();
    const odd = entry(1, {
      message: '\u0000 \ud83d\ude00 \u2028 <b> " \\ \u001b[31m',
      fields: { deep: { list: [1, null, "x"] }, ["__proto__"]: 1 },
      source: "päylöad/1",
    });
    await agent.post("logs", `${JSON.stringify({ ...odd, pos: 17, extra: true })}\n`);
    const [stored] = await allEntries(hub, `&server=${agent.id}`);
    expect(stored).toEqual({ ...odd, id: stored?.id ?? "", serverId: agent.id });
  });
});

describe("limits", () => {
  const refused = async (response: Response, status: number) => {
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    return ((await response.json()) as { detail: string }).detail;
  };

  test("more than 8 MiB on the wire: 413", async () => {
    const agent = await newAgent();
    const body = new Uint8Array(maxBodyBytes + 1).fill(32);
    expect(await refused(await agent.post("logs", body), 413)).toContain("8388608 bytes");
    const stream = () =>
      new ReadableStream<Uint8Array>({
        start(controller) {
          for (let i = 0; i < 9; i++) controller.enqueue(new Uint8Array(1024 * 1024).fill(32));
          controller.close();
        },
      });
    expect(await refused(await agent.post("logs", stream()), 413)).toContain("8388608 bytes");
  });

  for (const [name, compress] of [
    ["zstd", (bytes: Uint8Array<ArrayBuffer>) => Bun.zstdCompressSync(bytes)],
    ["gzip", (bytes: Uint8Array<ArrayBuffer>) => gzipSync(bytes)],
  ] as const) {
    test(`a ${name} bomb: 413, without the memory it asks for`, async () => {
      const agent = await newAgent();
      const bomb = new Uint8Array(compress(new Uint8Array(4 * maxInflatedBytes)));
      Bun.gc(true);
      const before = process.memoryUsage().rss;
      for (let i = 0; i < 5; i++) {
        const response = await agent.post("logs", bomb, { "content-encoding": name });
        expect(await refused(response, 413)).toContain("after decompression");
      }
      // garbage of this very process, which sends and receives, is no sign of anything
      Bun.gc(true);
      expect(process.memoryUsage().rss - before).toBeLessThan(3 * maxInflatedBytes);
    });
  }

  for (const [name, encoding, body, status] of [
    ["damaged zstd", "zstd", "not zstd", 400],
    ["zstd cut short", "zstd", new Uint8Array(Bun.zstdCompressSync("x".repeat(1000)).slice(0, 20)), 400],
    ["damaged gzip", "gzip", "not gzip", 400],
    ["an unknown encoding", "br", "x", 415],
    ["two encodings", "gzip, zstd", "x", 415],
  ] as const) {
    test(`${name}: ${status}`, async () => {
      await refused(await (await newAgent()).post("logs", body, { "content-encoding": encoding }), status);
    });
  }

  test("a message over 1 MiB is cut and marked", async () => {
    const agent = await newAgent();
    const long = "ä".repeat(maxMessageLength + 10);
    await agent.logs([entry(1), entry(2, { message: long, fields: { kept: 1 } }), entry(3)]);
    const stored = await allEntries(hub, `&server=${agent.id}`);
    expect(stored.map((one) => one.message.length)).toEqual([6, maxMessageLength, 6]);
    expect(stored[1]?.fields).toEqual({ kept: 1, cut: true, length: long.length });
  });

  test("fields that make a line longer than 1 MiB are dropped and marked", async () => {
    const agent = await newAgent();
    await agent.logs([entry(1, { fields: { big: "x".repeat(2 * 1024 * 1024) } })]);
    const [stored] = await allEntries(hub, `&server=${agent.id}`);
    expect(stored?.fields).toEqual({ fieldsDropped: true });
  });

  test("a delivery of 60 MiB is stored whole", async () => {
    const agent = await newAgent();
    const many = entries(1, 60, { message: "x".repeat(1024 * 1024 - 10) });
    const body = new Uint8Array(Bun.zstdCompressSync(ndjson(many)));
    expect(await answer(await agent.post("logs", body, { "content-encoding": "zstd" }))).toEqual([
      202,
      { accepted: 60, duplicates: 0 },
    ]);
    const page = await hub.json<{ entries: LogEntry[] }>(`/api/logs?server=${agent.id}&limit=3`);
    expect(page.entries.map((one) => [one.seq, one.message.length])).toEqual([
      [60, 1024 * 1024 - 10],
      [59, 1024 * 1024 - 10],
      [58, 1024 * 1024 - 10],
    ]);
  });
});

describe("a bad line", () => {
  const good = JSON.stringify(entry(1));
  const rows: readonly (readonly [string, string])[] = [
    ["not JSON", "hello"],
    ["JSON cut short", good.slice(0, -5)],
    ["two values", `${good}${good}`],
    ["a number", "17"],
    ["null", "null"],
    ["an array", "[]"],
    ["no message", JSON.stringify({ ...entry(2), message: undefined })],
    ["a message that is a number", JSON.stringify({ ...entry(2), message: 1 })],
    ["a negative seq", JSON.stringify({ ...entry(2), seq: -1 })],
    ["a broken seq", JSON.stringify({ ...entry(2), seq: 1.5 })],
    ["a seq beyond exact numbers", good.replace('"seq":1', '"seq":9007199254740993')],
    ["an endless seq", good.replace('"seq":1', '"seq":1e400')],
    ["an unknown level", JSON.stringify({ ...entry(2), level: "loud" })],
    ["an unknown stream", JSON.stringify({ ...entry(2), stream: "stdin" })],
    ["a time without zone", JSON.stringify({ ...entry(2), at: "2026-01-01T00:00:00" })],
    ["a day that does not exist", JSON.stringify({ ...entry(2), at: "2026-02-30T00:00:00Z" })],
    ["a source with a space", JSON.stringify({ ...entry(2), source: "a b" })],
    ["an empty source", JSON.stringify({ ...entry(2), source: "" })],
    ["fields that are a list", JSON.stringify({ ...entry(2), fields: [] })],
    ["fields that are null", JSON.stringify({ ...entry(2), fields: null })],
    ["deep nesting", "[".repeat(200_000)],
  ];
  for (const [name, line] of rows) {
    test(`${name}: 400 naming the line, and nothing of the delivery is stored`, async () => {
      const agent = await newAgent();
      const response = await agent.post("logs", `${good}\n\n${line}\n${JSON.stringify(entry(9))}\n`);
      expect(response.status).toBe(400);
      const { detail } = (await response.json()) as { detail: string };
      expect(detail).toStartWith("line 3 is not ");
      expect(await seqsOf(agent.id)).toEqual([]);
      // what was refused may be sent again
      expect(await answer(await agent.post("logs", good))).toEqual([202, { accepted: 1, duplicates: 0 }]);
    });
  }
});
