/**
 * Errors of JavaScript: V8's stack (v8.dev/docs/stack-trace-api), what util.inspect of Node.js puts around it (causes,
 * members of an AggregateError, own properties in braces), and JavaScriptCore's as Bun prints it.
 */
import type { Frame } from "../event.ts";
import { isApplication } from "./application.ts";
import {
  addFrame,
  addValue,
  createDraft,
  type Draft,
  mostParts,
  numberOf,
  type Reading,
  type Taken,
} from "./format.ts";
import { type Header, readHeader } from "./header.ts";

const location = /^(.*?)(?::(\d+))?(?::(\d+))?$/;
/** Where a call is that has no place in a file. */
const nowhere = /^(?:<anonymous>|native|unknown location|index \d+|native code)$/;
const omitted = /^\s*\.\.\. (?:\d+ lines matching cause stack trace \.\.\.|\d+ more)/;
const cause = /^\s*\[?cause\]?: (.*)$/;
const causedBy = /^\s*Caused by:? (.*)$/;
const members = /^\s*\[?errors\]?: \[$/;
const footer = /^(?:Node\.js v\d.*|Bun v\d.*)$/;

export function isNodeFrame(line: string): boolean {
  return parseFrame(line) !== null;
}

export function createNode(header: Header, values: readonly string[]): Reading {
  const first = createDraft(header.type, header.value);
  // Deno shows the line of code and a caret before the calls
  const code = /^\s*\^+\s*$/.test(values.at(-1) ?? "") ? 2 : 0;
  for (const line of values.slice(0, values.length - code)) addValue(first, line);
  const chain: Draft[] = [first];
  const others: Draft[] = [];
  let open = first;
  let begun = false;
  /** braces of util.inspect that are still open */
  let depth = 0;
  let inMembers = false;
  let ended = false;

  function next(text: string, relation: "cause" | "member"): void {
    const opens = text.endsWith("{");
    const found = readHeader(text);
    open = createDraft(found?.type ?? null, found?.value ?? text, relation);
    begun = text.startsWith("[");
    if (chain.length + others.length < mostParts) (relation === "member" || inMembers ? others : chain).push(open);
    if (opens) depth++;
  }

  function takeInside(body: string): void {
    const text = body.trim();
    const found = cause.exec(body);
    if (found !== null) {
      next(found[1] ?? "", "cause");
      return;
    }
    if (members.test(body)) {
      inMembers = true;
      depth++;
      return;
    }
    if (inMembers && readHeader(text)?.sure === true) next(text, "member");
    else if (/[[{]$/.test(text)) depth++;
    else if (/^[\]}]/.test(text)) {
      depth--;
      if (text.startsWith("]")) inMembers = false;
    } else if (!begun) addValue(open, body);
  }

  return {
    format: "node",
    thread: header.thread,
    take(body, _near, loose): Taken {
      if (ended) return "no";
      const call = parseFrame(body);
      if (call !== null) {
        const opens = body.endsWith(" {");
        addFrame(open, call);
        if (opens) depth++;
        begun = true;
        return "mine";
      }
      if (omitted.test(body)) {
        if (body.endsWith("{")) depth++;
        begun = true;
        return "mine";
      }
      const caused = causedBy.exec(body);
      if (caused !== null) {
        next(caused[1] ?? "", "cause");
        return "mine";
      }
      if (depth > 0) {
        takeInside(body);
        return "mine";
      }
      if (footer.test(body)) {
        ended = true;
        return "mine";
      }
      // Node.js ends with its version behind an empty line
      if (body === "" && loose) return "held";
      return "no";
    },
    complete: () => depth <= 0,
    parts: () => [...chain, ...others],
  };
}

/** `    at async Object.run [as go] (file:3:4)`, `    at file:3:4`, and behind it perhaps the brace of util.inspect. */
function parseFrame(body: string): Frame | null {
  if (!/^\s*at \S/.test(body)) return null;
  let text = body.trim().slice(3);
  // what util.inspect puts behind the last call
  text = text.replace(/ \{$|,$/, "");
  if (text.startsWith("async ")) text = text.slice(6);
  let name: string | undefined;
  const paren = text.endsWith(")") ? text.indexOf(" (") : -1;
  if (paren !== -1) {
    name = text.slice(0, paren).replace(/^new (?=\S)/, "");
    text = text.slice(paren + 2, -1);
  } else if (text.endsWith(")")) return null;
  const match = location.exec(text);
  if (match === null || (match[2] === undefined && !nowhere.test(text) && !text.startsWith("node:"))) return null;
  const [, file = "", line, column] = match;
  const [module, called] = split(name);
  return {
    function: called,
    module,
    file: file === "" ? null : file,
    line: numberOf(line),
    column: numberOf(column),
    inApplication: file !== "" && !nowhere.test(file) && isApplication("node", file, name ?? null),
    code: null,
  };
}

/** `Object.run [as go]` is the function `run` of `Object`; a name may be none. */
function split(name: string | undefined): readonly [string | null, string | null] {
  const plain = (name ?? "").replace(/ \[as [^\]]*\]$/, "");
  if (plain === "" || plain === "<anonymous>") return [null, null];
  // a name may begin with a dot itself: `Module._extensions..js`
  const double = plain.indexOf("..");
  const dot = double === -1 ? plain.lastIndexOf(".") : double;
  return dot <= 0 ? [null, plain] : [plain.slice(0, dot), plain.slice(dot + 1)];
}
