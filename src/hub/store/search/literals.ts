/** Texts that every match of a query holds, by which a filter can say that there is none. */
import { columnOf } from "#src/protocol/query-match.ts";
import { type RegexNode, parseRegex } from "#src/protocol/query-regex.ts";
import type { FieldTest, Query } from "#src/protocol/query.ts";

/** What must be there for a query to match; null: that can't be said. */
export type Need =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "all" | "any"; readonly parts: readonly Need[] }
  | null;

/** Bytes; shorter ones are nearly everywhere. */
const shortest = 3;
/** Literals of one expression that are asked for; more only cost time. */
const mostOfExpression = 8;

/** Literals that the message or the fields of a match hold, with ASCII letters in lower case: filters fold no others. */
export function needOf(query: Query): Need {
  switch (query.kind) {
    case "all":
    case "not":
      return null;
    case "text":
      return every(runsOf(query.text, query.caseSensitive));
    case "regex":
      return needOfRegex(query.source, query.flags);
    case "field":
      return needOfField(query.path, query.test);
    case "and":
      return all(query.parts.map(needOf));
    case "or":
      return any(query.parts.map(needOf));
  }
}

function needOfField(path: string, test: FieldTest): Need {
  const column = columnOf(path);
  // other columns are not in the filter
  if (column !== null && column !== "message" && column !== "container") return null;
  // fields lie as JSON text, which writes these in other ways
  const runs = (text: string) => (column === "message" ? runsOf(text, false) : text.split(/[^\u0020-\u007e]+|["\\/]+/));
  switch (test.kind) {
    case "is":
      return every(runs(test.text));
    case "in":
      return any(test.values.map((text) => every(runs(text))));
    case "like":
      return every(test.pieces.flatMap((piece) => runs(piece)));
    case "regex":
      return column === "message" ? needOfRegex(test.source, test.flags) : null;
    case "exists":
    case "compare":
      if (column !== null) return null;
      return every(runs(path.slice(Math.max(path.lastIndexOf("."), path.lastIndexOf("/")) + 1)));
  }
}

/** The parts of a text that stand in every match byte by byte, but for the case of ASCII letters. */
function runsOf(text: string, caseSensitive: boolean): string[] {
  const runs = [""];
  for (const unit of text) {
    const lower = unit.toLowerCase();
    // scripts without case are equal to themselves only
    const kept = unit <= "\u007f" || (lower === unit && (caseSensitive || unit.toUpperCase() === unit));
    if (kept && unit.isWellFormed()) runs[runs.length - 1] += lower;
    else runs.push("");
  }
  return runs;
}

function every(texts: readonly string[]): Need {
  const long = texts.filter((text) => Buffer.byteLength(text) >= shortest);
  return all(long.map((text) => ({ kind: "literal", text: text.toLowerCase() })));
}

function all(parts: readonly Need[]): Need {
  const known = parts.filter((part) => part !== null);
  return known.length === 0 ? null : known.length === 1 ? (known[0] ?? null) : { kind: "all", parts: known };
}

function any(parts: readonly Need[]): Need {
  // a branch that needs nothing lets everything through
  if (parts.includes(null)) return null;
  return { kind: "any", parts };
}

/** What every match of an expression holds. */
export function needOfRegex(source: string, flags: string): Need {
  const { node } = parseRegex(source, flags);
  // with both flags, letters beyond ASCII are equal to some within
  if (node === undefined || (flags.includes("i") && flags.includes("u"))) return null;
  return needOfNode(node);
}

function needOfNode(node: RegexNode): Need {
  const runs = new Runs();
  runs.take(node);
  return runs.need();
}

/** Collects the units that follow one another in every match. */
class Runs {
  #run = "";
  readonly #needs: Need[] = [];

  take(node: RegexNode): void {
    switch (node.kind) {
      case "unit":
        if (node.unit <= "\u007f") this.#run += node.unit;
        else this.cut();
        return;
      case "set":
        return this.cut();
      case "place":
        // takes no room: what stands before and after it touches
        return;
      case "sequence":
        for (const part of node.parts) this.take(part);
        return;
      case "choice":
        this.cut();
        this.#needs.push(any(node.parts.map(needOfNode)));
        return;
      case "repeat":
        if (node.min === 1 && node.max === 1) return this.take(node.part);
        this.cut();
        if (node.min > 0) this.#needs.push(needOfNode(node.part));
    }
  }

  cut(): void {
    if (this.#run.length >= shortest) this.#needs.push({ kind: "literal", text: this.#run.toLowerCase() });
    this.#run = "";
  }

  need(): Need {
    this.cut();
    return all(this.#needs.filter((need) => need !== null).slice(0, mostOfExpression));
  }
}
