import { readFileSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { MetricPoint } from "#src/hub/api/intake/otlp-metrics.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { type IngestRig, startIngest } from "./ingest-rig.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const now = "2026-01-01T00:00:00.000Z";
const taken: MetricPoint[] = [];
let rig: IngestRig;
beforeAll(async () => {
  rig = await startIngest({
    clock: createTestClock(Date.parse(now)),
    metrics: {
      record: () => undefined,
      take(_source, points) {
        taken.push(...points);
        return { refused: 0, reason: "" };
      },
    },
  });
});
afterAll(async () => await rig[Symbol.asyncDispose]());

const json = "application/json";
const protobuf = "application/x-protobuf";

/** Posts a body and gives what came of it, each number as `name{labels} value`. */
async function post(body: BodyInit, type = json) {
  taken.length = 0;
  const response = await rig.post("/v1/metrics", body, { authorization: "Bearer app", "content-type": type });
  return { response, points: taken.map((point) => shown(point)) };
}

function shown({ name, unit, labels, counter, value }: MetricPoint): string {
  const text = Object.entries(labels).map(([key, label]) => `${key}=${label}`);
  return `${counter ? "counter" : "gauge"} ${name}{${text.join()}} ${Number(value.toPrecision(6))} ${unit}`.trim();
}

/** A request with one metric of this data. */
const request = (metric: Record<string, unknown>) =>
  JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: "m", ...metric }] }] }] });

describe("what OpenTelemetry's own exporters send", () => {
  const shop = "service.name=shop,service.instance.id=i-1";
  const totals = [
    `counter request.size.count{${shop}} 2 1`,
    `counter request.size.sum{${shop}} 1100 By`,
    `gauge request.size.min{${shop}} 100 By`,
    `gauge request.size.max{${shop}} 1000 By`,
    `counter orders{${shop},kind=web} 5 {order}`,
    `counter orders{${shop},kind=app,vip=true} 0.5 {order}`,
    `gauge queue{${shop}} 3`,
    `counter duration.count{${shop}} 3 1`,
    `counter duration.sum{${shop}} 555 ms`,
    `gauge duration.min{${shop}} 5 ms`,
    `gauge duration.max{${shop}} 500 ms`,
    `counter duration.bucket{${shop},le=10} 1 1`,
    `counter duration.bucket{${shop},le=100} 2 1`,
    `counter duration.bucket{${shop},le=+Inf} 3 1`,
    `gauge temperature{${shop},room=a} 21.5 Cel`,
    `gauge temperature{${shop},room=b} -3 Cel`,
  ];
  for (const [file, type] of [
    ["metrics-javascript.json", json],
    ["metrics-javascript.pb", protobuf],
  ] as const) {
    test(file, async () => {
      const body = readFileSync(join(import.meta.dir, "../../../fixtures/otlp", file));
      const { response, points } = await post(body, type);
      expect([response.status, response.headers.get("content-type")?.split(";")[0]]).toEqual([200, type]);
      expect(await response.text()).toBe(type === json ? "{}" : "");
      expect(points).toEqual(totals);
    });
  }

  test("changes instead of totals become rates", async () => {
    const body = readFileSync(join(import.meta.dir, "../../../fixtures/otlp/metrics-delta.pb"));
    const { response, points } = await post(body, protobuf);
    expect(response.status).toBe(200);
    // the exporter ran for a few milliseconds, so that the rates themselves are large
    expect(points.map((point) => point.replace(/ \S+ (?=\S+\/s$)/, " … "))).toEqual(
      totals.map((line) =>
        line.startsWith("counter") ? line.replace("counter", "gauge").replace(/ \S+ (\S+)$/, " … $1/s") : line,
      ),
    );
  });
});

