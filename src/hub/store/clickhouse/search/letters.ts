/**
 * Text in expressions of RE2, which is what ClickHouse matches with, compared as the hub's matcher compares
 * (protocol/query-match.ts `textTest`): UTF-16 unit by unit, by `Canonicalize` of ECMAScript without its flag `u`.
 */

/** The units that are equal to one another, for those that have others. */
let families: ReadonlyMap<string, string> | undefined;

/** https://tc39.es/ecma262/#sec-runtime-semantics-canonicalize-ch */
function canonical(unit: string): string {
  const upper = unit.toUpperCase();
  if (upper.length !== 1) return unit;
  return unit > "\u007f" && upper <= "\u007f" ? unit : upper;
}

/** All units that are equal to one without case, itself among them. */
export function sameLetters(unit: string): string {
  families ??= readFamilies();
  return families.get(canonical(unit)) ?? unit;
}

function readFamilies(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let code = 0; code < 0x10000; code++) {
    const unit = String.fromCharCode(code);
    const key = canonical(unit);
    found.set(key, (found.get(key) ?? "") + unit);
  }
  for (const [key, units] of found) if (units.length === 1) found.delete(key);
  return found;
}

/**
 * One character of a text, outside of a class. Never by number, which older versions take for text when they look for
 * what an expression must hold; but for NUL, which must not be in one.
 */
export function literal(character: string): string {
  if (character === "\0") return "[\\x00]";
  return /[\\^$.|?*+()[\]{}]/.test(character) ? `\\${character}` : character;
}

/** One character within a class. */
export function classMember(character: string): string {
  if (character === "\0") return "\\x00";
  return /[\\^[\]-]/.test(character) ? `\\${character}` : character;
}

/** A text without case. The text is well-formed. */
export function caseless(text: string): string {
  let pattern = "";
  for (const character of text) {
    const same = character.length === 1 ? sameLetters(character) : character;
    pattern += same.length === character.length ? literal(character) : `[${same.split("").map(classMember).join("")}]`;
  }
  return pattern;
}
