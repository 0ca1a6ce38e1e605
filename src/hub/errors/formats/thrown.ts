/**
 * Errors whose calls are lines that begin with `at`: Java and its kin, JavaScript, .NET. The first line names the error in
 * nearly the same way in all of them, and the first call tells whose it is.
 */
import { type Before, type Begun, createDraft, type Format, type Reading, type Taken } from "./format.ts";
import { createDotnet, isDotnetFrame } from "./dotnet.ts";
import { createJava, isJavaFrame } from "./java.ts";
import { type Header, readHeader } from "./header.ts";
import { createNode, isNodeFrame } from "./node.ts";
import { createAnyhow, isAnyhow } from "./rust.ts";

/** A reading that was told its header, and the lines that the value had besides. */
export type Dialect = (header: Header, more: readonly string[]) => Reading;

const dialects: readonly { readonly is: (line: string) => boolean; readonly create: Dialect }[] = [
  { is: isJavaFrame, create: createJava },
  { is: isDotnetFrame, create: createDotnet },
  { is: isNodeFrame, create: createNode },
];

/** Lines besides calls that tell. */
const others: typeof dialects = [
  {
    is: (line) => /^(?:Caused by: |\t+Suppressed: |\t\.\.\. \d+ (?:more|common frames))/.test(line),
    create: createJava,
  },
  { is: (line) => / ---> [A-Z][\w.]+/.test(line), create: createDotnet },
  { is: isAnyhow, create: createAnyhow },
];

const frameLike = /^\s*at \S/;
/** Lines that a message may have beside its first, before the first call. */
const mostHeld = 60;
/** How far back a first line is looked for when a call comes out of the blue. */
const mostBack = 6;

export const thrown: Format = {
  name: "thrown",
  begin(body: string, before: Before): Begun | null {
    if (frameLike.test(body)) return beginAtFrame(body, before);
    const found = readHeader(body);
    return found?.sure === true ? { reading: createThrown(found, body), back: codeBefore(before) } : null;
  },
};

function beginAtFrame(body: string, before: Before): Begun | null {
  const dialect = dialects.find(({ is }) => is(body));
  if (dialect === undefined) return null;
  for (let back = 0; back < mostBack; back++) {
    const line = before(back);
    if (frameLike.test(line)) return null;
    const found = line === "" ? null : readHeader(line);
    if (found === null) continue;
    const more = Array.from({ length: back }, (_, i) => before(back - 1 - i));
    const reading = dialect.create(found, more);
    if (reading.take(body, true, false) !== "mine") return null;
    return { reading, back: back + 1 + codeBefore((n) => before(n + back + 1)) };
  }
  return null;
}

/**
 * Lines of code that Node.js and Bun show before an error: `file:3`, the code, carets and an empty line; `3 | code` and a
 * caret.
 */
function codeBefore(before: Before): number {
  let at = before(0) === "" ? 1 : 0;
  if (!/^\s*\^+$/.test(before(at))) return 0;
  at++;
  if (/^\s*\d+ \| /.test(before(at))) {
    while (/^\s*\d+ \| /.test(before(at)) && at < 9) at++;
    return at;
  }
  return /^(?:\/|file:|node:|\w:\\|evalmachine|\[).*:\d+$/.test(before(at + 1)) ? at + 2 : 0;
}

/** Before the first call it isn't known whose it is. */
function createThrown(found: Header, first: string): Reading {
  let reading: Reading | null = null;
  const more: string[] = [];
  return {
    get format() {
      return reading?.format ?? "text";
    },
    get thread() {
      return found.thread ?? null;
    },
    take(body, near, loose): Taken {
      if (reading !== null) return reading.take(body, near, loose);
      const dialect = dialects.find(({ is }) => is(body))?.create ?? others.find(({ is }) => is(body))?.create ?? null;
      if (dialect !== null) {
        reading = dialect(found, more);
        return reading.take(body, near, loose);
      }
      if (!loose || more.length >= mostHeld) return "no";
      more.push(body);
      return "held";
    },
    complete: () => reading?.complete() ?? true,
    parts() {
      if (reading !== null) return reading.parts();
      // without calls, words before the name are all that there may be to tell it by
      return found.embedded ? [createDraft(null, first)] : createNode(found, []).parts();
    },
  };
}
