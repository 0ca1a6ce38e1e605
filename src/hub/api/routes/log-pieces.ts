/** The answer of a search as it goes on: hits at once, from time to time how far it is, and how it ended. */
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { LogMarks, SearchEnd, SearchLine, SearchProgress } from "#src/protocol/query-answers.ts";
import type { SearchPart } from "../search-ports.ts";
import { sseEvent } from "../sse.ts";

export type Form = "application/x-ndjson" | "text/event-stream";

/** Which of the forms a client asked for; undefined: one JSON document. */
export function formOf(request: Request): Form | undefined {
  const accept = request.headers.get("accept") ?? "";
  const forms: readonly Form[] = ["application/x-ndjson", "text/event-stream"];
  return forms.find((form) => accept.includes(form));
}

export type PiecesWorld = {
  /** ends the search; called when the reader hangs up */
  readonly stop: () => void;
  /** marks of what was searched, up to a cursor; undefined: none are wanted */
  readonly marksTo: (end: string | null) => Promise<LogMarks | undefined>;
};

export function answerInPieces(parts: AsyncIterable<SearchPart>, form: Form, { stop, marksTo }: PiecesWorld): Response {
  const encoder = new TextEncoder();
  const write = form === "text/event-stream" ? asEvent : asLine;
  const iterator = textOf(parts, write, marksTo);
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await iterator.next();
        if (done === true) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      async cancel() {
        stop();
        await iterator.return();
      },
    },
    { highWaterMark: 1 },
  );
  const headers = { "content-type": `${form}; charset=utf-8`, "cache-control": "no-store", "x-accel-buffering": "no" };
  return new Response(stream, { headers });
}

async function* textOf(
  parts: AsyncIterable<SearchPart>,
  write: (line: SearchLine) => string,
  marksTo: PiecesWorld["marksTo"],
): AsyncGenerator<string, void, void> {
  try {
    for await (const part of parts) {
      const marks = part.kind === "end" ? await marksTo(part.cursor) : undefined;
      if (marks !== undefined) yield write({ marks });
      yield linesOf(part).map(write).join("");
    }
  } catch (error) {
    // the status has been sent: what went wrong is told in the stream; a defect's text stays with us
    yield write({ problem: error instanceof Fault ? error.oneLine : "the search failed" });
    if (!(error instanceof Fault)) throw new Error(`a search failed: ${reasonOf(error)}`, { cause: error });
  }
}

function linesOf(part: SearchPart): SearchLine[] {
  if (part.kind === "hits") return part.entries.map((entry) => ({ entry }));
  if (part.kind === "progress") {
    const { lines, bytes, atMs } = part;
    const progress: SearchProgress = { lines, bytes, at: new Date(atMs).toISOString() };
    return [{ progress }];
  }
  const { cursor, stoppedEarly, lines, blocks, opened, damaged } = part;
  const end: SearchEnd = { cursor, stoppedEarly, lines, blocks, opened, damaged };
  return [{ end }];
}

const asLine = (line: SearchLine): string => `${JSON.stringify(line)}\n`;

function asEvent(line: SearchLine): string {
  const [[name, value] = ["", null]] = Object.entries(line);
  return sseEvent(name === "entry" ? "log" : name, JSON.stringify(value));
}
