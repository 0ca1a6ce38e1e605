/** Columns of log entries, made by hand. */
import type { LogColumns, Odd } from "#src/protocol/log-columns.ts";

export type Line = {
  readonly message: string;
  readonly fields?: string;
  readonly source?: string;
  readonly atMs?: number;
  readonly odd?: Odd;
};

/** `shift`: how far the text lies from where its buffer begins. */
export function columnsOf(lines: readonly Line[], shift = 0): LogColumns {
  const messages = lines.map(({ message }) => Buffer.from(`${message}\n`));
  const text = Buffer.concat([Buffer.alloc(shift), ...messages]).subarray(shift);
  const offsets = new Uint32Array(lines.length + 1);
  messages.forEach(({ length }, i) => (offsets[i + 1] = (offsets[i] ?? 0) + length));
  const sources = [...new Set(lines.map(({ source }) => source ?? "api"))];
  const fields = lines.map((line) => line.fields ?? "");
  return {
    count: lines.length,
    times: Float64Array.from(lines, ({ atMs }) => atMs ?? 1_790_000_000_000),
    seqs: Float64Array.from(lines, (_, i) => i + 1),
    levels: new Uint8Array(lines.length).fill(1),
    streams: new Uint8Array(lines.length),
    text,
    offsets,
    fields: fields.some((one) => one !== "") ? fields : null,
    sources,
    sourceIndex:
      sources.length === 1 ? null : Uint16Array.from(lines, ({ source }) => sources.indexOf(source ?? "api")),
    odd: new Map(lines.flatMap(({ odd }, i): [number, Odd][] => (odd === undefined ? [] : [[i, odd]]))),
  };
}

/** The messages as they stand in the text. */
export function messagesOf({ count, text, offsets }: LogColumns): string[] {
  return Array.from({ length: count }, (_, i) => text.toString("utf8", offsets[i], (offsets[i + 1] ?? 1) - 1));
}
