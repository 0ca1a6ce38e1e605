/** Lines as columns, as they come to the assembly, and the events that it makes of them. */
import { levelOf } from "#src/agent/delivery/level.ts";
import { createAssembly } from "#src/hub/errors/assembly.ts";
import type { ErrorEvent } from "#src/hub/errors/event.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import { type Level, levels, type Stream, streams } from "#src/protocol/log.ts";

export type TestLine = {
  readonly text: string;
  readonly atMs?: number;
  readonly source?: string;
  readonly stream?: Stream;
  /** as the agent sees it when it isn't given */
  readonly level?: Level;
  readonly fields?: Readonly<Record<string, unknown>>;
};

export const serverId = "11111111-1111-4111-8111-111111111111";
/** When all lines come that name no time. */
export const beginMs = Date.UTC(2026, 4, 1, 10);

/** One batch. */
export function arrivedOf(lines: readonly TestLine[], firstPosition: number): Arrived {
  const sources = [...new Set(lines.map(({ source = "app" }) => source))];
  const offsets = new Uint32Array(lines.length + 1);
  const texts = lines.map(({ text }) => Buffer.from(`${text}\n`));
  for (const [i, text] of texts.entries()) offsets[i + 1] = (offsets[i] as number) + text.length;
  const fields = lines.map(({ fields: own }) => (own === undefined ? "" : JSON.stringify(own)));
  const levelNow = ({ text, level }: TestLine): Level =>
    level ?? levelOf(JSON.stringify(text).slice(1, -1), text.includes("\u001b"));
  return {
    serverId,
    firstPosition,
    columns: {
      count: lines.length,
      times: Float64Array.from(lines, ({ atMs = beginMs }) => atMs),
      seqs: Float64Array.from(lines, (_, i) => firstPosition + i),
      levels: Uint8Array.from(lines, (line) => levels.indexOf(levelNow(line))),
      streams: Uint8Array.from(lines, ({ stream = "stderr" }) => streams.indexOf(stream)),
      text: Buffer.concat(texts),
      offsets,
      fields: fields.some((own) => own !== "") ? fields : null,
      sources,
      sourceIndex:
        sources.length === 1 ? null : Uint16Array.from(lines, ({ source = "app" }) => sources.indexOf(source)),
      odd: new Map(),
    },
  };
}

/** The events of lines that arrive in batches of the given sizes; the last one goes on to the end. */
export function eventsOf(lines: readonly TestLine[], sizes: readonly number[] = []): ErrorEvent[] {
  const events: ErrorEvent[] = [];
  const assembly = createAssembly({ onEvent: (event) => void events.push(event) });
  let at = 0;
  for (const size of [...sizes, lines.length]) {
    assembly.add(arrivedOf(lines.slice(at, at + size), at + 1));
    at += size;
    if (at >= lines.length) break;
  }
  assembly.flush();
  // threads end their events in another order than they began them
  return events.sort((a, b) => a.firstPosition - b.firstPosition);
}

export function textLines(text: string): TestLine[] {
  return text
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => ({ text: line }));
}

/** What a reader looks at first: `TypeError: boom < cause ValueError: x`, and the application's frames. */
export function briefly(event: ErrorEvent) {
  return {
    level: event.level,
    kind: event.kind,
    format: event.format,
    parts: event.parts.map(({ type, value, relation, frames }) => ({
      error: `${relation === null ? "" : `${relation} `}${type ?? "-"}: ${value}`,
      frames: frames.map(
        (frame) =>
          `${frame.inApplication ? "" : "lib "}${frame.module ?? "-"} ${frame.function ?? "-"} ${frame.file ?? "-"}:${frame.line ?? "-"}${frame.column === null ? "" : `:${frame.column}`}`,
      ),
    })),
  };
}
