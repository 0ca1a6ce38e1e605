/** Frames of the agents' stream, from bytes to checked entries. */
import { parseInstant } from "#src/lib/instant.ts";
import { columnsOf } from "#src/protocol/columns/builder.ts";
import { areEntries } from "#src/protocol/columns/check.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { LogColumns } from "#src/protocol/log-columns.ts";
import { maxMessageLength } from "#src/protocol/log.ts";
import { firstIssue, z } from "#src/protocol/schema.ts";
import { maxFrameEntries, maxInflatedFrameBytes, streamCloses, streamFrame } from "#src/protocol/stream.ts";
import { inflate } from "../body.ts";
import { cutEntry } from "./ndjson.ts";
import { refuseManyValues } from "./weight.ts";
import { HttpFault } from "../problem.ts";

/** A frame as the store takes it; `bytes` is its size as JSON. */
export type Frame = {
  readonly seq: number;
  readonly columns: LogColumns;
  readonly bytes: number;
};

/** A message that is not a frame, with the code that the connection is closed with. */
export class FrameFault extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = "FrameFault";
    this.code = code;
  }
}

/** Reads one message: JSON, or the same in zstd. @throws {FrameFault} naming the entry that is wrong */
export function readFrame(message: string | Uint8Array): Frame {
  const json = typeof message === "string" ? message : inflateMessage(message);
  const bytes = json.length;
  const value = parse(json);
  if (isFrame(value)) {
    const times = new Float64Array(value.entries.length);
    if (areEntries(value.entries, times)) return { seq: value.seq, columns: columnsOf(value.entries, times), bytes };
  }
  return { ...readCarefully(value), bytes };
}

function inflateMessage(message: Uint8Array): string {
  try {
    const { plain } = inflate(message, "zstd", maxInflatedFrameBytes);
    refuseManyValues(plain);
    return new TextDecoder("utf-8", { fatal: true }).decode(plain);
  } catch (error) {
    const tooLarge = error instanceof HttpFault && error.status === 413;
    throw new FrameFault(tooLarge ? streamCloses.tooLarge : streamCloses.garbled, reasonOf(error));
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new FrameFault(streamCloses.invalid, `the message is not JSON: ${reasonOf(error).slice(0, 200)}`);
  }
}

function isFrame(value: unknown): value is { readonly seq: number; readonly entries: readonly unknown[] } {
  if (typeof value !== "object" || value === null) return false;
  const { type, seq, entries } = value as Readonly<Record<string, unknown>>;
  if (type !== "logs" || !Number.isSafeInteger(seq) || (seq as number) < 0 || !Array.isArray(entries)) return false;
  return entries.length > 0 && entries.length <= maxFrameEntries;
}

/** The schema has the last word; a message that is too long is cut and marked, as in a delivery by POST. */
function readCarefully(value: unknown): Omit<Frame, "bytes"> {
  const result = z.core.safeParse(streamFrame, value);
  if (!result.success) {
    throw new FrameFault(
      streamCloses.invalid,
      `the frame is not valid: ${firstIssue(result.error, value).slice(0, 300)}`,
    );
  }
  const { seq, entries } = result.data;
  if (![seq, ...entries.map((entry) => entry.seq)].every(Number.isSafeInteger)) {
    throw new FrameFault(streamCloses.invalid, "the frame is not valid: seq: too large");
  }
  const bound = entries.map((entry) => (entry.message.length > maxMessageLength ? cutEntry(entry) : entry));
  return {
    seq,
    columns: columnsOf(
      bound,
      bound.map(({ at }) => parseInstant(at)),
    ),
  };
}
