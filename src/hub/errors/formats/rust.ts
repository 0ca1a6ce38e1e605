/**
 * Rust's panics: std/src/panicking.rs; with RUST_BACKTRACE the calls follow, std/src/sys/backtrace.rs. The message stands
 * behind the place since 1.73, in quotes before it until then.
 */
import type { Frame } from "../event.ts";
import { isApplication } from "./application.ts";
import {
  addFrame,
  addValue,
  type Begun,
  createDraft,
  type Format,
  mostParts,
  numberOf,
  type Reading,
  type Taken,
} from "./format.ts";
import type { Header } from "./header.ts";

const start = /^thread '(.*?)'(?: \(\d+\))? panicked at (?:'(.*)', )?(.+?):(\d+)(?::(\d+))?(:)?$/;
const startOld = /^thread '(.*?)' panicked at '(.*)$/;
const endOld = /^(.*)', (.+?):(\d+)(?::(\d+))?$/;
const call = /^ *\d+: +(?:0x[0-9a-f]+ - )?(.+)$/;
const place = /^ +at (.+?):(\d+)(?::(\d+))?$/;
const hash = /::h[0-9a-f]{16}$/;
const note = /^note: /;

/** What anyhow and eyre print of an error that `main` returns (anyhow/src/fmt.rs). */
const because = /^(?:Caused by|Stack backtrace|Location):$/;

export function isAnyhow(line: string): boolean {
  return because.test(line);
}

/** `Error: …` was its first line; causes are listed from the outermost. */
export function createAnyhow(header: Header, values: readonly string[]): Reading {
  const first = createDraft(null, header.value);
  for (const line of values) if (line !== "") addValue(first, line);
  const parts = [first];
  const calls = createRust("", "", null, false);
  let section = "";
  return {
    format: "rust",
    take(body, near, loose): Taken {
      if (because.test(body)) {
        section = body;
        if (body === "Stack backtrace:") calls.take("stack backtrace:", near, loose);
        return "mine";
      }
      if (section === "Stack backtrace:") return calls.take(body, near, loose);
      if (body === "") return loose ? "held" : "no";
      const cause = /^ {4}(?: *\d+: )?(.+)$/.exec(body);
      if (cause === null) return "no";
      if (section === "Caused by:" && parts.length < mostParts) parts.push(createDraft(null, cause[1] ?? "", "cause"));
      return "mine";
    },
    complete: () => true,
    parts: () => parts.map((part, i) => (i === 0 ? { ...part, frames: [...(calls.parts()[0]?.frames ?? [])] } : part)),
  };
}

export const rust: Format = {
  name: "rust",
  begin(body): Begun | null {
    const match = start.exec(body);
    if (match !== null) {
      const [, thread = "", value, file = "", line, column, colon] = match;
      return {
        reading: createRust(thread, value ?? "", { file, line, column }, colon !== undefined && value === undefined),
      };
    }
    const old = startOld.exec(body);
    return old === null ? null : { reading: createRust(old[1] ?? "", old[2] ?? "", null, true) };
  },
};

type Place = { readonly file: string; readonly line: string | undefined; readonly column: string | undefined };

function createRust(thread: string, value: string, at: Place | null, more: boolean): Reading {
  const part = createDraft("panic", value);
  let where = at;
  /** the message is still being printed */
  let inValue = more;
  let started = !more;
  let inBacktrace = false;
  let pending: string | null = null;

  function flush(match: RegExpExecArray | null): void {
    if (pending !== null) addFrame(part, frameOf(pending, match));
    pending = null;
  }

  return {
    format: "rust",
    thread,
    take(body, near, loose): Taken {
      if (body === "stack backtrace:") {
        inValue = false;
        inBacktrace = true;
        return "mine";
      }
      if (note.test(body)) {
        inValue = false;
        flush(null);
        return "mine";
      }
      if (inBacktrace) {
        const found = place.exec(body);
        if (found !== null && pending !== null) {
          flush(found);
          return "mine";
        }
        const called = call.exec(body);
        if (called === null) return "no";
        flush(null);
        pending = called[1] ?? "";
        return "mine";
      }
      if (!inValue || !near) return "no";
      const end = where === null ? endOld.exec(body) : null;
      if (end !== null) {
        addValue(part, end[1] ?? "");
        where = { file: end[2] ?? "", line: end[3], column: end[4] };
        inValue = false;
        started = true;
        return "mine";
      }
      // the first line behind the place is the message without doubt
      if (started && !loose) return "no";
      addValue(part, body);
      if (started) return "value";
      started = true;
      return "mine";
    },
    complete: () => started,
    parts() {
      flush(null);
      const begin = part.frames.findLastIndex(
        ({ function: name, module }) =>
          /^(?:rust_begin_unwind|begin_panic|panic_\w+|panic|unwrap_failed|expect_failed)$/.test(name ?? "") &&
          !/^(?!std|core)/.test(module ?? "core"),
      );
      const frames = part.frames.slice(begin === part.frames.length - 1 ? 0 : begin + 1);
      return [{ ...part, frames: frames.length === 0 ? placeAlone(where) : frames }];
    },
  };
}

/** Without a backtrace the place of the panic is all that is known. */
function placeAlone(where: Place | null): Frame[] {
  if (where === null) return [];
  const { file, line, column } = where;
  return [
    {
      function: null,
      module: null,
      file,
      line: numberOf(line),
      column: numberOf(column),
      inApplication: isApplication("rust", file, null),
      code: null,
    },
  ];
}

/** `shop::order::Store::save::h0123456789abcdef` is `save` of `shop::order::Store`. */
function frameOf(printed: string, match: RegExpExecArray | null): Frame {
  const name = printed.replace(hash, "");
  const cut = splitAt(name);
  const file = match?.[1] ?? null;
  return {
    function: cut === -1 ? name : name.slice(cut + 2),
    module: cut === -1 ? null : name.slice(0, cut),
    file,
    line: numberOf(match?.[2]),
    column: numberOf(match?.[3]),
    inApplication: isApplication("rust", file, name),
    code: null,
  };
}

/** Where the last `::` is that stands in no angle brackets and before no `{{closure}}`; -1: nowhere. */
function splitAt(name: string): number {
  let depth = 0;
  for (let i = name.length - 1; i > 0; i--) {
    const char = name[i];
    if (char === ">") depth++;
    else if (char === "<") depth--;
    else if (depth === 0 && char === ":" && name[i - 1] === ":" && !name.startsWith("{{", i + 1)) return i - 1;
  }
  return -1;
}
