import { readFileSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { WireReader, writeFields } from "#src/hub/api/intake/otlp-wire.ts";
import type { LogsPage } from "#src/protocol/api.ts";
import { startHub } from "#test/hub/kit/hub.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { type IngestRig, startIngest } from "./ingest-rig.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const now = "2026-01-01T00:00:00.000Z";
let rig: IngestRig;
beforeAll(async () => {
  rig = await startIngest({ clock: createTestClock(Date.parse(now)) });
});
afterAll(async () => await rig[Symbol.asyncDispose]());

const json = "application/json";
const protobuf = "application/x-protobuf";
let sources = 0;
function newSource() {
  const id = `app-${++sources}`;
  return {
    post: (body: BodyInit, type: string, more: Record<string, string> = {}) =>
      rig.post("/v1/logs", body, { authorization: `Bearer ${id}`, "content-type": type, ...more }),
    stored: () =>
      rig
        .stored(id)
        .map(({ id: _id, serverId: _server, seq: _seq, source: _source, stream: _stream, ...rest }) => rest),
  };
}

/** A request with these records in JSON. */
const request = (...logRecords: unknown[]) => JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] });

describe("what OpenTelemetry's own exporters send", () => {
  const shared = {
    resource: { "service.name": "shop", "service.instance": 3 },
    scope: { name: "cart", version: "1.0" },
  };
  const context = { traceId: "5b8efff798038103d269b633813fc60c", spanId: "eee19b7ec3c1b174", flags: 1 };
  const wanted = [
    {
      at: "2023-11-14T22:13:20.123Z",
      level: "warn",
      message: "hello",
      fields: {
        ...shared,
        ...context,
        attributes: { a: 1, b: [1, 2.5, "x", true], c: { d: { e: null } }, neg: -5, bytes: "AQID" },
        severityNumber: 14,
        severityText: "WARNING",
      },
    },
    {
      at: "2023-11-14T22:13:21.123Z",
      level: "error",
      message: '{"list":[1,{"b":2}],"bytes":"AQID"}',
      fields: { ...shared, eventName: "cart.full", timeUnixNano: "1700000001123456789" },
    },
    { at: "2023-11-14T22:13:22.000Z", level: "fatal", message: "42", fields: shared },
    { at: "2023-11-14T22:13:23.000Z", level: "info", message: "\u0000 😀", fields: shared },
  ];
  for (const [file, type, headers] of [
    ["javascript.json", json, {}],
    ["javascript.pb", protobuf, {}],
    ["javascript.pb.gz", protobuf, { "content-encoding": "gzip" }],
  ] as const) {
    test(file, async () => {
      const source = newSource();
      const body = readFileSync(join(import.meta.dir, "../../../fixtures/otlp", file));
      const response = await source.post(body, type, headers);
      expect([response.status, response.headers.get("content-type")?.split(";")[0]]).toEqual([200, type]);
      // ExportLogsServiceResponse without partial_success is empty
      expect(await response.text()).toBe(type === json ? "{}" : "");
      expect(source.stored()).toEqual(wanted as never);
    });
  }
});

