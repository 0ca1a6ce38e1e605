/**
 * What a regular expression of a query is made of: enough to know which texts every match holds, and to refuse one that
 * could take forever. An expression is refused when something inside a repetition can match the same text in more than
 * one way, which is what makes a backtracking engine take exponential time (https://www.rfc-editor.org/rfc/rfc9485 says
 * why interoperable expressions do without it).
 */

export type RegexNode =
  /** one UTF-16 unit, as it is */
  | { readonly kind: "unit"; readonly unit: string; readonly set: UnitSet }
  | { readonly kind: "set"; readonly set: UnitSet }
  /** takes no room: ^ $ \b and what looks around */
  | { readonly kind: "place"; readonly inner: RegexNode | null }
  | { readonly kind: "sequence" | "choice"; readonly parts: readonly RegexNode[] }
  | { readonly kind: "repeat"; readonly part: RegexNode; readonly min: number; readonly max: number };

/** A bit for each ASCII unit, and bit 128 for all others together. */
export type UnitSet = bigint;

export type ParsedRegex =
  { readonly node: RegexNode; readonly problem?: never } | { readonly node?: never; readonly problem: string };

const others = 1n << 128n;
const everything = (others << 1n) - 1n;
const newlines = bit(10) | bit(13);
const digits = range(48, 57);
const wordUnits = digits | range(65, 90) | range(97, 122) | bit(95);
// \s has members beyond ASCII
const spaces = range(9, 13) | bit(32) | others;

/** Repetitions up to this often are not loops: what they cost stays within bounds. */
const fewTimes = 4;
/** Parts that can share text with what follows them: each costs as much again as the text is long, at worst. */
const maxShared = 6;
/** Parentheses inside one another. */
const maxDepth = 30;

/**
 * Checks and reads an expression. Flags are of `imsu`. Never throws.
 * @param most parts that may share text with what follows them
 */
export function parseRegex(source: string, flags: string, most: number = maxShared): ParsedRegex {
  try {
    // the engine has the last word on what is an expression
    void new RegExp(source, flags);
    const node = createReader(source, flags).read();
    const problem = slowness(node, most);
    return problem === undefined ? { node } : { problem };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { problem: reason.replace(/^Invalid regular expression: /, "this expression is not valid: ") };
  }
}