describe("data points", () => {
  const second = (n: number) => String(1_700_000_000_000_000_000n + BigInt(n) * 1_000_000_000n);
  const stretch = { startTimeUnixNano: second(0), timeUnixNano: second(10) };
  const rows: readonly (readonly [string, Record<string, unknown>, readonly string[], string?])[] = [
    ["a whole number as text", { gauge: { dataPoints: [{ asInt: "-7" }] } }, ["gauge m{} -7"]],
    [
      "a change over ten seconds",
      { sum: { isMonotonic: true, aggregationTemporality: 1, dataPoints: [{ asDouble: 5, ...stretch }] } },
      ["gauge m{} 0.5 1/s"],
    ],
    [
      "a temporality by its name",
      {
        sum: {
          isMonotonic: true,
          aggregationTemporality: "AGGREGATION_TEMPORALITY_CUMULATIVE",
          dataPoints: [{ asInt: 4 }],
        },
      },
      ["counter m{} 4"],
    ],
    [
      "a summary",
      { summary: { dataPoints: [{ count: "2", sum: 3, quantileValues: [{ quantile: 0.5, value: 1.5 }] }] } },
      ["gauge m{quantile=0.5} 1.5", "counter m.count{} 2 1", "counter m.sum{} 3"],
    ],
    ["a series that has ended", { gauge: { dataPoints: [{ flags: 1 }] } }, []],
    ["no value", { gauge: { dataPoints: [{}] } }, [], "m: it has no value"],
    ["no number", { gauge: { dataPoints: [{ asDouble: "NaN" }] } }, [], "m: its value is not a finite number"],
    [
      "a change since nobody knows when",
      { sum: { isMonotonic: true, aggregationTemporality: 1, dataPoints: [{ asInt: 1, timeUnixNano: second(1) }] } },
      [],
      "m: it does not say since when its change counts",
    ],
    [
      "changes that may fall",
      { sum: { aggregationTemporality: 1, dataPoints: [{ asInt: 1, ...stretch }] } },
      [],
      "m: a sum of changes that may fall says nothing by itself; export it as cumulative",
    ],
    [
      "a total of no temporality",
      { sum: { isMonotonic: true, dataPoints: [{ asInt: 1 }] } },
      [],
      "m: its aggregation temporality is not given",
    ],
    [
      "buckets that don't fit",
      { histogram: { aggregationTemporality: 2, dataPoints: [{ count: 1, bucketCounts: [1], explicitBounds: [1] }] } },
      [],
      "m: its buckets don't fit its bounds",
    ],
    ["no metric at all", { name: 5 }, [], "a metric: is not one"],
  ];
  for (const [name, metric, wanted, reason] of rows) {
    test(name, async () => {
      const { response, points } = await post(request(metric));
      expect([response.status, points]).toEqual([200, [...wanted]]);
      const answer: unknown = await response.json();
      expect(answer).toEqual(
        reason === undefined ? {} : { partialSuccess: { rejectedDataPoints: "1", errorMessage: reason } },
      );
    });
  }

  test("one that can't be taken leaves the others", async () => {
    const { response, points } = await post(request({ gauge: { dataPoints: [{ asInt: 1 }, {}, { asInt: 2 }] } }));
    expect(points).toEqual(["gauge m{} 1", "gauge m{} 2"]);
    expect(await response.json()).toMatchObject({ partialSuccess: { rejectedDataPoints: "1" } });
  });
});

describe("bodies that are none", () => {
  for (const [name, body, type, status] of [
    ["text", "hello", json, 400],
    ["another type", "{}", "text/plain", 415],
    ["cut protobuf", new Uint8Array([10, 200]), protobuf, 400],
    ["a wrong member", '{"resourceMetrics":5}', json, 400],
  ] as const) {
    test(name, async () => expect((await post(body, type)).response.status).toBe(status));
  }

  test("random bytes are refused or understood, never a failure of the hub", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const { response } = await post(new Uint8Array(bytes), protobuf);
        expect([200, 400]).toContain(response.status);
      }),
      { numRuns: 300 },
    );
  });
});