describe("records", () => {
  const rows: readonly (readonly [string, Record<string, unknown>, Record<string, unknown>])[] = [
    ["nothing at all is an empty line of now", {}, { at: now, level: "info", message: "" }],
    [
      "null is what is not there",
      { body: null, severityText: null, attributes: null },
      { at: now, level: "info", message: "" },
    ],
    [
      "a time observed stands in for a missing one",
      { observedTimeUnixNano: "1700000000123000001", timeUnixNano: "0" },
      {
        at: "2023-11-14T22:13:20.123Z",
        level: "info",
        message: "",
        fields: { observedTimeUnixNano: "1700000000123000001" },
      },
    ],
    [
      "the name of an event is its message",
      { eventName: "e" },
      { at: now, level: "info", message: "e", fields: { eventName: "e" } },
    ],
    ["a severity by name alone", { severityText: "Warn" }, { at: now, level: "warn", message: "" }],
    [
      "a severity that nobody knows",
      { severityNumber: 99, severityText: "loud" },
      { at: now, level: "info", message: "", fields: { severityNumber: 99, severityText: "loud" } },
    ],
    ["ids of zeros are none", { traceId: "0".repeat(32), spanId: "" }, { at: now, level: "info", message: "" }],
    [
      "numbers that JSON can't hold are text",
      {
        attributes: [
          { key: "big", value: { intValue: "9007199254740993" } },
          { key: "nan", value: { doubleValue: "NaN" } },
          { key: "far", value: { doubleValue: "-Infinity" } },
          { key: "none" },
          { key: "empty", value: {} },
          { key: "__proto__", value: { stringValue: "x" } },
        ],
      },
      {
        at: now,
        level: "info",
        message: "",
        fields: JSON.parse(
          '{"attributes":{"big":"9007199254740993","nan":"NaN","far":"-Infinity","none":null,"empty":null,"__proto__":"x"}}',
        ),
      },
    ],
  ];
  for (const [name, record, entry] of rows) {
    test(name, async () => {
      const source = newSource();
      expect((await source.post(request(record), json)).status).toBe(200);
      expect(JSON.parse(JSON.stringify(source.stored()))).toEqual([entry]);
    });
  }

  for (const [number, level] of [
    [1, "debug"],
    [5, "debug"],
    [9, "info"],
    [12, "info"],
    [13, "warn"],
    [17, "error"],
    [20, "error"],
    [24, "fatal"],
  ] as const) {
    test(`severity ${number} is ${level}`, async () => {
      const source = newSource();
      await source.post(request({ severityNumber: number }), json);
      expect(source.stored()[0]?.level).toBe(level);
    });
  }

  test("that can't be taken are counted and said, and the others are stored", async () => {
    const source = newSource();
    let deep: unknown = { stringValue: "x" };
    for (let i = 0; i < 70; i++) deep = { arrayValue: { values: [deep] } };
    const bad = [{ severityNumber: "x" }, { body: deep }, { timeUnixNano: "99999999999999999999" }, 7];
    const response = await source.post(
      request({ body: { stringValue: "a" } }, ...bad, { body: { stringValue: "b" } }),
      json,
    );
    expect([response.status, await response.json()]).toEqual([
      200,
      {
        partialSuccess: {
          rejectedLogRecords: "4",
          errorMessage: expect.stringMatching(/^record 1: severityNumber: .*number/),
        },
      },
    ]);
    expect(source.stored().map((entry) => entry.message)).toEqual(["a", "b"]);
  });

  test("that can't be taken are counted in protobuf too", async () => {
    const source = newSource();
    let value: Uint8Array = writeFields([[1, "x"]]);
    for (let i = 0; i < 70; i++) value = writeFields([[5, writeFields([[1, value]])]]);
    const record = writeFields([[5, value]]);
    const response = await source.post(new Uint8Array(wrap(record)), protobuf);
    const partial = readMessage(new Uint8Array(await response.arrayBuffer()));
    expect(response.status).toBe(200);
    expect(partial).toEqual(["1 bytes"]);
    expect(source.stored()).toEqual([]);
  });

  test("with a resource that would fill the store by being repeated are refused as too large", async () => {
    const source = newSource();
    const attributes = [{ key: "a", value: { stringValue: "x".repeat(20_000) } }];
    const logRecords = Array.from({ length: 10_000 }, () => ({}));
    const body = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
    expect((await source.post(body, json)).status).toBe(413);
    expect(source.stored()).toEqual([]);
  });
});

/** A request around one record, in protobuf. */
const wrap = (record: Uint8Array) => writeFields([[1, writeFields([[2, writeFields([[2, record]])]])]]);

/** The fields of a message, with their types, as far as a test looks at them. */
function readMessage(bytes: Uint8Array): string[] {
  const reader = new WireReader(bytes);
  const fields: string[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    fields.push(`${tag >> 3} ${["number", "", "bytes"][tag & 7]}`);
    reader.skip(tag);
  }
  return fields;
}

/** google.rpc.Status in protobuf. */
function readStatus(bytes: Uint8Array) {
  const reader = new WireReader(bytes);
  const status = { code: 0, message: "" };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 8) status.code = reader.varint();
    else if (tag === 18) status.message = reader.text();
    else reader.skip(tag);
  }
  return status;
}

