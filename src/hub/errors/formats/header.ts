/** The first line of an error in Java, JavaScript and .NET: its name, and what it says. */

/** What the first line said. */
export type Header = {
  readonly type: string | null;
  readonly value: string;
  readonly thread: string | null;
  /** nothing else looks like it: it begins an event whatever follows */
  readonly sure: boolean;
  /** words of the program stand before it: `request failed: TypeError: …` */
  readonly embedded: boolean;
};

const inThread = /^Exception in thread "(.*?)" /;
const announced =
  /^(?:Unhandled exception\. |Unhandled Exception: |error: Uncaught (?:\(in promise\) )?|Uncaught (?:\(in promise\) )?|Unhandled promise rejection: |Caused by: )/;
/** `java.io.IOException: …`, `System.InvalidOperationException: …`, `TypeError [ERR_X]: …`, a name alone */
const header =
  /^((?:[A-Za-z_$][\w$]*[.+])*[A-Za-z_$][\w$`]*)(?:\(0x[0-9A-F]+\))?(?: \[([\w.-]+)\]| \((0x[0-9A-Fa-f]+)\))?(?:: (.*)|:)?$/;
const embedded = /(?:Error|Exception)(?: \[[\w.-]{1,64}\])?(?:: | \{$)/;
/** The rest of a name in front of that. */
const nameBefore = /(?:^|[\s:([])([\w$.+]*)$/;
const longestName = 200;
const nameOfError = /(?:Error|Exception|Throwable|Failure|Fault|Rejection)\d*$/;
const qualified = /^(?:[a-z_][\w$]*\.)+[A-Z]|^[A-Z]\w*(?:\.[A-Z]\w*)+$/;

/** What a line says if it can be an error's first; `sure`: nothing else looks like it. */
export function readHeader(line: string): Header | null {
  const thread = inThread.exec(line);
  let text = thread === null ? line.trim() : line.slice(thread[0].length);
  const mark = announced.exec(text);
  if (mark !== null) text = text.slice(mark[0].length);
  // util.inspect puts an error without calls in brackets
  const bracketed = /^\[(.*)\](?: \{)?$/.exec(text);
  if (bracketed !== null && bracketed[1] !== undefined) text = bracketed[1];
  const match = header.exec(text.endsWith(" {") ? text.slice(0, -2) : text);
  if (match === null || !isName(match[1] ?? "")) {
    if (thread === null && mark === null) return readEmbedded(text);
    return { type: null, value: text, thread: thread?.[1] ?? null, sure: true, embedded: false };
  }
  const type = match[1] ?? null;
  const sure =
    thread !== null || mark !== null || (type !== null && (nameOfError.test(type) || isKnownName(type, line)));
  return { type, value: match[4] ?? "", thread: thread?.[1] ?? null, sure, embedded: false };
}

/** A class begins with a capital; Bun writes `error: …` for one that is named Error. */
function isName(type: string): boolean {
  return type === "error" || /^[A-Z]/.test(type.slice(Math.max(type.lastIndexOf("."), type.lastIndexOf("+")) + 1));
}

/** `console.error("request failed:", error)` */
function readEmbedded(text: string): Header | null {
  const at = text.search(embedded);
  if (at === -1) return null;
  const before = nameBefore.exec(text.slice(Math.max(0, at - longestName), at))?.[1];
  const [, word = "", value = ""] = /^(Error|Exception)[^:{]*(?:: (.*)| \{)$/.exec(text.slice(at)) ?? [];
  if (before === undefined || word === "" || !isName(`${before}${word}`)) return null;
  return { type: `${before}${word}`, value, thread: null, sure: true, embedded: true };
}

/** `com.acme.Overdrawn: …` at the beginning of a line. */
function isKnownName(type: string, line: string): boolean {
  return qualified.test(type) && !/^\s/.test(line) && (line.length === type.length || line.startsWith(`${type}: `));
}
