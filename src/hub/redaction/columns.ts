/** Columns without their secrets: what has none stays as it is, byte for byte. */
import type { LogColumns, Odd } from "#src/protocol/log-columns.ts";
import type { KeyLines } from "./private-keys.ts";
import { joinLines } from "./joined.ts";
import type { Bits, Scan } from "./scan.ts";

/** What is to be done, and how to tell where. */
export type Work = {
  readonly scan: Scan;
  /** rules that every line must be tried on */
  readonly always: Bits;
  readonly privateKey: Bits;
  readonly apply: (text: string, bits: Bits) => string;
  readonly redactFields: (json: string) => string;
  readonly keyLines: KeyLines;
};

/** The same object when nothing in it is secret. */
export function redactColumns(columns: LogColumns, serverId: string, work: Work): LogColumns {
  const fields = redactFields(columns.fields, work);
  const messages = redactMessages(columns, serverId, work);
  if (messages.size === 0) return fields === columns.fields ? columns : { ...columns, fields };
  return { ...columns, fields, ...replaceMessages(columns, messages) };
}

/** What those messages become that change, by index. */
function redactMessages(columns: LogColumns, serverId: string, work: Work): ReadonlyMap<number, string> {
  const { count, text, offsets, times, odd } = columns;
  const { scan, always, privateKey, apply, keyLines } = work;
  const changed = new Map<number, string>();
  const found = scan.lines(text, offsets, count);
  let open = count > 0 && keyLines.isOpen(serverId, times[0] ?? 0);
  if (found === undefined && always === 0 && !open) return changed;
  for (let i = 0; i < count; i++) {
    const bits = (found?.[i] ?? 0) | always;
    if (bits === 0 && !open) continue;
    const message = odd.get(i)?.message ?? text.toString("utf8", offsets[i], (offsets[i + 1] ?? 1) - 1);
    const ofKey = (bits & privateKey) !== 0;
    let next = apply(message, bits);
    if (open || ofKey) {
      const [stream, atMs] = [streamOf(columns, i), times[i] ?? 0];
      if (open) next = keyLines.follow(serverId, stream, next, atMs);
      if (ofKey) keyLines.look(serverId, stream, message, atMs);
      open = keyLines.isOpen(serverId, atMs);
    }
    if (next !== message) changed.set(i, next);
  }
  return changed;
}

/** What lines have in common that follow one another. */
function streamOf({ sources, sourceIndex, streams }: LogColumns, i: number): string {
  return `${streams[i] ?? 0} ${sources[sourceIndex?.[i] ?? 0] ?? ""}`;
}

function replaceMessages(
  { count, text, offsets, odd }: LogColumns,
  changed: ReadonlyMap<number, string>,
): Pick<LogColumns, "text" | "offsets" | "odd"> {
  const parts: Uint8Array[] = [];
  const moved = new Uint32Array(count + 1);
  const otherwise = new Map<number, Odd>(odd);
  let kept = 0;
  let shift = 0;
  for (let i = 0; i < count; i++) {
    const start = offsets[i] ?? 0;
    const end = offsets[i + 1] ?? 0;
    moved[i] = start + shift;
    const message = changed.get(i);
    if (message === undefined) continue;
    const bytes = Buffer.from(`${message}\n`);
    parts.push(text.subarray(kept, start), bytes);
    kept = end;
    shift += bytes.length - (end - start);
    const old = odd.get(i);
    if (old?.message === undefined) continue;
    const { message: _, ...others } = old;
    otherwise.set(i, message.isWellFormed() ? others : { ...others, message });
  }
  const end = offsets[count] ?? text.length;
  moved[count] = end + shift;
  parts.push(text.subarray(kept, end));
  return { text: Buffer.concat(parts), offsets: moved, odd: odd.size === 0 ? odd : otherwise };
}

function redactFields(fields: readonly string[] | null, { scan, always, redactFields: redact }: Work) {
  if (fields === null) return null;
  // containers' lines all carry the same ones
  const distinct = new Set(fields);
  distinct.delete("");
  if (distinct.size === 0) return fields;
  const texts = [...distinct];
  const { text, offsets } = joinLines(texts);
  const found = scan.lines(text, offsets, texts.length);
  const changed = new Map<string, string>();
  texts.forEach((json, i) => {
    if (((found?.[i] ?? 0) | always) === 0 && !mayHide(json)) return;
    const next = redact(json);
    if (next !== json) changed.set(json, next);
  });
  return changed.size === 0 ? fields : fields.map((json) => changed.get(json) ?? json);
}

/** JSON may write any character as its number, and a slash with a backslash. */
const mayHide = (json: string): boolean => json.includes("\\u") || json.includes("\\/");
