/** Which events of a group are kept as samples, and what of each. */
import type { ErrorSample } from "#src/protocol/error-group.ts";
import type { SampleRow } from "#src/protocol/error-rows.ts";
import type { ErrorEvent } from "./event.ts";

/** Characters of an event's own lines, and of those before it, that a sample holds. */
const maxLinesLength = 64 * 1024;
const maxBeforeLength = 16 * 1024;
/** Frames of one error, its innermost ones, and errors of one event. */
const maxFrames = 100;
const maxParts = 20;
const maxText = 4096;

/** What of a sample lies in its body; the rest is in the row, or looked up. */
type Body = Omit<ErrorSample, "id" | "entry" | "at" | "server" | "variant"> & { readonly server: string };

/** The first, and then each whose number is a power of two: dense at the beginning, and never many. */
export function isKept(number: number): boolean {
  return Number.isInteger(Math.log2(number));
}

export function packSample(event: ErrorEvent): Uint8Array {
  const lines = takeWhile(event.lines, maxLinesLength);
  const body: Body = {
    server: event.serverId,
    source: event.source,
    stream: event.stream,
    level: event.level,
    format: event.format,
    parts: event.parts.slice(0, maxParts).map((part) => ({
      type: part.type,
      value: part.value.slice(0, maxText),
      relation: part.relation,
      frames: part.frames
        .slice(0, maxFrames)
        .map((frame) => ({ ...frame, code: frame.code?.slice(0, maxText) ?? null })),
    })),
    logger: event.logger,
    database: event.database,
    thread: event.thread,
    release: event.release,
    lines,
    // the nearest lines are worth most
    before: takeWhile(event.before.toReversed(), maxBeforeLength).toReversed(),
    cut: event.cut || lines.length < event.lines.length,
  };
  return Bun.zstdCompressSync(Buffer.from(JSON.stringify(body)), { level: 3 });
}

/** @param variant what the sample's variant is called */
export function unpackSample(row: SampleRow, variant: string, nameOf: (origin: string) => string): ErrorSample {
  const { server, ...body } = JSON.parse(Buffer.from(Bun.zstdDecompressSync(row.body)).toString()) as Body;
  return {
    id: String(row.id),
    entry: String(row.position),
    at: new Date(row.atMs).toISOString(),
    server: { id: server, name: nameOf(server) },
    ...body,
    variant,
  };
}

/** Texts from the first on, as many as have at most `length` characters together; one that is too long is cut. */
function takeWhile(texts: readonly string[], length: number): string[] {
  const taken: string[] = [];
  let left = length;
  for (const text of texts) {
    if (left <= 0) break;
    taken.push(text.slice(0, left));
    left -= text.length + 1;
  }
  return taken;
}
