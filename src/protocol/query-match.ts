/** Whether one entry is what a query asks for. The store's search over whole blocks gives the same answers. */
import { parseInstant } from "#src/lib/instant.ts";
import type { StoredEntry } from "./api.ts";
import { type Level, levels } from "./level.ts";
import type { FieldTest, LogSelection, Query } from "./query.ts";

/** An expression looks at this many characters of a message: what takes quadratic time must find an end. */
export const regexReach = 32_768;

export type EntryTest = (entry: StoredEntry) => boolean;

/** Makes the test of everything that a search is limited to. */
export function selectorOf(selection: LogSelection): EntryTest {
  const { scope, servers, sources, streams, level, fromMs, toMs } = selection;
  const least = level === null ? 0 : levels.indexOf(level);
  const timed = fromMs !== null || toMs !== null;
  const matches = matcherOf(selection.query);
  return (entry) => {
    if (scope !== null && !scope.has(entry.serverId)) return false;
    if (servers !== null && !servers.includes(entry.serverId)) return false;
    if (sources !== null && !sources.includes(entry.source)) return false;
    if (streams !== null && !streams.includes(entry.stream)) return false;
    if (least > 0 && levels.indexOf(entry.level) < least) return false;
    if (timed) {
      const ms = parseInstant(entry.at);
      if (ms < (fromMs ?? -Infinity) || ms >= (toMs ?? Infinity)) return false;
    }
    return matches(entry);
  };
}

/** Makes the test of a query. */
export function matcherOf(query: Query): EntryTest {
  switch (query.kind) {
    case "all":
      return () => true;
    case "text": {
      const holds = textTest(query.text, query.caseSensitive);
      return (entry) => holds(entry.message);
    }
    case "regex": {
      const matches = regexTest(query.source, query.flags);
      return (entry) => matches(entry.message);
    }
    case "field": {
      const values = valueReader(query.path);
      const test = valueTest(query.test);
      return (entry) => test(values(entry));
    }
    case "not": {
      const test = matcherOf(query.part);
      return (entry) => !test(entry);
    }
    case "and": {
      const tests = query.parts.map(matcherOf);
      return (entry) => tests.every((test) => test(entry));
    }
    case "or": {
      const tests = query.parts.map(matcherOf);
      return (entry) => tests.some((test) => test(entry));
    }
  }
}

/**
 * Whether a text holds another; without case as an expression's `i` without `u` compares: one UTF-16 unit with one, and
 * ASCII letters with ASCII letters only, so that bytes can be compared where a text is in ASCII.
 */
export function textTest(text: string, caseSensitive: boolean): (message: string) => boolean {
  if (caseSensitive || !hasCase(text)) return (message) => message.includes(text);
  const pattern = new RegExp(RegExp.escape(text), "i");
  return (message) => pattern.test(message);
}

export function regexTest(source: string, flags: string): (message: string) => boolean {
  const pattern = new RegExp(source, flags);
  return (message) => pattern.test(message.length > regexReach ? message.slice(0, regexReach) : message);
}

/** Whether the case of a text could matter. */
export function hasCase(text: string): boolean {
  return text.toLowerCase() !== text || text.toUpperCase() !== text;
}

/** What a query's names stand for; everything else is a field, and so is what follows `fields.`. */
export const columnNames = ["level", "source", "stream", "server", "container", "message"] as const;
export type ColumnName = (typeof columnNames)[number];

/** The column that a path names; null: it leads into the fields. */
export function columnOf(path: string): ColumnName | null {
  const name = path.toLowerCase();
  return columnNames.find((one) => one === name) ?? null;
}

/** The path of a field below `fields`. */
export function fieldPath(path: string): string {
  return path.startsWith("fields.") ? path.slice("fields.".length) : path;
}

/** What an entry has at a path: the value, all of an array's, or nothing. */
export function valueReader(path: string): (entry: StoredEntry) => readonly unknown[] {
  const column = columnOf(path);
  switch (column) {
    case "level":
    case "source":
    case "stream":
    case "message":
      return (entry) => [entry[column]];
    case "server":
      return (entry) => [entry.serverId];
    case "container":
      return (entry) => (entry.fields === undefined ? [] : containerNames(entry.fields));
    case null: {
      const below = fieldPath(path);
      return (entry) => (entry.fields === undefined ? [] : valuesAt(entry.fields, below));
    }
  }
}

/** A container answers to its name, its id, and the short form of it that `docker ps` shows. */
export function containerNames(fields: Readonly<Record<string, unknown>>): readonly unknown[] {
  const { container, containerId } = fields;
  const id = typeof containerId === "string" ? [containerId, containerId.slice(0, 12)] : [];
  return container === undefined ? id : [container, ...id];
}

/** A name with dots may be one key, or lead from object to object; the longest key first. */
export function valuesAt(value: unknown, path: string): readonly unknown[] {
  const found = lookUp(value, path);
  if (found === undefined || found === null) return [];
  return Array.isArray(found) ? found : [found];
}

function lookUp(value: unknown, path: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  if (Object.hasOwn(value, path)) return (value as Record<string, unknown>)[path];
  for (let dot = path.lastIndexOf("."); dot > 0; dot = path.lastIndexOf(".", dot - 1)) {
    const head = path.slice(0, dot);
    if (!Object.hasOwn(value, head)) continue;
    const found = lookUp((value as Record<string, unknown>)[head], path.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Makes a test of the values at a path: one of them must stand it. */
export function valueTest(test: FieldTest): (values: readonly unknown[]) => boolean {
  switch (test.kind) {
    case "exists":
      return (values) => values.length > 0;
    case "compare": {
      const stands = comparison(test.operator, test.number);
      return (values) => values.some((value) => stands(numberOf(value)));
    }
    case "is":
      return byText(whole(RegExp.escape(test.text)));
    case "in": {
      const wanted = new Set(test.values);
      return (values) => values.some((value) => isScalar(value) && wanted.has(String(value)));
    }
    case "like":
      return byText(whole(test.pieces.map((piece) => RegExp.escape(piece)).join(".*")));
    case "regex": {
      const matches = regexTest(test.source, test.flags);
      return (values) => values.some((value) => isScalar(value) && matches(String(value)));
    }
  }
}

function byText(pattern: RegExp): (values: readonly unknown[]) => boolean {
  return (values) => values.some((value) => isScalar(value) && pattern.test(String(value)));
}

const whole = (pattern: string) => new RegExp(`^(?:${pattern})$`, "is");

const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean";

/** Numbers, texts that are numbers, and the names of levels; NaN, which stands no comparison, for all else. */
function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.trim() === "") return Number.NaN;
  const rank = levels.indexOf(value as Level);
  return rank >= 0 ? rank : Number(value);
}

function comparison(operator: "<" | "<=" | ">" | ">=", number: number): (value: number) => boolean {
  switch (operator) {
    case "<":
      return (value) => value < number;
    case "<=":
      return (value) => value <= number;
    case ">":
      return (value) => value > number;
    case ">=":
      return (value) => value >= number;
  }
}
