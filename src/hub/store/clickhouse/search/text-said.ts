/** What can be said in SQL of texts: of a message, or of the names of a server or source. */
import { hasCase, regexReach } from "#src/protocol/query-match.ts";
import type { FieldTest } from "#src/protocol/query.ts";
import { type Need, needOf, needOfRegex } from "../../search/literals.ts";
import { translate } from "./expression.ts";
import { caseless } from "./letters.ts";
import { numbersIn } from "./numbers.ts";
import { type Said, atMost, either, exactly, everything, provided, within } from "./said.ts";
import { type Sql, and, isOneOf, likePattern, no, or, quote, yes } from "./sql.ts";

/** A column of texts. */
export type TextColumn = {
  readonly name: string;
  /**
   * True where the text is another than the column says, which then has U+FFFD for what is no character; null: it never is
   */
  readonly odd: Sql | null;
};

const replacement = "\ufffd";
/** Bytes; the filter knows nothing of shorter ones. */
const shortestGram = 4;

/** A text is part of it. */
export function saidOfText(column: TextColumn, text: string, caseSensitive: boolean): Said {
  if (!text.isWellFormed()) return broken(column);
  return plainly(
    column,
    text,
    within(needSql(column.name, textNeed(text, caseSensitive)), exactly(holds(column.name, text, caseSensitive))),
  );
}

/** A condition on the column is one on the text, but for what was replaced in it. */
function plainly(column: TextColumn, text: string, said: Said): Said {
  if (column.odd === null || !text.includes(replacement)) return said;
  return { upper: said.upper, lower: and(said.lower, `(NOT ${column.odd})`) };
}

/** Half of a character is in texts that are odd, and in whole characters of two halves. */
function broken({ name, odd }: TextColumn): Said {
  return atMost(or(odd ?? no, matches(name, "[\\x{10000}-\\x{10FFFF}]")));
}

function holds(name: string, text: string, caseSensitive: boolean): Sql {
  if (caseSensitive || !hasCase(text)) return `(position(${name}, ${quote(text)}) > 0)`;
  if (isAscii(text)) return holdsLowered(name, text.toLowerCase());
  return matches(name, caseless(text));
}

const holdsLowered = (name: string, lower: string): Sql => `(lower(${name}) LIKE ${quote(`%${likePattern(lower)}%`)})`;
const matches = (name: string, expression: string): Sql => `match(${name}, ${quote(expression)})`;
const isAscii = (text: string): boolean => /^[\u0000-\u007f]*$/.test(text);

/** It matches an expression. */
export function saidOfRegex(column: TextColumn, source: string, flags: string): Said {
  const { name } = column;
  const expression = translate(source, flags);
  const need = needSql(name, needOfRegex(source, flags));
  if (expression === null) return atMost(need);
  // what lies beyond the reach is not looked at; bytes are characters where all are in ASCII
  const plain = `(length(${name}) <= ${regexReach} AND lengthUTF8(${name}) = length(${name}))`;
  return within(need, provided(plain, exactly(matches(name, expression))));
}

/** A test of a field's value, where that is the text of a column. */
export function saidOfTest(column: TextColumn, test: FieldTest): Said {
  const { name } = column;
  switch (test.kind) {
    case "exists":
      return everything;
    case "compare":
      // texts that are numbers
      return atMost(yes);
    case "is":
      return whole(column, [test.text]);
    case "like":
      return whole(column, test.pieces);
    case "in": {
      const said = either(...test.values.map((text) => plainly(column, text, exactly(isOneOf(name, [text])))));
      return test.values.every((text) => text.isWellFormed()) ? said : either(said, atMost(column.odd ?? no));
    }
    case "regex":
      return saidOfRegex(column, test.source, test.flags);
  }
}

/** It is these pieces with anything between them, without case. */
function whole(column: TextColumn, pieces: readonly string[]): Said {
  if (!pieces.every((piece) => piece.isWellFormed())) return broken(column);
  const { name } = column;
  const [only = ""] = pieces;
  const condition =
    pieces.length === 1 && isAscii(only)
      ? `(lower(${name}) = ${quote(only.toLowerCase())})`
      : matches(name, `\\A${pieces.map(caseless).join("(?s:.*)")}\\z`);
  const field = { kind: "field", path: "message", test: { kind: "like", pieces } } as const;
  return plainly(column, pieces.join(""), within(needSql(name, needOf(field)), exactly(condition)));
}

/** What a text must hold for a query to match; both are without case within ASCII. */
export function textNeed(text: string, caseSensitive: boolean): Need {
  return needOf({ kind: "text", text, caseSensitive });
}

/**
 * A condition that every text fulfils that holds what is needed: the one that the indexes of a column (indexes.ts)
 * understand.
 */
export function needSql(name: string, need: Need): Sql {
  if (need === null) return yes;
  if (need.kind !== "literal") {
    const parts = need.parts.map((part) => needSql(name, part));
    return need.kind === "all" ? and(...parts) : or(...parts);
  }
  const lower = need.text.toLowerCase();
  if (!lower.isWellFormed()) return no;
  const gram = Buffer.byteLength(lower) < shortestGram ? yes : holdsLowered(name, lower);
  return and(gram, numbersIn(name, lower));
}