function createReader(source: string, flags: string) {
  const ignoreCase = flags.includes("i");
  const dot = flags.includes("s") ? everything : everything & ~newlines;
  let at = 0;

  const unitNode = (unit: string): RegexNode => ({ kind: "unit", unit, set: unitSet(unit, ignoreCase) });
  const setNode = (set: UnitSet): RegexNode => ({ kind: "set", set });

  function choice(depth: number): RegexNode {
    if (depth > maxDepth) throw new Error(`this expression has more than ${maxDepth} parentheses inside one another`);
    const parts = [sequence(depth)];
    while (source.charAt(at) === "|") {
      at++;
      parts.push(sequence(depth));
    }
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : { kind: "choice", parts };
  }

  function sequence(depth: number): RegexNode {
    const parts: RegexNode[] = [];
    while (at < source.length && source.charAt(at) !== "|" && source.charAt(at) !== ")") {
      parts.push(repeated(atom(depth)));
    }
    return { kind: "sequence", parts };
  }

  function repeated(part: RegexNode): RegexNode {
    const match = /^(?:[*+?]|\{(\d+)(,(\d*))?\})\??/.exec(source.slice(at, at + 40));
    if (match === null) return part;
    const [text, least, comma, most] = match;
    at += text.length;
    if (least === undefined) {
      return { kind: "repeat", part, min: text.startsWith("+") ? 1 : 0, max: text.startsWith("?") ? 1 : Infinity };
    }
    const min = Number(least);
    const max = comma === undefined ? min : most === undefined || most === "" ? Infinity : Number(most);
    return { kind: "repeat", part, min, max };
  }

  function atom(depth: number): RegexNode {
    const unit = source.charAt(at++);
    if (unit === "^" || unit === "$") return { kind: "place", inner: null };
    if (unit === ".") return setNode(dot);
    if (unit === "(") return group(depth);
    if (unit === "[") return setNode(classSet());
    if (unit === "\\") return escaped();
    return unitNode(unit);
  }

  function group(depth: number): RegexNode {
    const opening = /^(?:\?(?::|=|!|<=|<!|<[^>]*>))?/.exec(source.slice(at, at + 200))?.[0] ?? "";
    at += opening.length;
    if (opening === "" && source.charAt(at) === "?") throw new Error("this kind of group is not supported");
    const inner = choice(depth + 1);
    at++;
    return ["?=", "?!", "?<=", "?<!"].includes(opening) ? { kind: "place", inner } : inner;
  }

  function escaped(): RegexNode {
    const unit = source.charAt(at);
    if (unit === "b" || unit === "B") {
      at++;
      return { kind: "place", inner: null };
    }
    if (/[1-9k]/.test(unit)) throw new Error("references to an earlier group are not supported");
    const known = classEscape();
    return typeof known === "string" ? unitNode(known) : setNode(known);
  }

  /** What stands after a backslash: one unit as text, or a set. */
  function classEscape(): string | UnitSet {
    const unit = source.charAt(at++);
    switch (unit) {
      case "d":
        return digits;
      case "D":
        return everything & ~digits;
      case "w":
        // without case and with u, two letters beyond ASCII are word units
        return ignoreCase ? wordUnits | others : wordUnits;
      case "W":
        return everything & ~wordUnits;
      case "s":
        return spaces;
      case "S":
        return (everything & ~spaces) | others;
      case "n":
        return "\n";
      case "r":
        return "\r";
      case "t":
        return "\t";
      case "f":
        return "\f";
      case "v":
        return "\v";
      case "0":
        return octal();
      case "x":
        return hexadecimal(/^[0-9a-f]{2}/i, unit);
      case "u":
        return hexadecimal(/^(?:[0-9a-f]{4}|\{[0-9a-f]+\})/i, unit);
      case "c":
      case "p":
      case "P":
        at += /^(?:\{[^}]*\}|[a-z])?/i.exec(source.slice(at, at + 100))?.[0].length ?? 0;
        return everything;
      default:
        return unit;
    }
  }

  function octal(): string | UnitSet {
    // \01 and its like are of an older age: any unit, to be safe
    const more = /^[0-7]{1,2}/.exec(source.slice(at, at + 2))?.[0].length ?? 0;
    at += more;
    return more === 0 ? "\0" : everything;
  }

  function hexadecimal(pattern: RegExp, letter: string): string | UnitSet {
    const text = pattern.exec(source.slice(at, at + 12))?.[0];
    if (text === undefined) return letter;
    if (text.startsWith("{") && !flags.includes("u")) return everything;
    at += text.length;
    const code = Number.parseInt(text.replace(/[{}]/g, ""), 16);
    return code > 0xffff ? others : String.fromCharCode(code);
  }

  function classSet(): UnitSet {
    const not = source.charAt(at) === "^";
    if (not) at++;
    let set = 0n;
    while (at < source.length && source.charAt(at) !== "]") {
      const from = classUnit();
      if (typeof from === "string" && source.charAt(at) === "-" && source.charAt(at + 1) !== "]") {
        at++;
        const to = classUnit();
        set |= typeof to === "string" ? between(from, to, ignoreCase) : unitSet(from, ignoreCase) | bit(45) | to;
      } else set |= typeof from === "string" ? unitSet(from, ignoreCase) : from;
    }
    at++;
    // other units than those named are many, whatever was named of them
    return not ? (everything & ~set) | others : set;
  }

  function classUnit(): string | UnitSet {
    const unit = source.charAt(at++);
    if (unit !== "\\") return unit;
    if (source.charAt(at) === "b") {
      at++;
      return "\b";
    }
    if (/[1-9]/.test(source.charAt(at))) {
      at++;
      return everything;
    }
    return classEscape();
  }

  return {
    read(): RegexNode {
      const node = choice(0);
      if (at < source.length) throw new Error("this expression is not understood");
      return node;
    },
  };
}

function bit(code: number): UnitSet {
  return 1n << BigInt(Math.min(code, 128));
}

function range(from: number, to: number): UnitSet {
  let set = 0n;
  for (let code = from; code <= Math.min(to, 128); code++) set |= bit(code);
  return set;
}

function unitSet(unit: string, ignoreCase: boolean): UnitSet {
  const set = bit(unit.charCodeAt(0));
  // some letters beyond ASCII are k and s without case, and the other way round
  if (!ignoreCase) return set;
  return set | bit(unit.toLowerCase().charCodeAt(0)) | bit(unit.toUpperCase().charCodeAt(0)) | others;
}

function between(from: string, to: string, ignoreCase: boolean): UnitSet {
  const set = range(from.charCodeAt(0), to.charCodeAt(0));
  if (!ignoreCase) return set;
  let all = set | others;
  for (let code = from.charCodeAt(0); code <= Math.min(to.charCodeAt(0), 127); code++) {
    all |= unitSet(String.fromCharCode(code), true);
  }
  return all;
}

/** What the first unit can be, and whether there need not be one. */
type Start = { readonly set: UnitSet; readonly empty: boolean };

