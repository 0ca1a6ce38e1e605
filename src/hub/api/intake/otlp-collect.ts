/** Gathers the entries of a request; a record that can't be taken is counted, and the others are taken. */
import { maxLineBytes } from "#src/protocol/columns/scan.ts";
import { maxInflatedBytes } from "#src/protocol/log.ts";
import { type Attributes, type Origin, type PlainRecord, RecordFault, isEmpty, otlpEntry } from "./otlp-entry.ts";
import { HttpFault } from "../problem.ts";
import { boundEntry, refuseManyEntries } from "./source-log-body.ts";
import type { SourceEntry } from "./source-log-entry.ts";

/** JSON text of a resource or scope; every one of its records carries it. A larger one is left out, and that is marked. */
const maxOriginLength = 32 * 1024;

/** Takes one record. `read` may throw RecordFault. */
export type Collect = (origin: Origin, read: () => PlainRecord) => void;

export type Collected = {
  readonly entries: SourceEntry[];
  readonly rejected: number;
  /** of the first that was rejected */
  readonly reason: string;
  /** as JSON, what records share counted for each */
  readonly bytes: number;
};

/** What `read` gives to its collector. `size` is that of the body, `nowMs` the time of records without one. */
export function collectRecords(size: number, nowMs: number, read: (collect: Collect) => void): Collected {
  const entries: SourceEntry[] = [];
  const lengths = new Map<Origin, number>();
  let rejected = 0;
  let reason = "";
  let bytes = size;
  read((origin, readOne) => {
    refuseManyEntries(entries.length + 1);
    let length = lengths.get(origin);
    if (length === undefined) lengths.set(origin, (length = JSON.stringify(origin).length));
    bytes += length;
    if (bytes > maxInflatedBytes) {
      throw new HttpFault(413, `the records take more than ${maxInflatedBytes} bytes with their resource; send fewer`);
    }
    try {
      const entry = otlpEntry(readOne(), origin, nowMs);
      entries.push(size > maxLineBytes / 2 ? boundEntry(entry) : entry);
    } catch (error) {
      if (!(error instanceof RecordFault)) throw error;
      if (rejected === 0) reason = `record ${entries.length}: ${error.message}`;
      rejected++;
    }
  });
  return { entries, rejected, reason, bytes };
}

/** What the records of one scope share. */
export function originOf(
  resource: Attributes,
  scope: { readonly name: string; readonly version: string; readonly attributes: Attributes } | undefined,
): Origin {
  const named = Object.fromEntries(
    Object.entries(scope ?? {}).filter(([, value]) => value !== "" && !(typeof value === "object" && isEmpty(value))),
  );
  return { resource: boundOrigin(resource), scope: boundOrigin(named) };
}

function boundOrigin(attributes: Attributes): Attributes | undefined {
  if (isEmpty(attributes)) return undefined;
  return JSON.stringify(attributes).length > maxOriginLength ? { fieldsDropped: true } : attributes;
}
