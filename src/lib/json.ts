/** JSON text to a value; when it is not JSON, where exactly and why, so that a person can mend the file. */

/** Where a text stops being JSON. `line` and `column` count from 1, columns in UTF-16 units as editors do. */
export type JsonFailure = { readonly line: number; readonly column: number; readonly reason: string };

export type JsonResult =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly failure: JsonFailure };

/** Parses a whole JSON text (RFC 8259); a leading byte order mark is left out of account. Never throws. */
export function parseJson(text: string): JsonResult {
  const body = text.startsWith("\uFEFF") ? text.slice(1) : text;
  try {
    return { ok: true, value: JSON.parse(body) };
  } catch {
    // the engine's message has no position, so the place is looked for here
    return { ok: false, failure: findFailure(body) };
  }
}

const blank = /[ \t\n\r]*/y;
const scalar =
  /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const key = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;

const brokenString = "this string does not end, or holds an invalid character";
const missingName = 'expected a name in double quotes (a "," too many?)';

type Open = "{" | "[";
type Expected = "value" | "value or ]" | "name" | "name or }" | "colon" | "next";

function findFailure(text: string): JsonFailure {
  let offset = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = offset;
    if (!pattern.test(text)) return false;
    offset = pattern.lastIndex;
    return true;
  };
  const takeText = (part: string): boolean => {
    if (!text.startsWith(part, offset)) return false;
    offset += part.length;
    return true;
  };
  // an explicit stack: a hostile depth must not end this search
  const open: Open[] = [];
  let expected: Expected = "value";
  for (;;) {
    take(blank);
    const inside = open.at(-1);
    if (expected === "next") {
      if (inside === undefined) {
        if (offset === text.length) return fail(text, offset, "nested too deeply");
        return fail(text, offset, "nothing may follow the value");
      }
      if (takeText(",")) expected = inside === "{" ? "name" : "value";
      else if (takeText(inside === "{" ? "}" : "]")) open.pop();
      else return fail(text, offset, `expected "," or "${inside === "{" ? "}" : "]"}"`);
    } else if (expected === "colon") {
      if (!takeText(":")) return fail(text, offset, 'expected ":" after the name');
      expected = "value";
    } else if (expected === "name" || expected === "name or }") {
      if (expected === "name or }" && takeText("}")) {
        open.pop();
        expected = "next";
      } else if (take(key)) expected = "colon";
      else
        return fail(
          text,
          offset,
          text[offset] === '"'
            ? brokenString
            : expected === "name"
              ? missingName
              : 'expected a name in double quotes or "}"',
        );
    } else if (expected === "value or ]" && takeText("]")) {
      open.pop();
      expected = "next";
    } else if (takeText("{")) {
      open.push("{");
      expected = "name or }";
    } else if (takeText("[")) {
      open.push("[");
      expected = "value or ]";
    } else if (take(scalar)) expected = "next";
    else return fail(text, offset, text[offset] === '"' ? brokenString : "expected a value");
  }
}

function fail(text: string, offset: number, reason: string): JsonFailure {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  const column = offset - before.lastIndexOf("\n");
  return { line, column, reason: offset >= text.length ? `the text ends too early: ${reason}` : reason };
}
