/**
 * Conditions in ClickHouse's SQL, as text. Whatever comes from outside goes through `quote` or `number`: nothing that
 * somebody searches for is ever read as SQL.
 */

/** A condition, or a part of one. */
export type Sql = string;

export const yes: Sql = "1";
export const no: Sql = "0";

/** A text as a literal. What is no well-formed Unicode can't be said: callers see to that before. */
export function quote(text: string): Sql {
  // control characters by number: a query is one line of readable text, and holds no NUL
  const safe = text.replaceAll(/[\\'\u0000-\u001f\u007f]/g, (unit) => {
    if (unit === "\\" || unit === "'") return `\\${unit}`;
    return `\\x${unit.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `'${safe.toWellFormed()}'`;
}

/** A whole number as a literal, within what Int64 holds. */
export function number(value: number): Sql {
  const whole = Math.trunc(value);
  if (Number.isNaN(whole)) throw new RangeError("not a number");
  const most = 2 ** 53;
  return String(Math.max(-most, Math.min(most, whole)));
}

export function and(...parts: readonly Sql[]): Sql {
  if (parts.includes(no)) return no;
  return joined(
    parts.filter((part) => part !== yes),
    "AND",
    yes,
  );
}

export function or(...parts: readonly Sql[]): Sql {
  if (parts.includes(yes)) return yes;
  return joined(
    parts.filter((part) => part !== no),
    "OR",
    no,
  );
}

export function not(part: Sql): Sql {
  if (part === yes) return no;
  if (part === no) return yes;
  return `(NOT ${part})`;
}

function joined(parts: readonly Sql[], word: string, none: Sql): Sql {
  const distinct = [...new Set(parts)];
  const [only = none] = distinct;
  return distinct.length <= 1 ? only : `(${distinct.join(` ${word} `)})`;
}

/** Whether a column has one of some texts; those that no stored text can be are left out. */
export function isOneOf(column: Sql, texts: Iterable<string>): Sql {
  const known = [...new Set(texts)].filter((text) => text.isWellFormed());
  return known.length === 0 ? no : `(${column} IN (${known.map(quote).join(", ")}))`;
}

/** `LIKE` patterns have signs of their own. */
export function likePattern(text: string): string {
  return text.replaceAll(/[\\%_]/g, (sign) => `\\${sign}`);
}
