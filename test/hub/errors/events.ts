/** Error events made by hand. */
import type { ErrorEvent, ErrorPart, Frame } from "#src/hub/errors/event.ts";

export function frame(name: string, rest: Partial<Frame> = {}): Frame {
  return {
    function: name,
    module: null,
    file: "/srv/app/shop/cart.py",
    line: 10,
    column: null,
    inApplication: true,
    code: null,
    ...rest,
  };
}

export function part(type: string | null, value: string, frames: readonly Frame[] = []): ErrorPart {
  return { type, value, frames, relation: null };
}

let positions = 0;

/** A traceback, a minute after midnight. */
export function traceback(rest: Partial<ErrorEvent> = {}): ErrorEvent {
  const firstPosition = rest.firstPosition ?? ++positions;
  return {
    serverId: "s1",
    source: "api",
    stream: "stderr",
    atMs: Date.parse("2026-01-01T00:01:00.000Z"),
    lastPosition: firstPosition,
    level: "error",
    kind: "traceback",
    format: "python",
    parts: [part("ValueError", "bad amount 12", [frame("total"), frame("checkout", { line: 40 })])],
    logger: null,
    database: null,
    thread: null,
    release: null,
    lines: ["Traceback (most recent call last):", "ValueError: bad amount 12"],
    before: ["GET /cart"],
    cut: false,
    ...rest,
    firstPosition,
  };
}

/** A bad line without a traceback. */
export function message(text: string, rest: Partial<ErrorEvent> = {}): ErrorEvent {
  return traceback({ kind: "message", format: "text", parts: [part(null, text)], lines: [text], before: [], ...rest });
}
