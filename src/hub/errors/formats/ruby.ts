/**
 * Ruby's errors: error.c and vm_backtrace.c. `file:3:in 'Store#save': message (RuntimeError)`, then `\tfrom …` outwards and
 * a cause in the same form; with `Traceback` first it is the other way round (2.5 to 2.7 on a terminal). Quotes are
 * `` `so' `` until 3.3. Rails logs `RuntimeError (message):` and bare places.
 */
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

const head = /^(\S[^:]*?|-e):(\d+):in [`'](.*?)': (.*)$/;
const headless = /^(\S[^:]*?\.rb):(\d+): (.*) \(([A-Z]\w*(?:::\w+)*)\)$/;
const named = /^(.*?)(?: \(([A-Z]\w*(?:::[A-Z]\w*)*)\))$/;
const from = /^\s+(?:\d+: )?from (.+?):(\d+)(?::in [`'](.*)')?$/;
const reversed = /^\s+\d+: from .+:\d+/;
const skipped = /^\s+ ?\.{3} ?\d+ levels\.{3}$/;
const rails = /^((?:[A-Z]\w*::){0,10}[A-Z]\w*) \((.*)\):$/;
const bare = /^\s*(\S[^:]*?):(\d+):in [`'](.*)'$/;
const code = /^\s{2,}(?:\S.*)?$|^\s*\^+~*|^\s*[~^]+$/;

export const ruby: Format = {
  name: "ruby",
  begin(body): Begun | null {
    const match = head.exec(body);
    if (match !== null && (named.test(match[4] ?? "") || /\.rb$|^-e$/.test(match[1] ?? "")))
      return { reading: createRuby(body) };
    if (headless.test(body)) return { reading: createRuby(body) };
    const logged = rails.exec(body);
    return logged === null ? null : { reading: createRails(logged[1] ?? "", logged[2] ?? "") };
  },
};

/** A line of the order in which the innermost call is the last. */
export function isReversedFrame(body: string): boolean {
  return reversed.test(body);
}

function createRuby(first: string): Reading {
  const parts: Draft[] = [];
  let open = start(first, null) as Draft;
  let taken = 0;
  let begun = false;

  function start(body: string, relation: Draft["relation"]): Draft | null {
    const match = head.exec(body);
    const plain = match === null ? headless.exec(body) : null;
    if (match === null && plain === null) return null;
    const [, file = "", line, name] = match ?? plain ?? [];
    const text = (match === null ? plain?.[3] : match[4]) ?? "";
    const type = match === null ? plain?.[4] : named.exec(text)?.[2];
    const value = match === null ? text : (named.exec(text)?.[1] ?? text);
    const draft = createDraft(type ?? null, value, relation);
    addFrame(draft, frameOf(file, line, match === null ? undefined : name));
    if (parts.length < mostParts) parts.push(draft);
    return draft;
  }

  return {
    format: "ruby",
    take(body, near, loose): Taken {
      const call = from.exec(body);
      if (call !== null) {
        addFrame(open, frameOf(call[1] ?? "", call[2], call[3]));
        begun = true;
        return "mine";
      }
      if (skipped.test(body)) return "mine";
      // the innermost call of its cause
      if (begun && near && head.test(body)) {
        open = start(body, "cause") ?? open;
        begun = false;
        return "mine";
      }
      if (begun || !loose || taken > 30) return "no";
      taken++;
      // the class stands behind the first line of a message
      if (open.type === null) {
        const match = named.exec(body);
        if (match !== null) open.type = match[2] ?? null;
      }
      if (!code.test(body)) addValue(open, body);
      return "value";
    },
    complete: () => true,
    parts: () => parts,
  };
}

/** For what comes behind `Traceback (most recent call last):`. */
export function createReversedRuby(): Reading {
  let draft: Draft | null = null;
  const calls: Frame[] = [];
  return {
    format: "ruby",
    take(body, _near, loose): Taken {
      const call = from.exec(body);
      if (call !== null && draft === null) {
        calls.push(frameOf(call[1] ?? "", call[2], call[3]));
        if (calls.length > 1000) calls.shift();
        return "mine";
      }
      if (skipped.test(body)) return "mine";
      if (draft === null) {
        const match = head.exec(body) ?? headless.exec(body);
        if (match === null) return "no";
        const inner = createRuby(body).parts()[0];
        draft = createDraft(inner?.type ?? null, inner?.value ?? "");
        for (const frame of [...(inner?.frames ?? []), ...calls.toReversed()]) addFrame(draft, frame);
        return "mine";
      }
      if (!loose || body === "") return "no";
      addValue(draft, body);
      return "value";
    },
    complete: () => draft !== null,
    parts: () => [draft ?? { ...createDraft(null, ""), frames: calls.toReversed() }],
  };
}

function createRails(type: string, value: string): Reading {
  const draft = createDraft(type, value);
  let begun = false;
  return {
    format: "ruby",
    take(body, _near, loose): Taken {
      const call = bare.exec(body);
      if (call !== null) {
        addFrame(draft, frameOf(call[1] ?? "", call[2], call[3]));
        begun = true;
        return "mine";
      }
      if (!loose || begun) return "no";
      return "value";
    },
    complete: () => begun,
    parts: () => [draft],
  };
}

/** `Store#save`, `Store.open`, `block in Store#save`; before 3.4 the class is not printed. */
function frameOf(file: string, line: string | undefined, name: string | undefined): Frame {
  const plain = (name ?? "").replace(/^(?:(?:block|rescue|ensure)(?: \(\d+ levels\))? in )+/, "");
  const match = /^(.*)[#.](.+)$/.exec(plain);
  return {
    function: match?.[2] ?? (plain === "" ? null : plain),
    module: match?.[1] ?? null,
    file,
    line: numberOf(line),
    column: null,
    inApplication: isApplication("ruby", file, null),
    code: null,
  };
}
