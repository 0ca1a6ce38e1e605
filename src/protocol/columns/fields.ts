/** The JSON texts of fields, out of what follows the messages; neighbours mostly share them, and then one text. */
import type { LogEntry } from "../log.ts";

export type FieldsColumn = {
  /** An entry without fields. */
  readonly none: () => void;
  /** The fields of entry `count`. */
  readonly put: (count: number, fields: LogEntry["fields"]) => void;
  /** The rest of a line, from the comma behind its message on. False: it is not what may follow. */
  readonly read: (count: number, begin: number, end: number) => boolean;
  /** null: no entry has any */
  readonly all: () => readonly string[] | null;
};

/** Rests of lines that are known by their bytes: one for each container of a server, say. */
const knownBits = 6;

export function createFieldsColumn(bytes: Buffer): FieldsColumn {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let texts: string[] | undefined;
  // of each hash the rest of a line that had it last, and the fields in it; made when the first one comes
  let known: { begins: Int32Array; ends: Int32Array; texts: string[] } | undefined;

  function set(count: number, text: string): void {
    if (texts === undefined) {
      if (text === "") return;
      texts = Array.from({ length: count }, () => "");
    }
    texts.push(text);
  }

  function slotOf(begin: number, end: number): number {
    let hash = end - begin;
    // the last ones, up to three bytes, are brackets as a rule
    for (let at = begin; at + 4 <= end; at += 4) hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1);
    return hash >>> (32 - knownBits);
  }

  return {
    none: () => void texts?.push(""),
    put: (count, fields) => set(count, fields === undefined ? "" : JSON.stringify(fields)),
    read(count, begin, end) {
      // an empty place is like no rest of a line, not even an empty one
      known ??= { begins: new Int32Array(2 ** knownBits), ends: new Int32Array(2 ** knownBits).fill(-1), texts: [] };
      const slot = slotOf(begin, end);
      const from = known.begins[slot] as number;
      const to = known.ends[slot] as number;
      if (to - from !== end - begin || bytes.compare(bytes, from, to, begin, end) !== 0) {
        const text = readFields(bytes.toString("utf8", begin, end));
        if (text === undefined) return false;
        known.begins[slot] = begin;
        known.ends[slot] = end;
        known.texts[slot] = text;
      }
      set(count, known.texts[slot] ?? "");
      return true;
    },
    all: () => texts ?? null,
  };
}

/** JSON text of the fields in the rest of a line, "" for none; undefined: it is not what agents write behind a message. */
function readFields(rest: string): string | undefined {
  if (!rest.startsWith(",")) return undefined;
  let members: Readonly<Record<string, unknown>>;
  try {
    members = JSON.parse(`{${rest.slice(1)}`) as Readonly<Record<string, unknown>>;
  } catch {
    // then the line is parsed as a whole, and refused if it is none
    return undefined;
  }
  // any other could be a second one of what was read before it
  for (const name in members) if (name !== "fields" && name !== "pos") return undefined;
  const { fields } = members;
  if (fields === undefined) return "";
  return typeof fields === "object" && fields !== null && !Array.isArray(fields) ? JSON.stringify(fields) : undefined;
}
