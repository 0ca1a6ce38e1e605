/**
 * Elixir's exceptions (Exception.format/3, Exception.format_stacktrace_entry/1 in lib/elixir/lib/exception.ex) and what
 * Erlang prints: terms with `{Module,Function,Arity,[{file,…},{line,…}]}` in them, and escript's `in function`.
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
  numberOf,
  type Reading,
  type Taken,
} from "./format.ts";

const start = /^\s*\*\* \(([\w.]+|EXIT from [^)]*|exit|throw|stop)\) ?(.*)$/;
const call = /^ +(?:\(([\w]+) ([^)]*)\) )?([^\s():]+\.\w+):(\d+): (.+)$/;
const callAlone = /^ {4,}(?:\((\w+) ([^)]*)\) )?(:?[\w.]+\.[\w!?]+(?:\/\d+|\(.*\))|anonymous fn.*)$/;
const aside =
  /^(?:Last message|State|Function|Args|Initial Call|Ancestors|Message Queue|Messages|Links|Dictionary|Trapping Exits|Status|Heap Size|Stack Size|Reductions|Client|Start Call|Child|Restart|Shutdown|Type|Pid|Queue)\b.*:|^ {4}\S/;
const crash =
  /^(?:Error in process (<[\d.]+>)(?: on node \S+)? with exit value:|\s*crasher:|Generic server .* terminating|\*\* Generic server .* terminating.*)$/;
const erlangCall =
  /\{([\w']+),([\w'-]+|'[^']*'),(\d+|\[[^\]]*\]),\[(?:[^\]]*?\{file,"([^"]*)"\},\s*\{line,(\d+)\})?[^\]]*\]\}/g;
const reported = /^\s*exception (error|exit|throw): (.*)$/;
const reportedCall = /([\w']+):([\w'-]+)(?:\/(\d+)|\([^()]*\)) +\(([^,()]+), line (\d+)\)/g;
const escript = /^escript: exception (error|exit|throw): (.*)$/;
const inFunction =
  /^ {2}(?:in (?:function|call from)|call from) +([\w']+):([\w'/-]+|'[^']*'\/\d+) \(([^,]+), line (\d+)\)/;

export const elixir: Format = {
  name: "elixir",
  begin(body): Begun | null {
    const match = start.exec(body);
    if (match !== null) return { reading: createElixir(match[1] ?? "", match[2] ?? "") };
    const ended = escript.exec(body);
    if (ended !== null) return { reading: createEscript(ended[1] ?? "", ended[2] ?? "") };
    const crashed = crash.exec(body);
    return crashed === null ? null : { reading: createErlang(body, crashed[1] ?? null) };
  },
};

function createElixir(type: string, value: string): Reading {
  let part = createDraft(type, value);
  let begun = false;
  let over = false;
  return {
    format: "elixir",
    take(body, near, loose): Taken {
      // `EXIT` and the like only announce what follows
      const inner = start.exec(body);
      if (inner !== null && !begun && /^(?:EXIT|exit|stop)/.test(type)) {
        part = createDraft(inner[1] ?? null, inner[2] ?? "");
        return "mine";
      }
      const match = over ? null : call.exec(body);
      if (match !== null) {
        addFrame(part, frameOf(match));
        begun = true;
        return "mine";
      }
      const alone = over ? null : callAlone.exec(body);
      if (alone !== null) {
        addFrame(part, frameOf([alone[0], alone[1], alone[2], undefined, undefined, alone[3]]));
        begun = true;
        return "mine";
      }
      if (!near) return "no";
      if (aside.test(body) && !/^ {4}\S/.test(body)) {
        over = true;
        return "mine";
      }
      if (begun || over) return over && /^ {4}\S/.test(body) ? "mine" : "no";
      if (!loose) return "no";
      addValue(part, body.trim());
      return "value";
    },
    complete: () => true,
    parts: () => [part],
  };
}

/** `Shop.Order.save/2`, `anonymous fn/1 in Shop.run/0`, `:lists.foldl/3` */
function frameOf(match: ArrayLike<string | undefined>): Frame {
  const [app, version, file, line, printed = ""] = [match[1], match[2], match[3], match[4], match[5]];
  const name = printed.replace(/^.* in (?=\S+$)/, "").replace(/\([\s\S]*$/, "");
  const dot = name.replace(/\/\d+$/, "").lastIndexOf(".");
  const whole = app === undefined ? (file ?? null) : `(${app} ${version ?? ""}) ${file ?? ""}`;
  return {
    function: dot === -1 ? name : name.slice(dot + 1),
    module: dot === -1 ? null : name.slice(0, dot),
    file: file ?? null,
    line: numberOf(line),
    column: null,
    inApplication: isApplication("elixir", whole, name),
    code: null,
  };
}

function createEscript(kind: string, value: string): Reading {
  const part = createDraft(kind, value);
  return {
    format: "erlang",
    take(body, near): Taken {
      const match = inFunction.exec(body);
      if (match !== null) {
        const [, module = "", name = "", file = "", line] = match;
        addFrame(part, erlangFrame(module, name, file, line));
        return "mine";
      }
      return near && /^ {2,}/.test(body) ? "mine" : "no";
    },
    complete: () => true,
    parts: () => [part],
  };
}

/** Terms run over several lines: they are read when all of them are there. */
function createErlang(first: string, thread: string | null): Reading {
  const lines: string[] = [];
  let size = 0;
  return {
    format: "erlang",
    thread,
    take(body, near, loose): Taken {
      if (body === "") return loose ? "held" : "no";
      if (!near || !/^[\s{["]/.test(body)) return "no";
      size += body.length;
      if (size < 65_536) lines.push(body);
      return "mine";
    },
    complete: () => lines.length > 0,
    parts: () => [readTerms(lines, first)],
  };
}

function readTerms(lines: readonly string[], first: string): Draft {
  const raised = lines.findIndex((line) => reported.test(line));
  if (raised !== -1) return readReport(lines.slice(raised));
  const text = lines.map((line) => line.trim()).join("");
  const part = createDraft(/^\{+([\w']+)/.exec(text)?.[1] ?? null, text === "" ? first : text.slice(0, 500));
  for (const [, module = "", name = "", arity = "", file, line] of text.matchAll(erlangCall)) {
    addFrame(part, erlangFrame(module, `${name}/${/^\d+$/.test(arity) ? arity : "?"}`, file, line));
  }
  return part;
}

/** `exception error: …`, and the calls behind it, as lib/stdlib/src/erl_error.erl prints them. */
function readReport(lines: readonly string[]): Draft {
  const [, kind = "", ...rest] = reported.exec(lines[0] ?? "") ?? [];
  const end = lines.findIndex((line, i) => i > 0 && /^\s+(?:in (?:function|call from)|\w[\w ]*:)/.test(line));
  const said = [...rest, ...lines.slice(1, end === -1 ? undefined : end)].map((line) => line.trim()).join(" ");
  const part = createDraft(kind, said.replace(reportedCall, "").trim());
  for (const [, module = "", name = "", arity, file, line] of lines.join("\n").matchAll(reportedCall)) {
    addFrame(part, erlangFrame(module, arity === undefined ? name : `${name}/${arity}`, file, line));
  }
  return part;
}

function erlangFrame(module: string, name: string, file: string | undefined, line: string | undefined): Frame {
  return {
    function: name,
    module,
    file: file ?? null,
    line: numberOf(line),
    column: null,
    inApplication: isApplication("elixir", file ?? null, `${module}.${name}`),
    code: null,
  };
}
