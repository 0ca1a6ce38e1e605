/**
 * ExportLogsServiceRequest in protobuf. Cases are tags: field number times 8 plus wire type (0 varint, 1 eight bytes, 2
 * length and bytes, 5 four bytes), by opentelemetry/proto/{collector/logs,logs,common,resource}/v1. A field of another
 * type than ours is left out like an unknown one, as protobuf has it.
 */
import { type Attributes, type PlainRecord, RecordFault, maxDepth, plainInteger, plainNumber } from "./otlp-entry.ts";
import { type Collect, originOf } from "./otlp-collect.ts";
import { WireReader } from "./otlp-wire.ts";

/** Gives every record of the request to `collect`. Throws WireFault when the bytes are not what they should be. */
export function readProtobuf(bytes: Uint8Array, collect: Collect): void {
  const request = new WireReader(bytes);
  for (let tag = request.tag(); tag !== 0; tag = request.tag()) {
    if (tag === field(1)) readResourceLogs(request.message(), collect);
    else request.skip(tag);
  }
}

/** The tag of a field with length and bytes. */
export function field(number: number): number {
  return number * 8 + 2;
}

function readResourceLogs(message: WireReader, collect: Collect): void {
  let resource: Attributes = {};
  const scopes: WireReader[] = [];
  for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
    if (tag === field(1)) resource = readAttributesOf(message.message(), field(1)).attributes;
    // the resource may stand behind them
    else if (tag === field(2)) scopes.push(message.message());
    else message.skip(tag);
  }
  for (const scope of scopes) readScopeLogs(scope, resource, collect);
}

function readScopeLogs(message: WireReader, resource: Attributes, collect: Collect): void {
  let scope: { readonly name: string; readonly version: string; readonly attributes: Attributes } | undefined;
  const records: WireReader[] = [];
  for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
    if (tag === field(1)) scope = readAttributesOf(message.message(), field(3));
    else if (tag === field(2)) records.push(message.message());
    else message.skip(tag);
  }
  const origin = originOf(resource, scope);
  for (const record of records) collect(origin, () => readRecord(record));
}

/** A Resource, whose attributes are field 1, or a scope, whose attributes are field 3 behind name and version. */
export function readAttributesOf(
  message: WireReader,
  attributesTag: number,
): { readonly name: string; readonly version: string; readonly attributes: Attributes } {
  const pairs: Pair[] = [];
  let name = "";
  let version = "";
  for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
    if (tag === attributesTag) pairs.push(readPair(message.message(), 0));
    else if (tag === field(1)) name = message.text();
    else if (tag === field(2)) version = message.text();
    else message.skip(tag);
  }
  return { name, version, attributes: Object.fromEntries(pairs) };
}

function readRecord(message: WireReader): PlainRecord {
  const pairs: Pair[] = [];
  let [timeUnixNano, observedTimeUnixNano] = [0n, 0n];
  let [severityNumber, flags] = [0, 0];
  let [severityText, traceId, spanId, eventName] = ["", "", "", ""];
  let body: unknown;
  for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
    switch (tag) {
      case 1 * 8 + 1:
        timeUnixNano = message.fixed64();
        break;
      case 2 * 8:
        severityNumber = message.varint();
        break;
      case 3 * 8 + 2:
        severityText = message.text();
        break;
      case 5 * 8 + 2:
        body = readValue(message.message(), 0);
        break;
      case 6 * 8 + 2:
        pairs.push(readPair(message.message(), 0));
        break;
      case 8 * 8 + 5:
        flags = message.fixed32();
        break;
      case 9 * 8 + 2:
        traceId = message.bytes("hex");
        break;
      case 10 * 8 + 2:
        spanId = message.bytes("hex");
        break;
      case 11 * 8 + 1:
        observedTimeUnixNano = message.fixed64();
        break;
      case 12 * 8 + 2:
        eventName = message.text();
        break;
      default:
        message.skip(tag);
    }
  }
  const attributes = Object.fromEntries(pairs);
  return {
    timeUnixNano,
    observedTimeUnixNano,
    severityNumber,
    severityText,
    body,
    attributes,
    flags,
    traceId,
    spanId,
    eventName,
  };
}

type Pair = readonly [name: string, value: unknown];

export function readPair(message: WireReader, depth: number): Pair {
  let key = "";
  let value: unknown = null;
  for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
    if (tag === field(1)) key = message.text();
    else if (tag === field(2)) value = readValue(message.message(), depth);
    else message.skip(tag);
  }
  return [key, value];
}

/** An AnyValue: of several kinds in one the last counts; none is null. */
function readValue(message: WireReader, depth: number): unknown {
  if (depth >= maxDepth) throw new RecordFault(`its values are nested deeper than ${maxDepth}`);
  let value: unknown = null;
  for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
    switch (tag) {
      case 1 * 8 + 2:
        value = message.text();
        break;
      case 2 * 8:
        value = message.varint() !== 0;
        break;
      case 3 * 8:
        value = plainInteger(message.int64());
        break;
      case 4 * 8 + 1:
        value = plainNumber(message.double());
        break;
      case 5 * 8 + 2:
        value = readList(message.message(), (item) => readValue(item, depth + 1));
        break;
      case 6 * 8 + 2:
        value = Object.fromEntries(readList(message.message(), (item) => readPair(item, depth + 1)));
        break;
      case 7 * 8 + 2:
        value = message.bytes("base64");
        break;
      default:
        message.skip(tag);
    }
  }
  return value;
}

/** ArrayValue and KeyValueList both have their items as field 1. */
function readList<T>(message: WireReader, read: (item: WireReader) => T): T[] {
  const items: T[] = [];
  for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
    if (tag === field(1)) items.push(read(message.message()));
    else message.skip(tag);
  }
  return items;
}
