/**
 * ExportMetricsServiceRequest in protobuf, by opentelemetry/proto/{collector/metrics,metrics,common,resource}/v1. Cases
 * are tags: field number times 8 plus wire type, as in otlp-protobuf.ts.
 */
import type { Attributes } from "./otlp-entry.ts";
import { type PlainMetric, type PlainPoint, type Temporality, pointsOf, resourceLabels } from "./otlp-metrics.ts";
import type { CollectPoint } from "./otlp-metrics-collect.ts";
import { field, readAttributesOf, readPair } from "./otlp-protobuf.ts";
import { WireReader } from "./otlp-wire.ts";

type Labels = Readonly<Record<string, string>>;

/** Gives every data point of the request to `collect`. Throws WireFault when the bytes are not what they should be. */
export function readProtobufMetrics(bytes: Uint8Array, collect: CollectPoint, nowMs: number): void {
  const request = new WireReader(bytes);
  for (let tag = request.tag(); tag !== 0; tag = request.tag()) {
    if (tag === field(1)) readResource(request.message(), collect, nowMs);
    else request.skip(tag);
  }
}

function readResource(message: WireReader, collect: CollectPoint, nowMs: number): void {
  let attributes: Attributes = {};
  const scopes: WireReader[] = [];
  for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
    if (tag === field(1)) ({ attributes } = readAttributesOf(message.message(), field(1)));
    // the resource may stand behind them
    else if (tag === field(2)) scopes.push(message.message());
    else message.skip(tag);
  }
  const shared = resourceLabels(attributes);
  for (const scope of scopes) {
    for (let tag = scope.tag(); tag !== 0; tag = scope.tag()) {
      if (tag === field(2)) readMetric(scope.message(), shared, collect, nowMs);
      else scope.skip(tag);
    }
  }
}

const kinds: Readonly<Record<number, PlainMetric["kind"]>> = {
  [field(5)]: "gauge",
  [field(7)]: "sum",
  [field(9)]: "histogram",
  [field(10)]: "exponential histogram",
  [field(11)]: "summary",
};

const temporalities: readonly Temporality[] = ["unspecified", "delta", "cumulative"];

function readMetric(message: WireReader, shared: Labels, collect: CollectPoint, nowMs: number): void {
  let [name, unit] = ["", ""];
  let data: { readonly kind: PlainMetric["kind"]; readonly body: WireReader } | undefined;
  for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
    const kind = kinds[tag];
    if (tag === field(1)) name = message.text();
    else if (tag === field(3)) unit = message.text();
    else if (kind !== undefined) data = { kind, body: message.message() };
    else message.skip(tag);
  }
  if (data === undefined) return;
  const points: WireReader[] = [];
  let temporality: Temporality = "unspecified";
  let monotonic = false;
  const { kind, body } = data;
  for (let tag = body.tag(); tag !== 0; tag = body.tag()) {
    if (tag === field(1)) points.push(body.message());
    else if (tag === 2 * 8) temporality = temporalities[body.varint()] ?? "unspecified";
    else if (tag === 3 * 8) monotonic = body.varint() !== 0;
    else body.skip(tag);
  }
  const metric = { name, unit, kind, temporality, monotonic };
  for (const point of points) collect(name, () => pointsOf(metric, readers[kind](point), shared, nowMs));
}

type Mutable = { -readonly [Key in keyof PlainPoint]: PlainPoint[Key] };

function emptyPoint(): Mutable {
  return {
    attributes: {},
    startUnixNano: 0n,
    timeUnixNano: 0n,
    none: false,
    value: undefined,
    count: undefined,
    sum: undefined,
    min: undefined,
    max: undefined,
    buckets: [],
    bounds: [],
    quantiles: [],
  };
}

/** Tags of what all kinds of points have, at places of their own. */
type Places = { readonly attributes: number; readonly flags: number; readonly min?: number; readonly max?: number };

/** Reads a point; `own` takes what only its kind has and says whether it did. */
function readPoint(
  message: WireReader,
  { attributes, flags, min, max }: Places,
  own: (tag: number, point: Mutable) => boolean,
): PlainPoint {
  const point = emptyPoint();
  const pairs: (readonly [string, unknown])[] = [];
  for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
    if (tag === field(attributes)) pairs.push(readPair(message.message(), 0));
    else if (tag === flags * 8) point.none = (message.varint() & 1) === 1;
    else if (tag === 2 * 8 + 1) point.startUnixNano = message.fixed64();
    else if (tag === 3 * 8 + 1) point.timeUnixNano = message.fixed64();
    else if (min !== undefined && tag === min * 8 + 1) point.min = message.double();
    else if (max !== undefined && tag === max * 8 + 1) point.max = message.double();
    else if (!own(tag, point)) message.skip(tag);
  }
  point.attributes = Object.fromEntries(pairs);
  return point;
}

function readNumber(message: WireReader): PlainPoint {
  return readPoint(message, { attributes: 7, flags: 8 }, (tag, point) => {
    if (tag === 4 * 8 + 1) point.value = message.double();
    else if (tag === 6 * 8 + 1) point.value = Number(BigInt.asIntN(64, message.fixed64()));
    else return false;
    return true;
  });
}

/** Counts and sums stand at the same place in histograms of both kinds and in summaries. */
function readTotals(message: WireReader, tag: number, point: Mutable): boolean {
  if (tag === 4 * 8 + 1) point.count = Number(message.fixed64());
  else if (tag === 5 * 8 + 1) point.sum = message.double();
  else return false;
  return true;
}

function readHistogram(message: WireReader): PlainPoint {
  const [buckets, bounds]: [number[], number[]] = [[], []];
  const point = readPoint(message, { attributes: 9, flags: 10, min: 11, max: 12 }, (tag, into) => {
    if (tag === field(6)) readPacked(message.message(), (from) => buckets.push(Number(from.fixed64())));
    else if (tag === 6 * 8 + 1) buckets.push(Number(message.fixed64()));
    else if (tag === field(7)) readPacked(message.message(), (from) => bounds.push(from.double()));
    else if (tag === 7 * 8 + 1) bounds.push(message.double());
    else return readTotals(message, tag, into);
    return true;
  });
  return { ...point, buckets, bounds };
}

function readExponential(message: WireReader): PlainPoint {
  const places = { attributes: 1, flags: 10, min: 12, max: 13 };
  return readPoint(message, places, (tag, point) => readTotals(message, tag, point));
}

function readSummary(message: WireReader): PlainPoint {
  const quantiles: (readonly [number, number])[] = [];
  const point = readPoint(message, { attributes: 7, flags: 8 }, (tag, into) => {
    if (tag !== field(6)) return readTotals(message, tag, into);
    const quantile = message.message();
    let [at, value] = [0, 0];
    for (let inner = quantile.tag(); inner !== 0; inner = quantile.tag()) {
      if (inner === 1 * 8 + 1) at = quantile.double();
      else if (inner === 2 * 8 + 1) value = quantile.double();
      else quantile.skip(inner);
    }
    quantiles.push([at, value]);
    return true;
  });
  return { ...point, quantiles };
}

/** Numbers one after the other without tags. */
function readPacked(list: WireReader, read: (from: WireReader) => void): void {
  while (!list.done) read(list);
}

const readers: Readonly<Record<PlainMetric["kind"], (message: WireReader) => PlainPoint>> = {
  gauge: readNumber,
  sum: readNumber,
  histogram: readHistogram,
  "exponential histogram": readExponential,
  summary: readSummary,
};
