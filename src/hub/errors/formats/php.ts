/**
 * PHP's errors: main/main.c (php_error_cb) and Zend/zend_exceptions.c. What is printed first is the innermost; `Next`
 * begins the one that wrapped it. Monolog and Laravel put the same into a record: `[object] (Class(code: 0): …`.
 */
import type { Level } from "#src/protocol/log.ts";
import type { Frame } from "../event.ts";
import { isApplication } from "./application.ts";
import {
  addFrame,
  addValue,
  type Begun,
  createDraft,
  type Draft,
  type Format,
  mostParts,
  numberOf,
  type Reading,
  type Taken,
} from "./format.ts";

const start =
  /^(?:NOTICE: )?(?:PHP message: )?(?:PHP )?((?:Catchable |Recoverable )?[Ff]atal error|Parse error|Warning|Notice|Deprecated|User error|User warning): {1,2}(.*)$/;
const uncaught = /^Uncaught (?:exception ')?([\w\\]+)(?:'(?: with message)?)?(?:(?::| ') ?(.*))?$/;
const next = /^Next ([\w\\]+)(?:: (.*))?$/;
const call = /^#\d+ (?:(.+?)\((\d+)\)|(\[internal function\])): (?:([\w\\@./:{}-]+?)(->|::))?([\w\\{}@./:-]+)\(.*$/;
const main = /^#\d+ \{main\}$/;
const last = /^\s+thrown in .+ on line \d+$/;
/** Behind `[object] `, up to the place. */
const object = /^\(([\w\\]+)\(code: [^)]*\): (.*)$/;
const marks = ["[object] ", "[previous exception] [object] "] as const;

export const php: Format = {
  name: "php",
  begin(body): Begun | null {
    const match = start.exec(body);
    if (
      match !== null &&
      (body.startsWith("PHP ") || placed(body).file !== undefined || (match[2] ?? "").startsWith("Uncaught "))
    )
      return { reading: createPhp(match[1] ?? "", match[2] ?? "") };
    const at = body.indexOf(marks[0]);
    const logged = at === -1 ? null : readObject(unescape(body.slice(at + marks[0].length)));
    return logged === null ? null : { reading: createMonolog(logged) };
  },
};

type Placed = { readonly text: string; readonly file: string | undefined; readonly line: string | undefined };

/** Takes ` in /srv/shop/cart.php:12` or ` in … on line 12` off the end. */
function placed(text: string): Placed {
  const at = text.lastIndexOf(" in ");
  const match = at === -1 ? null : /^(\S.*?)(?: on line |:)(\d+)$/.exec(text.slice(at + 4));
  if (match === null) return { text, file: undefined, line: undefined };
  return { text: text.slice(0, at), file: match[1], line: match[2] };
}

/** Inside of a record the text is that of a JSON string, but for its newlines. */
const unescape = (body: string): string => body.replaceAll("\\\\", "\\");

function draftOf(type: string | undefined, value: string | undefined, file?: string, line?: string): Draft {
  const draft = createDraft(type ?? null, value ?? "");
  if (file !== undefined) addFrame(draft, frameOf(file, line, undefined, undefined));
  return draft;
}

/** `(RuntimeException(code: 0): no total at /srv/shop/cart.php:12)` */
function readObject(text: string): Draft | null {
  const at = text.lastIndexOf(" at ");
  const match = at === -1 ? null : object.exec(text.slice(0, at));
  const [, file, line] = (at === -1 ? null : /^(.+?):(\d+)\)/.exec(text.slice(at + 4))) ?? [];
  return match === null || file === undefined ? null : draftOf(match[1], match[2], file, line);
}

/** Gives a call's place to the frame that it is: PHP names with each place the function that is called there. */
function takeCall(draft: Draft, match: RegExpExecArray): void {
  const [, file, line, internal, owner, , name] = match;
  const at = draft.frames.length - 1;
  const inner = draft.frames[at];
  if (inner !== undefined)
    draft.frames[at] = {
      ...inner,
      function: name ?? null,
      module: owner ?? null,
    };
  addFrame(draft, frameOf(file ?? internal ?? "", line, undefined, undefined));
}

function createPhp(kind: string, text: string): Reading {
  const drafts: Draft[] = [];
  const where = placed(text);
  const thrown = uncaught.exec(where.text);
  /** a message of several lines; its place is at the end of the last one */
  let inValue = false;
  let open: Draft;
  let ended = false;
  let begun = false;
  if (text.startsWith("Uncaught ")) {
    open = draftOf(thrown?.[1], thrown?.[2], where.file, where.line);
    inValue = where.file === undefined;
  } else open = draftOf(kind, where.text, where.file, where.line);
  drafts.push(open);

  function take(body: string, near: boolean, loose: boolean): Taken {
    if (ended) return "no";
    if (body === "Stack trace:" || body === "PHP Stack trace:") {
      inValue = false;
      begun = true;
      return "mine";
    }
    const called = call.exec(body);
    if (called !== null && begun) {
      takeCall(open, called);
      return "mine";
    }
    if (main.test(body) && begun) return "mine";
    if (last.test(body)) {
      ended = true;
      return "mine";
    }
    const outer = begun && body.startsWith("Next ") ? placed(body) : null;
    const wrapped = outer === null ? null : next.exec(outer.text);
    if (outer !== null && wrapped !== null) {
      open = draftOf(wrapped[1], wrapped[2], outer.file, outer.line);
      inValue = outer.file === undefined;
      begun = false;
      if (drafts.length < mostParts) drafts.push(open);
      return "mine";
    }
    if (body === "" && begun) return loose ? "held" : "no";
    if (!inValue || !near) return "no";
    const end = placed(body);
    addValue(open, end.text);
    if (end.file !== undefined) {
      addFrame(open, frameOf(end.file, end.line, undefined, undefined));
      inValue = false;
    }
    return "mine";
  }

  return {
    format: "php",
    take,
    level: levelOf(kind),
    complete: () => !inValue,
    // the last one printed wrapped those before it
    parts: () => drafts.toReversed().map((draft, i) => (i === 0 ? draft : { ...draft, relation: "cause" as const })),
  };
}

/** Monolog's LineFormatter with stack traces; each previous exception is printed after the one that it led to. */
function createMonolog(first: Draft): Reading {
  const drafts = [first];
  let open = first;
  let ended = false;
  return {
    format: "php",
    take(line): Taken {
      if (ended) return "no";
      const body = unescape(line);
      const called = call.exec(body);
      if (called !== null) {
        takeCall(open, called);
        return "mine";
      }
      const before = body.startsWith(marks[1]) ? readObject(body.slice(marks[1].length)) : null;
      if (before !== null) {
        open = { ...before, relation: "cause" };
        if (drafts.length < mostParts) drafts.push(open);
        return "mine";
      }
      if (body === "[stacktrace]" || body === "[previous exception]" || body === "" || main.test(body)) return "mine";
      if (!body.startsWith('"}')) return "no";
      ended = true;
      return "mine";
    },
    complete: () => true,
    parts: () => drafts,
  };
}

function frameOf(file: string, line: string | undefined, module: string | undefined, name: string | undefined): Frame {
  return {
    function: name ?? null,
    module: module ?? null,
    file,
    line: numberOf(line),
    column: null,
    inApplication: isApplication("php", file, null),
    code: null,
  };
}

/** Warnings, notices and deprecations don't end a script. */
function levelOf(kind: string): Level | null {
  return /error/i.test(kind) ? null : "warn";
}
