/** Batches as they cross the wire: the body of a POST, or a frame of the stream. */
import { maxFrameBytes, maxFrameEntries, maxInflatedFrameBytes } from "#src/protocol/stream.ts";

import type { Batch } from "./batches.ts";
import type { Request } from "./client.ts";
import type { Connection } from "./door.ts";

/** Below this compression costs more than it saves. */
const compressFromBytes = 1024;

/** A batch as the body of a POST. */
export async function requestFor(batch: Batch, to: Connection): Promise<Request> {
  if (batch.kind === "event") return { path: "/api/v1/agent/events", body: eventBody(batch), headers: jsonHeaders };
  const path = "/api/v1/agent/logs";
  // the numbers name the batch: the same entries have the same name however often they are sent
  const headers = {
    "content-type": "application/x-ndjson",
    "x-batch-id": `${to.serverId}-${batch.first}-${batch.last}`,
  };
  if (batch.bytes.length < compressFromBytes) return { path, body: new Uint8Array(batch.bytes), headers };
  const body = new Uint8Array(await Bun.zstdCompress(batch.bytes, { level: 1 }));
  return { path, body, headers: { ...headers, "content-encoding": "zstd" } };
}

const jsonHeaders = { "content-type": "application/json" };

function eventBody(batch: Batch): string {
  const { seq, event } = JSON.parse(Buffer.from(batch.bytes).toString()) as { seq: number; event: object };
  return JSON.stringify({ ...event, seq });
}

const newline = 10;
const comma = 44;
const frameEnd = Buffer.from("]}");

/** Entries as a frame of the stream, named after the last of them; undefined when they are too many for one. */
export async function frameFor({ bytes, count, last }: Batch): Promise<string | Uint8Array<ArrayBuffer> | undefined> {
  if (count > maxFrameEntries) return undefined;
  const head = Buffer.from(`{"type":"logs","seq":${last},"entries":[`);
  // the last newline gives way to the end
  const json = Buffer.concat([head, bytes.subarray(0, -1), frameEnd]);
  if (json.length > maxInflatedFrameBytes) return undefined;
  // in JSON a newline is only ever between entries
  for (let at = json.indexOf(newline); at !== -1; at = json.indexOf(newline, at + 1)) json[at] = comma;
  if (json.length < compressFromBytes) return json.toString();
  const frame = new Uint8Array(await Bun.zstdCompress(json, { level: 1 }));
  return frame.length > maxFrameBytes ? undefined : frame;
}
