/**
 * Python's tracebacks: docs.python.org/3/library/traceback.html, Lib/traceback.py. Chains are printed with the innermost
 * cause first; exception groups (PEP 654) nest behind a margin of `|` and `+`; notes (PEP 678) follow the last line.
 */
import { isApplication } from "./application.ts";
import {
  addFrame,
  addValue,
  createDraft,
  type Draft,
  mostFrames,
  mostParts,
  numberOf,
  type Reading,
  type Taken,
} from "./format.ts";

const start = /^(?:Exception Group )?Traceback \(most recent call last\):$/;
const inThread = /^Exception in thread (\S+?)(?: .*)?:$/;
const frame = /^ *File "(.*)", line (\d+)(?:, in (.*))?$/;
const marker = /^[\s~^]+$/;
const repeated = /^ *\[Previous line repeated \d+ more times?\]$/;
const thrown = /^([A-Za-z_][\w.<>]*)(?:: (.*)|:)?$/;
const became: ReadonlyMap<string, "context" | "cause"> = new Map([
  ["During handling of the above exception, another exception occurred:", "context"],
  ["The above exception was the direct cause of the following exception:", "cause"],
]);
/** What a group puts before each line: `  | `, `  + `, `    +-+---------------- 1 ----------------`. */
const margin = /^( *)([|+])(-.*| |$)/;
const separator = /^-(?:\+-)?-* (?:\d+|\.\.\.) -+$/;
/** Lines of a value that are taken when nothing marks them. */
const mostLoose = 40;

type Node = {
  readonly draft: Draft;
  cause: Node | null;
  readonly members: Level[];
};
/** What is printed at one depth of groups. */
type Level = { readonly depth: number; last: Node | null };

export function isPythonStart(body: string): boolean {
  const text = body.replace(margin, "$3").trim();
  return start.test(text) || frame.test(body) || (inThread.test(body) && !body.startsWith('Exception in thread "'));
}

