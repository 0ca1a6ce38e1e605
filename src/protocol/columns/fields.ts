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

export function createFieldsColumn(bytes: Buffer): FieldsColumn {
  let texts: string[] | undefined;
  // a stretch that no other is like, not even an empty one
  let lastBegin = 0;
  let lastEnd = -1;
  let lastText = "";

  function set(count: number, text: string): void {
    if (texts === undefined) {
      if (text === "") return;
      texts = Array.from({ length: count }, () => "");
    }
    texts.push(text);
  }

  return {
    none: () => void texts?.push(""),
    put: (count, fields) => set(count, fields === undefined ? "" : JSON.stringify(fields)),
    read(count, begin, end) {
      if (end - begin !== lastEnd - lastBegin || bytes.compare(bytes, lastBegin, lastEnd, begin, end) !== 0) {
        const text = readFields(bytes.toString("utf8", begin, end));
        if (text === undefined) return false;
        [lastBegin, lastEnd, lastText] = [begin, end, text];
      }
      set(count, lastText);
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
