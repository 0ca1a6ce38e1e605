/** Where a value ends that stands in running text: after `password=`, in a query, a header, JSON, or JSON in JSON. */

/** What is between a name and its value, quotes of the name included: `=`, `": "`, `\": [`, `=> `, `]=`. */
export const separator = /(?<name>\\*["'`])?\]?\s{0,4}(?::=|=>|[:=])\s{0,4}\[?/;

export type Value = {
  /** of the value itself, without quotes */
  readonly from: number;
  readonly to: number;
  readonly quoted: boolean;
};

const opening = /\\*["'`]/y;
/** Up to a blank, `&`, a closing quote, or a comma or semicolon that more names or a blank follow. */
const bare = /(?:[^\s"'`&,;<]|["'](?=\w)|<(?![/!])|[,;](?!\s|$|\\*["']?[\w.-]{1,64}\\*["']?\s?[=:]))+/y;
/** A list or an object, not a value. */
const structure = /[{[](?=["'\s\]}{[]|$)/y;
const closing = /[)\]}>.,;\\]+$/;

/** Whether a quote opens at `at`. */
export function isQuoted(text: string, at: number): boolean {
  opening.lastIndex = at;
  return opening.test(text);
}

/** The value that begins at `at`; undefined: none does. */
export function findValue(text: string, at: number): Value | undefined {
  opening.lastIndex = at;
  const quote = opening.exec(text)?.[0];
  if (quote !== undefined) {
    const from = at + quote.length;
    return from < text.length ? { from, to: endOfQuoted(text, from, quote), quoted: true } : undefined;
  }
  structure.lastIndex = at;
  if (structure.test(text)) return undefined;
  bare.lastIndex = at;
  const found = bare.exec(text)?.[0];
  const value = found?.replace(closing, "") ?? "";
  return value === "" ? undefined : { from: at, to: at + value.length, quoted: false };
}

/**
 * Where the value ends that `quote` has opened; with no quote behind it, at the end of the line. In JSON that lies in a
 * JSON text a quote has a backslash before it, and one that belongs to the value has three.
 */
function endOfQuoted(text: string, from: number, quote: string): number {
  const depth = quote.length - 1;
  const sign = quote.slice(-1);
  for (let at = text.indexOf(sign, from); at !== -1; at = text.indexOf(sign, at + 1)) {
    let slashes = 0;
    while (at - slashes > from && text[at - slashes - 1] === "\\") slashes++;
    if (slashes % (2 * (depth + 1)) === depth) return at - depth;
  }
  const line = text.indexOf("\n", from);
  return line === -1 ? text.length : line;
}

/** What says nothing: a value that is left out, or has been taken out before it came here. */
const nothing =
  /^(?:null|nil|none|undefined|true|false|\*+|x{3,}|\.{3,}|\[?(?:redacted|filtered|hidden|masked|secure|protected)(?::[\w-]{0,40})?\]?|<[\w -]{0,40}>?|\$\{[\w.]*\}?|%[sdvq]|\{\}|\[\])$/i;

/** Whether it is no secret, whatever its name. */
export const saysNothing = (value: string): boolean => value === "" || nothing.test(value);