function startOf(node: RegexNode): Start {
  switch (node.kind) {
    case "unit":
    case "set":
      return { set: node.set, empty: false };
    case "place":
      return { set: 0n, empty: true };
    case "repeat": {
      const start = startOf(node.part);
      return { set: node.max === 0 ? 0n : start.set, empty: start.empty || node.min === 0 };
    }
    case "choice": {
      const starts = node.parts.map(startOf);
      return { set: starts.reduce((set, one) => set | one.set, 0n), empty: starts.some((one) => one.empty) };
    }
    case "sequence": {
      let set = 0n;
      for (const part of node.parts) {
        const start = startOf(part);
        set |= start.set;
        if (!start.empty) return { set, empty: false };
      }
      return { set, empty: true };
    }
  }
}

/** Why an expression could take forever, or nearly; undefined: it can't. */
function slowness(node: RegexNode, most: number): string | undefined {
  if (isAmbiguous(node, 0n, false)) {
    return "this expression could take forever: it repeats something that can match the same text in several ways";
  }
  if (shared(node, 0n) > most) {
    return `this expression could take forever: more than ${most} of its parts can share the same text in several ways`;
  }
  return undefined;
}

/** How many parts can leave some of their text to what follows; each multiplies the ways that an engine tries. */
function shared(node: RegexNode, next: UnitSet): number {
  switch (node.kind) {
    case "unit":
    case "set":
      return 0;
    case "place":
      return node.inner === null ? 0 : shared(node.inner, everything);
    case "sequence": {
      let count = 0;
      let after = next;
      for (const part of node.parts.toReversed()) {
        count += shared(part, after);
        const start = startOf(part);
        after = start.empty ? after | start.set : start.set;
      }
      return count;
    }
    case "choice": {
      const own = overlaps(node.parts, next) ? 1 : 0;
      return own + Math.max(...node.parts.map((part) => shared(part, next)));
    }
    case "repeat": {
      const { set } = startOf(node.part);
      const own = node.min !== node.max && (set & next) !== 0n ? 1 : 0;
      const inside = shared(node.part, node.max > 1 ? next | set : next);
      return own + inside * Math.min(node.max, fewTimes);
    }
  }
}

/** `next` is what may follow; in a loop also what may come in the next round. */
function isAmbiguous(node: RegexNode, next: UnitSet, inLoop: boolean): boolean {
  switch (node.kind) {
    case "unit":
    case "set":
      return false;
    case "place":
      return node.inner !== null && isAmbiguous(node.inner, everything, inLoop);
    case "sequence": {
      let after = next;
      for (const part of node.parts.toReversed()) {
        if (isAmbiguous(part, after, inLoop)) return true;
        const start = startOf(part);
        after = start.empty ? after | start.set : start.set;
      }
      return false;
    }
    case "choice":
      if (inLoop && overlaps(node.parts, next)) return true;
      return node.parts.some((part) => isAmbiguous(part, next, inLoop));
    case "repeat": {
      const start = startOf(node.part);
      if (inLoop && node.min !== node.max && (start.set & next) !== 0n) return true;
      const loops = node.max > fewTimes;
      if (loops && start.empty && !takesNoRoom(node.part)) return true;
      return isAmbiguous(node.part, node.max > 1 ? next | start.set : next, inLoop || loops);
    }
  }
}

function takesNoRoom(node: RegexNode): boolean {
  if (node.kind === "place") return true;
  return (node.kind === "sequence" || node.kind === "choice") && node.parts.every(takesNoRoom);
}

/** Whether two branches, or none and what follows, can begin with the same unit. Plain words of which none begins another don't. */
function overlaps(parts: readonly RegexNode[], next: UnitSet): boolean {
  const words = parts.map(wordOf);
  if (words.every((word) => word !== undefined)) {
    const sorted = words.toSorted();
    return sorted.some((word, i) => word === "" || (sorted[i + 1]?.startsWith(word) ?? false));
  }
  let seen = 0n;
  for (const part of parts) {
    const start = startOf(part);
    if ((start.set & seen) !== 0n || (start.empty && next !== 0n)) return true;
    seen |= start.set;
  }
  return false;
}

/** The one text that a node stands for. */
function wordOf(node: RegexNode): string | undefined {
  if (node.kind === "unit") return node.unit.toLowerCase();
  if (node.kind !== "sequence") return undefined;
  let word = "";
  for (const part of node.parts) {
    if (part.kind !== "unit") return undefined;
    word += part.unit.toLowerCase();
  }
  return word;
}

/** Whether what it matches holds no newline and depends on nothing around it but where a line begins and ends. */
export function staysInLine(node: RegexNode): boolean {
  switch (node.kind) {
    case "unit":
    case "set":
      return (node.set & newlines) === 0n;
    case "place":
      return node.inner === null;
    case "sequence":
    case "choice":
      return node.parts.every(staysInLine);
    case "repeat":
      return staysInLine(node.part);
  }
}