describe("a request that can't be read is answered with a Status in its own encoding", () => {
  for (const [name, body, status, message] of [
    ["no JSON", "{", 400, "the body is not JSON"],
    ["another document", "[]", 400, "the request is not valid"],
    ["records that are no list", '{"resourceLogs":[{"scopeLogs":[{"logRecords":{}}]}]}', 400, "logRecords"],
    ["deep nesting", "[".repeat(100_000), 400, "not JSON"],
  ] as const) {
    test(`JSON: ${name}`, async () => {
      const response = await newSource().post(body, json);
      expect([response.status, response.headers.get("content-type")]).toEqual([status, json]);
      expect(await response.json()).toEqual({ code: 3, message: expect.stringContaining(message) });
    });
  }

  for (const [name, body, message] of [
    ["cut off", wrap(writeFields([[3, "INFO"]])).subarray(0, 8), "it ends too early"],
    ["a group", new Uint8Array([0x0b, 0x0c]), "wire type 3 is not known"],
    ["field 0", new Uint8Array([0x02, 0x00]), "there is no field 0"],
    ["a number without end", new Uint8Array(20).fill(0xff), "a number does not end"],
    [
      "a length beyond everything",
      new Uint8Array([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
      "it ends too early",
    ],
  ] as const) {
    test(`protobuf: ${name}`, async () => {
      const response = await newSource().post(new Uint8Array(body), protobuf);
      expect([response.status, response.headers.get("content-type")]).toEqual([400, protobuf]);
      const status = readStatus(new Uint8Array(await response.arrayBuffer()));
      expect(status).toEqual({ code: 3, message: `the body is not an export request: ${message}` });
    });
  }

  test("damaged gzip and a bomb", async () => {
    const gzip = { "content-encoding": "gzip" };
    const damaged = await newSource().post("x", protobuf, gzip);
    expect([damaged.status, readStatus(new Uint8Array(await damaged.arrayBuffer())).code]).toEqual([400, 3]);
    const bomb = await newSource().post(Bun.gzipSync(new Uint8Array(200 * 1024 * 1024)), protobuf, gzip);
    expect([bomb.status, readStatus(new Uint8Array(await bomb.arrayBuffer())).code]).toEqual([413, 8]);
  });

  test("another type: 415", async () => {
    const response = await newSource().post("x", "text/plain");
    expect([response.status, await response.json()]).toEqual([
      415,
      { code: 3, message: "send application/x-protobuf or application/json" },
    ]);
  });

  test("nothing in it is a success", async () => {
    for (const [body, type] of [
      ["{}", json],
      ["", protobuf],
    ] as const) {
      expect((await newSource().post(body, type)).status).toBe(200);
    }
  });
});

describe("both encodings say the same", () => {
  /** A value with its two forms on the wire. */
  type Both = { readonly plain: unknown; readonly json: unknown; readonly wire: Uint8Array };
  const { value } = fc.letrec<{ value: Both }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      fc
        .string({ unit: "grapheme", minLength: 1 })
        .map((text): Both => ({ plain: text, json: { stringValue: text }, wire: writeFields([[1, text]]) })),
      fc.constant<Both>({ plain: true, json: { boolValue: true }, wire: writeFields([[2, 1]]) }),
      fc.integer({ min: 1 }).map((number): Both => ({
        plain: number,
        json: { intValue: String(number) },
        wire: writeFields([[3, number]]),
      })),
      fc.uint8Array({ minLength: 1 }).map((bytes): Both => {
        const text = Buffer.from(bytes).toString("base64");
        return { plain: text, json: { bytesValue: text }, wire: writeFields([[7, bytes]]) };
      }),
      fc.array(tie("value"), { minLength: 1, maxLength: 4 }).map((items): Both => ({
        plain: items.map((item) => item.plain),
        json: { arrayValue: { values: items.map((item) => item.json) } },
        wire: writeFields([[5, writeFields(items.map((item) => [1, item.wire]))]]),
      })),
      fc
        .dictionary(
          fc.string({ minLength: 1 }).filter((key) => key !== "__proto__"),
          tie("value"),
          { minKeys: 1, maxKeys: 4 },
        )
        .map((items): Both => ({
          plain: items && Object.fromEntries(Object.entries(items).map(([key, item]) => [key, item.plain])),
          json: { kvlistValue: { values: Object.entries(items).map(([key, item]) => ({ key, value: item.json })) } },
          wire: writeFields([
            [
              6,
              writeFields(
                Object.entries(items).map(([key, item]) => [
                  1,
                  writeFields([
                    [1, key],
                    [2, item.wire],
                  ]),
                ]),
              ),
            ],
          ]),
        })),
    ),
  }));

  test("whatever the body and the attributes are", async () => {
    await fc.assert(
      fc.asyncProperty(value, value, async (body, attribute) => {
        const source = newSource();
        const record = { body: body.json, attributes: [{ key: "k", value: attribute.json }] };
        const wire = writeFields([
          [5, body.wire],
          [
            6,
            writeFields([
              [1, "k"],
              [2, attribute.wire],
            ]),
          ],
        ]);
        expect((await source.post(request(record), json)).status).toBe(200);
        expect((await source.post(new Uint8Array(wrap(wire)), protobuf)).status).toBe(200);
        const message = typeof body.plain === "string" ? body.plain : JSON.stringify(body.plain);
        const entry = { at: now, level: "info" as const, message, fields: { attributes: { k: attribute.plain } } };
        expect(source.stored()).toEqual([entry, entry]);
      }),
      { numRuns: 150 },
    );
  });
});

