/** What an entry consists of beside its text: its fields, and those of a message that is JSON itself. Pure. */
import type { StoredEntry } from "#src/protocol/api.ts";
import { printQuery } from "#src/protocol/query-printer.ts";
import { printField } from "./view.ts";

/** Fields of one entry that are listed. */
const maxFields = 200;
/** Longest value that a filter is made of, in characters. */
const longestFilter = 300;
const deepest = 8;

export type Field = {
  /** as a query names it; of a JSON message its path there */
  readonly path: string;
  readonly value: string;
  /** what finds entries with this value; null: nothing does */
  readonly query: string | null;
};

/** `fields` of the entry. */
export function fieldsOf(entry: StoredEntry): readonly Field[] {
  return flatten(entry.fields ?? {}).map(({ path, value }) => ({
    path,
    value: textOf(value),
    query: filterFor(path, value),
  }));
}

/** Those of a message that is a JSON object; none when it isn't. */
export function messageFields(message: string): readonly Field[] {
  const object = parseObject(message);
  if (object === null) return [];
  return flatten(object).map(({ path, key, value }) => ({
    path,
    value: textOf(value),
    query: phraseFor(message, key, value),
  }));
}

type Leaf = { readonly path: string; readonly key: string; readonly value: unknown };

function flatten(object: Readonly<Record<string, unknown>>): readonly Leaf[] {
  const leaves: Leaf[] = [];
  const walk = (value: Readonly<Record<string, unknown>>, above: string, depth: number) => {
    for (const [key, inner] of Object.entries(value)) {
      if (leaves.length >= maxFields) return;
      const path = above === "" ? key : `${above}.${key}`;
      if (isObject(inner) && depth < deepest && Object.keys(inner).length > 0) walk(inner, path, depth + 1);
      else leaves.push({ path, key, value: inner });
    }
  };
  walk(object, "", 0);
  return leaves;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const textOf = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

const columns: readonly string[] = ["level", "source", "stream", "server", "container", "message"];

function filterFor(path: string, value: unknown): string | null {
  if (value === null || typeof value === "object") return null;
  const text = textOf(value);
  if (text === "" || text.length > longestFilter) return null;
  // a field may be called like something of the entry's own
  const own = columns.includes(path.toLowerCase()) && path !== "container";
  return printField(own ? `fields.${path}` : path, text);
}

/** The fields of a message are text to a search: the phrase as it stands there. */
function phraseFor(message: string, key: string, value: unknown): string | null {
  if (typeof value === "object" && value !== null) return null;
  const [name, text] = [JSON.stringify(key), JSON.stringify(value)];
  const phrase = [`${name}:${text}`, `${name}: ${text}`, text].find((one) => message.includes(one));
  if (phrase === undefined || phrase.length > longestFilter) return null;
  return printQuery({ kind: "text", text: phrase, caseSensitive: false });
}

function parseObject(message: string): Readonly<Record<string, unknown>> | null {
  const text = message.trim();
  if (!text.startsWith("{") || !text.endsWith("}")) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    // it only begins like JSON: the line is shown as it is
    return null;
  }
}

/** What people look for in a JSON line: its message, when it has one under a usual name. */
export function headline(message: string): { readonly text: string; readonly rest: string } | null {
  const object = parseObject(message);
  if (object === null) return null;
  const name = ["msg", "message", "event", "@m", "body"].find((one) => typeof object[one] === "string");
  const text = name === undefined ? undefined : object[name];
  if (typeof text !== "string" || text === "") return null;
  const rest = Object.entries(object)
    .filter(([key]) => key !== name && !usual.has(key.toLowerCase()))
    .map(([key, value]) => `${key}=${textOf(value)}`)
    .join(" ");
  return { text, rest };
}

/** What the line says beside it anyway. */
const usual = new Set(["level", "time", "timestamp", "ts", "@timestamp", "severity", "lvl", "@t", "@l", "v"]);
