/** What an operator wants to have taken out besides. */
import { type RegexNode, parseRegex } from "#src/protocol/query-regex.ts";
import { z } from "#src/protocol/schema.ts";
import { needlesOf } from "./literals.ts";
import { type Rule, mark } from "./rule.ts";

/**
 * Parts of a pattern that may share text with what follows: each costs as much again as the text is long. Searches, that
 * have a time limit, may have more.
 */
const mostShared = 1;
/** A pattern is tried on pieces of this many characters, so that a long line takes no longer than many short ones. */
const pieceLength = 2048;
const mostPatterns = 50;

export const ownPattern = z.strictObject({
  /** for the mark that takes its place, and for people */
  name: z.string().check(z.regex(/^[a-z0-9][a-z0-9-]{0,39}$/, "must be lowercase letters, digits and hyphens")),
  /** a regular expression of JavaScript */
  pattern: z
    .string()
    .check(
      z.minLength(1),
      z.maxLength(2000),
      z.refine(isGood, { error: (issue) => problemOf(String(issue.input)) ?? "" }),
    ),
  /** `$1` is the first group; left out: `[redacted:NAME]` */
  replacement: z.optional(z.string().check(z.maxLength(200))),
  ignoreCase: z._default(z.boolean(), false),
});
export type OwnPattern = z.infer<typeof ownPattern>;
export const ownPatterns = z.array(ownPattern).check(z.maxLength(mostPatterns));

function isGood(pattern: string): boolean {
  return problemOf(pattern) === undefined;
}

/** Why a pattern can't be used. */
function problemOf(pattern: string): string | undefined {
  const { problem } = parseRegex(pattern, "i", mostShared);
  if (problem !== undefined) return problem;
  return new RegExp(pattern, "i").test("") ? "this expression matches where nothing is" : undefined;
}

export function ownRule({ name, pattern, replacement, ignoreCase }: OwnPattern): Rule {
  const flags = ignoreCase ? "gi" : "g";
  const found = new RegExp(pattern, flags);
  const instead = replacement ?? mark(name);
  return {
    name,
    needles: needlesOf(parseRegex(pattern, flags.slice(1), mostShared).node as RegexNode) ?? [],
    redact: (text) =>
      text.length <= pieceLength
        ? text.replace(found, instead)
        : piecesOf(text)
            .map((piece) => piece.replace(found, instead))
            .join(""),
  };
}

/** Cut at blanks where there are any. */
function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  for (let from = 0; from < text.length;) {
    const most = from + pieceLength;
    const blank = most >= text.length ? text.length : text.lastIndexOf(" ", most) + 1;
    const to = blank > from ? blank : most;
    pieces.push(text.slice(from, to));
    from = to;
  }
  return pieces;
}