describe("no body makes it fail", () => {
  const good = readFileSync(join(import.meta.dir, "../../../fixtures/otlp/javascript.pb"));
  const goodJson = readFileSync(join(import.meta.dir, "../../../fixtures/otlp/javascript.json"), "utf8");
  const edits = (length: number) =>
    fc.array(fc.tuple(fc.nat(length), fc.nat(8), fc.uint8Array({ maxLength: 6 })), { minLength: 1, maxLength: 6 });

  for (const [name, type, body] of [
    ["protobuf", protobuf, edits(good.length).map((all) => edited(good, all))],
    ["JSON", json, edits(goodJson.length).map((all) => edited(Buffer.from(goodJson), all))],
    ["anything", protobuf, fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))],
  ] as const) {
    test(name, async () => {
      const source = newSource();
      await fc.assert(
        fc.asyncProperty(body, async (bytes) => {
          const response = await source.post(new Uint8Array(bytes), type);
          await response.arrayBuffer();
          expect([200, 400, 413]).toContain(response.status);
        }),
        { numRuns: 500 },
      );
      expect(rig.said.filter((line) => line.startsWith("error"))).toEqual([]);
    });
  }

  function edited(bytes: Buffer, all: readonly (readonly [number, number, Uint8Array])[]): Buffer {
    return all.reduce(
      (now_, [at, cut, put]) => Buffer.concat([now_.subarray(0, at), put, now_.subarray(at + cut)]),
      bytes,
    );
  }
});

describe("through the hub", () => {
  test("a token that is not good is told so in the encoding of the request", async () => {
    await using hub = await startHub();
    const headers = { authorization: "Bearer ost_x", "content-type": protobuf };
    const response = await hub.nobody.fetch("/v1/logs", { method: "POST", body: "", headers });
    expect([response.status, response.headers.get("content-type")]).toEqual([401, protobuf]);
    expect(response.headers.get("www-authenticate")).toStartWith("Bearer");
    expect(readStatus(new Uint8Array(await response.arrayBuffer())).code).toBe(16);
  });

  test("what a source sends is found under its name by those who may see it", async () => {
    await using hub = await startHub();
    const shop = await hub.source("shop");
    expect((await shop.send("POST", "/v1/logs", JSON.parse(request({ body: { stringValue: "otlp" } })))).status).toBe(
      200,
    );
    expect((await shop.send("POST", "/api/logs", { msg: "plain", level: "error" })).status).toBe(202);
    const page = await hub.json<LogsPage>("/api/logs?source=shop");
    expect(page.entries.map((entry) => [entry.message, entry.level, entry.serverId, entry.stream])).toEqual([
      ["plain", "error", shop.id, "http"],
      ["otlp", "info", shop.id, "http"],
    ]);
  });
});
