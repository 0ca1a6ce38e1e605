/**
 * From words to a command's arguments. citty's parser does the splitting; it accepts anything, so what it found is then
 * held against the definition. It is only loaded when there is a flag to parse: that saves a light command 2 ms.
 */
import type { ArgDef, ArgsDef } from "citty";

import { usageFault } from "./exit.ts";
import { nearest } from "./nearest.ts";

export type Arguments = {
  readonly args: Readonly<Record<string, unknown>>;
  readonly words: readonly string[];
  readonly repeated: Readonly<Record<string, readonly string[]>>;
};

/** Takes any number of values. */
export const isRepeatable = (definition: ArgDef): boolean => definition.valueHint?.endsWith("...") === true;

/**
 * Parses the words after a command's name.
 * @param name the command as it is typed, for messages
 * @throws {CliFault} with exit code 2, naming the flag or word that is wrong
 */
export async function parseArguments(
  name: string,
  definitions: ArgsDef,
  tokens: readonly string[],
): Promise<Arguments> {
  const end = tokens.indexOf("--");
  const hasFlags = tokens.some((token, i) => token.length > 1 && token.startsWith("-") && (end === -1 || i < end));
  const parsed = hasFlags
    ? await parseFlags(name, definitions, tokens)
    : { args: {}, words: tokens.filter((_, i) => i !== end), repeated: {} };
  return {
    ...parsed,
    args: { ...defaults(definitions), ...parsed.args, ...placeWords(name, definitions, parsed.words) },
  };
}

function defaults(definitions: ArgsDef): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const [name, definition] of Object.entries(definitions)) {
    if (definition.default !== undefined) given[name] = definition.default;
  }
  return given;
}

const longNameOfWords = /^--(?:no-)?_(?:=|$)/;

/**
 * citty keeps the words under the name `_`, so a flag of that name would put itself in their place. `valued`: names of flags
 * behind which the rest of a token is their value.
 */
function takesNameOfWords(token: string, valued: ReadonlySet<string>): boolean {
  if (token.startsWith("--")) return longNameOfWords.test(token);
  if (!token.startsWith("-")) return false;
  for (let i = 1; i < token.length; i++) {
    const letter = token[i] as string;
    if (letter === "_") return true;
    if (valued.has(letter)) return false;
  }
  return false;
}

async function parseFlags(name: string, definitions: ArgsDef, tokens: readonly string[]): Promise<Arguments> {
  const { parseArgs } = await import("citty");
  const flags = Object.entries(definitions).filter(([, definition]) => definition.type !== "positional");
  const { left, repeated } = takeRepeated(name, flags, tokens);
  // enums as strings: our own message is in one style with the others
  const forCitty: ArgsDef = Object.fromEntries(
    flags.map(([flag, definition]) => [
      flag,
      definition.type === "enum" ? { ...definition, type: "string" } : definition,
    ]),
  );
  // cut off here: a flag without its value would take the -- for it, and what follows for flags
  const end = left.indexOf("--");
  const [flagged, plain] = end === -1 ? [left, []] : [left.slice(0, end), left.slice(end + 1)];
  const valued = new Set(
    flags
      .filter(([, definition]) => definition.type !== "boolean")
      .flatMap(([flag, definition]) => [flag, ...aliasesOf(definition)]),
  );
  const nameless = flagged.find((token) => takesNameOfWords(token, valued));
  if (nameless !== undefined) throw unknownFlag(name, flags, nameless);
  const { _: words, ...found } = parseArgs([...flagged], forCitty);
  for (const [key, value] of Object.entries(found)) holdAgainst(name, flags, flagged, key, value);
  return { args: found, words: [...words, ...plain], repeated };
}

function takeRepeated(name: string, flags: readonly [string, ArgDef][], tokens: readonly string[]) {
  const repeated: Record<string, string[]> = {};
  const left: string[] = [];
  const repeatable = new Set(flags.filter(([, definition]) => isRepeatable(definition)).map(([flag]) => flag));
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] ?? "";
    if (token === "--") {
      left.push(...tokens.slice(i));
      break;
    }
    const [flag, value] = splitOnce(token.startsWith("--") ? token.slice(2) : "");
    if (!repeatable.has(flag)) {
      left.push(token);
      continue;
    }
    const given = value ?? tokens[++i];
    if (given === undefined) throw needsValue(name, `--${flag}`);
    (repeated[flag] ??= []).push(given);
  }
  return { left, repeated };
}

function splitOnce(text: string): [string, string?] {
  const at = text.indexOf("=");
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function holdAgainst(
  name: string,
  flags: readonly [string, ArgDef][],
  tokens: readonly string[],
  key: string,
  value: unknown,
): void {
  const typed =
    value === false && tokens.includes(`--no-${key}`) ? `--no-${key}` : `${key.length === 1 ? "-" : "--"}${key}`;
  // citty tells `auto-restart` as `autoRestart` too
  const kebab = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const match = flags.find(([flag, definition]) => flag === kebab || aliasesOf(definition).includes(key));
  if (match === undefined) throw unknownFlag(name, flags, typed);
  const [flag, definition] = match;
  if (definition.type === "boolean") return;
  if (value === false) throw unknownFlag(name, flags, typed);
  if (value === "" || (typeof value === "string" && value.startsWith("-") && value !== "-" && tokens.includes(value))) {
    throw needsValue(name, typed);
  }
  const choices = "options" in definition ? (definition.options ?? []) : [];
  if (choices.length > 0 && !choices.includes(String(value))) {
    throw usageFault(`--${flag} can't be "${String(value)}"`, `Use one of: ${choices.join(", ")}`);
  }
}

const aliasesOf = (definition: ArgDef): readonly string[] =>
  "alias" in definition ? [definition.alias ?? []].flat() : [];

function needsValue(name: string, flag: string) {
  return usageFault(
    `${flag} needs a value`,
    `Write ${flag.startsWith("--") ? `${flag}=VALUE` : `${flag} VALUE`}; see orion ${name} --help`,
  );
}

function unknownFlag(name: string, flags: readonly [string, ArgDef][], typed: string) {
  const known = flags.flatMap(([flag, definition]) => (definition.default === true ? [`--no-${flag}`] : [`--${flag}`]));
  const guess = nearest(typed, [...known, "--json", "--dir", "--no-color", "--help"]);
  return usageFault(
    `${name} has no flag ${typed}`,
    `${guess === undefined ? "" : `Did you mean ${guess}? `}A word that begins with a dash goes after --; see orion ${name} --help`,
  );
}

function placeWords(name: string, definitions: ArgsDef, words: readonly string[]): Record<string, string> {
  const placed: Record<string, string> = {};
  const positionals = Object.entries(definitions).filter(([, definition]) => definition.type === "positional");
  let next = 0;
  for (const [key, definition] of positionals) {
    const word = words[next];
    if (word === undefined && definition.required !== false) {
      throw usageFault(`${name} needs <${key}>`, `See orion ${name} --help`);
    }
    if (word === undefined) break;
    placed[key] = word;
    next = isRepeatable(definition) ? words.length : next + 1;
  }
  const extra = words[next];
  if (extra !== undefined) {
    throw usageFault(`${name} does not take "${extra}"`, `See orion ${name} --help`);
  }
  return placed;
}
