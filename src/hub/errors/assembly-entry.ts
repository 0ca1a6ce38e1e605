/** Entries that hold a whole event: a line of JSON, and an application's own entry with its error in the fields. */
import type { Level } from "#src/protocol/log.ts";
import { levels } from "#src/protocol/log.ts";
import { plainText } from "./assembly-lane.ts";
import { mostBytes } from "./assembly-open.ts";
import { warnRank } from "./cheap.ts";
import type { ErrorEvent } from "./event.ts";
import { parsePrefix } from "./formats/prefix.ts";
import { readStack, readStructured, type Structured } from "./formats/structured.ts";

export type Entry = {
  readonly raw: string;
  readonly atMs: number;
  readonly position: number;
  readonly level: Level;
  /** JSON text, "" is none */
  readonly fields: string;
};

type Origin = Pick<ErrorEvent, "serverId" | "source" | "stream">;

/** The event that an entry holds by itself, or null: then it is a line like any other. */
export function readEntry(entry: Entry, origin: Origin, before: () => readonly string[]): ErrorEvent | null {
  const found = readLine(entry.raw) ?? readFields(entry, origin.stream);
  if (found === null) return null;
  const framed = found.parts.some(({ frames }) => frames.length > 0);
  const level = found.level ?? entry.level;
  const bad = levels.indexOf(level) >= warnRank;
  if (!framed && !bad) return null;
  const { serverId, source, stream } = origin;
  const cut = entry.raw.length > mostBytes;
  return {
    serverId,
    source,
    stream,
    atMs: entry.atMs,
    firstPosition: entry.position,
    lastPosition: entry.position,
    level: bad ? level : "error",
    kind: framed ? "traceback" : "message",
    format: found.format,
    parts: found.parts,
    logger: found.logger,
    database: null,
    thread: found.thread,
    release: found.release,
    lines: (cut ? entry.raw.slice(0, mostBytes) : entry.raw).split("\n"),
    before: before(),
    cut,
  };
}

/** `{"level":50,"msg":…}`, perhaps behind what a carrier puts before it. */
function readLine(raw: string): Structured | null {
  const brace = raw.indexOf("{");
  if (brace === -1 || brace > 200) return null;
  // the prefix of a carrier has no brace: what begins with one is the whole of the rest
  if (brace > 0 && !parsePrefix(plainText(raw)).body.startsWith("{")) return null;
  return readObject(raw.slice(brace), null);
}

/** An entry that came with fields of its own; those of captured lines are the agent's. */
function readFields({ raw, fields }: Entry, stream: string): Structured | null {
  if (fields === "" || (stream !== "http" && stream !== "cli")) return null;
  const found = readObject(fields, raw);
  if (found === null) return null;
  if (found.parts.some(({ frames }) => frames.length > 0) || !raw.includes("\n")) return found;
  const read = readStack(raw);
  return read === null ? found : { ...found, ...read };
}

function readObject(text: string, message: string | null): Structured | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // a line that only looks like JSON is read as the line that it is
    return null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  return readStructured(value as Readonly<Record<string, unknown>>, message);
}