/** @param first a line for which `isPythonStart` holds */
export function createPython(first: string): Reading {
  const top: Level = { depth: 0, last: null };
  const levels: Level[] = [top];
  let count = 0;
  /** the exception whose frames are being read */
  let open: Node | null = null;
  let relation: "context" | "cause" | null = null;
  /** what may come: a Traceback's first line, frames, or the end of all */
  let state: "start" | "frames" | "after" | "between" = "start";
  /** lines of a value that nothing marks */
  let taken = 0;
  let thread: string | null = null;
  let groupOpen = false;

  const level = (): Level => levels.at(-1) as Level;

  function begin(): void {
    const node: Node = { draft: createDraft(null, "", null), cause: null, members: [] };
    count++;
    const own = level();
    if (relation !== null && own.last !== null) {
      node.cause = own.last;
      own.last.draft.relation = relation;
    }
    relation = null;
    own.last = node;
    open = node;
    state = "frames";
  }

  /** Goes to the depth of a line's margin; `entering`: a separator begins a member there. */
  function enter(depth: number, entering: boolean): void {
    while (levels.length > 1 && level().depth >= depth) levels.pop();
    if (!entering || levels.length > 20 || count >= mostParts) return;
    const own: Level = { depth, last: null };
    level().last?.members.push(own);
    levels.push(own);
    open = null;
    state = "start";
    taken = 0;
  }

  function takeFrame(match: RegExpExecArray): void {
    const [, file = "", line, name] = match;
    if (open === null) begin();
    const { draft } = open as Node;
    // the innermost come last
    if (draft.frames.length >= mostFrames) draft.frames.shift();
    addFrame(draft, {
      function: name ?? null,
      module: moduleOf(file),
      file,
      line: numberOf(line),
      column: null,
      inApplication: isApplication("python", file, null),
      code: null,
    });
  }

  function takeCode(text: string): void {
    const frames = open?.draft.frames ?? [];
    const last = frames.at(-1);
    if (last === undefined || last.code !== null || marker.test(text)) return;
    frames[frames.length - 1] = { ...last, code: text.trim().slice(0, 500) };
  }

  function takeThrown(text: string): boolean {
    const match = thrown.exec(text);
    if (match === null) return false;
    if (open === null) begin();
    const { draft } = open as Node;
    draft.type = match[1] ?? null;
    draft.value = "";
    addValue(draft, match[2] ?? "");
    state = "after";
    taken = 0;
    return true;
  }

  function takeText(text: string, loose: boolean, marked: boolean): Taken {
    if (state === "start" || state === "between") {
      if (text === "") return "mine";
      if (start.test(text)) {
        begin();
        return "mine";
      }
      if (state === "start" && takeThrown(text)) return "mine";
      return marked ? "mine" : "no";
    }
    if (state === "frames") {
      const match = frame.exec(text);
      if (match !== null) {
        takeFrame(match);
        return "mine";
      }
      if (/^\s/.test(text)) {
        if (!repeated.test(text)) takeCode(text);
        return "mine";
      }
      return takeThrown(text) || marked ? "mine" : "no";
    }
    const next = became.get(text);
    if (next !== undefined) {
      if (!marked) levels.length = 1;
      relation = next;
      state = "between";
      return "mine";
    }
    if (marked) {
      // the group's own blank lines part the members of a chain; other text is more of the value or a note
      if (text !== "" && open !== null) addValue(open.draft, text);
      return "mine";
    }
    if (text === "") {
      // behind an empty line only a chain goes on
      taken = mostLoose;
      return loose ? "held" : "no";
    }
    if (loose && taken < mostLoose && open !== null) {
      taken++;
      addValue(open.draft, text);
      return "value";
    }
    return "no";
  }

  function take(body: string, _near: boolean, loose: boolean): Taken {
    const match = margin.exec(body);
    if (match !== null && (groupOpen || start.test((match[3] ?? "").trim() || body.slice(match[0].length).trim()))) {
      const [whole, indent = "", mark, rest = ""] = match;
      if (mark === "+" && rest.startsWith("-")) {
        if (separator.test(rest)) enter(rest.startsWith("-+-") ? indent.length + 2 : indent.length, true);
        else {
          enter(indent.length, false);
          state = "after";
          taken = mostLoose;
        }
        return "mine";
      }
      const text = body.slice(whole.length);
      while (levels.length > 1 && level().depth > indent.length) levels.pop();
      if (mark === "+") {
        groupOpen = true;
        if (start.test(text.trim())) begin();
        return "mine";
      }
      return takeText(text, loose, true);
    }
    if (state === "between" || state === "start") {
      const header = inThread.exec(body);
      if (header !== null) thread = header[1] ?? null;
      if (header !== null) return "mine";
    }
    return takeText(body, loose, false);
  }

  const header = inThread.exec(first);
  if (header !== null) thread = header[1] ?? null;
  else if (frame.test(first)) {
    begin();
    take(first, true, false);
  } else if (margin.test(first)) take(first, true, false);
  else begin();

  return {
    format: "python",
    get thread() {
      return thread;
    },
    take,
    complete: () => state === "after",
    parts: () => (top.last === null ? [createDraft(null, "")] : flatten(top.last, null)),
  };
}

/** The exception, its causes, then the members of its group. */
function flatten(node: Node, relation: Draft["relation"]): Draft[] {
  // Python prints the innermost call last
  const parts: Draft[] = [];
  const members: Draft[] = [];
  let as = relation;
  for (let one: Node | null = node; one !== null && parts.length < mostParts; one = one.cause) {
    parts.push({ ...one.draft, frames: one.draft.frames.toReversed(), relation: as });
    as = one.cause?.draft.relation ?? null;
    for (const member of one.members) if (member.last !== null) members.push(...flatten(member.last, "member"));
  }
  return [...parts, ...members].slice(0, mostParts);
}

/** `shop.models.order` of `/srv/app/shop/models/order.py` can't be told from folders: the file's own name is all. */
function moduleOf(file: string): string | null {
  const name = /([^\\/]+?)(?:\/__init__)?\.py$/.exec(file)?.[1];
  if (name === undefined) return null;
  const addon = /[\\/]addons[\\/]([^\\/]+)[\\/]/.exec(file)?.[1];
  return addon === undefined ? name : `${addon}.${name}`;
}
