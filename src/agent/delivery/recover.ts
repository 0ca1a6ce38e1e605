/** Reading back what an earlier process wrote into a segment. */
import { z } from "#src/protocol/schema.ts";

import { type Segment, readSegment, truncateSegment } from "./segment.ts";

/** The parts of an entry that the buffer goes by; events have no source, stream or position. */
const kept = z.object({
  seq: z.number(),
  at: z.string(),
  source: z.optional(z.string()),
  stream: z.optional(z.string()),
  /** see encode.ts: on the last entry of a chunk, which it commits */
  pos: z.optional(z.union([z.number(), z.string()])),
  fields: z.optional(z.object({ containerId: z.optional(z.unknown()) })),
  event: z.optional(z.unknown()),
});
export type KeptEntry = z.infer<typeof kept> & { readonly offset: number; readonly bytes: number };

/** What was found; `torn` counts bytes that were cut off the end, `damaged` lines inside that can't be read. */
export type Recovered = { readonly entries: readonly KeptEntry[]; readonly torn: number; readonly damaged: number };

/**
 * Reads all entries of a segment. A last line without its end is cut off, and so is a chunk whose last entry is
 * missing: its lines are still in the pipe's journal and come again.
 */
export function recoverSegment(segment: Segment): Recovered {
  const whole = Buffer.allocUnsafe(segment.size);
  const size = readSegment(segment, whole, 0);
  const entries: KeptEntry[] = [];
  let damaged = 0;
  let end = 0;
  for (let start = 0; start < size; start = end) {
    const newline = whole.indexOf(10, start);
    if (newline === -1 || newline >= size) break;
    end = newline + 1;
    const entry = parse(whole.toString("utf8", start, newline));
    if (entry === undefined) damaged++;
    else entries.push({ ...entry, offset: start, bytes: end - start });
  }
  for (let last = entries.at(-1); last !== undefined && !commits(last); last = entries.at(-1)) {
    entries.pop();
    end = last.offset;
  }
  const torn = segment.size - end;
  if (torn > 0) truncateSegment(segment, end);
  return { entries, torn, damaged };
}

/** Streams whose entries come many at a time, with a position on the last one. */
const chunked: ReadonlySet<string> = new Set(["stdout", "stderr", "container"]);

function commits(entry: KeptEntry): boolean {
  return entry.pos !== undefined || !chunked.has(entry.stream ?? "");
}

function parse(line: string): z.infer<typeof kept> | undefined {
  try {
    const result = z.safeParse(kept, JSON.parse(line));
    return result.success ? result.data : undefined;
  } catch {
    // counted by the caller as damaged
    return undefined;
  }
}
