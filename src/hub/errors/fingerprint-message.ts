/** What a message says apart from its values: numbers, ids, times, paths, addresses and quoted text become placeholders. */

import { remembering } from "./fingerprint-memory.ts";

/** Characters of a message that count. What differs beyond them is left out of account. */
const maxLength = 1000;

/**
 * One pass over the message, longer forms before the shorter ones that they hold. Every repetition is bounded, and no
 * two neighbours can match the same text, so that the time is linear in the length.
 */
const kinds = [
  ["uuid", "(?<![\\w-])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![\\w-])"],
  [
    "time",
    // RFC 3339 and its relatives; dates alone; times alone
    "(?<![\\w.])(?:\\d{4}[-/]\\d\\d[-/]\\d\\d(?:[T ]\\d\\d:\\d\\d(?::\\d\\d(?:[.,]\\d{1,9})?)?(?:Z| ?[+-]\\d\\d:?\\d\\d)?)?|\\d\\d?[/.]\\d\\d?[/.]\\d{4}|\\d\\d?:\\d\\d:\\d\\d(?:[.,]\\d{1,9})?)(?![\\w])",
  ],
  ["email", "(?<![\\w.+-])[\\w.+-]{1,64}@[\\w-]{1,63}(?:\\.[\\w-]{1,63}){1,8}"],
  ["url", "(?<!\\w)[a-z][a-z0-9+.-]{1,20}://[^\\s\"'<>`]{1,1000}"],
  [
    "quoted",
    "(?<![\\w])\"[^\"\\n]{0,400}\"(?!\\w)|(?<![\\w])'[^'\\n]{0,400}'(?!\\w)|(?<!\\w)`[^`\\n]{0,400}`(?!\\w)|«[^»\\n]{0,400}»|“[^”\\n]{0,400}”",
  ],
  [
    "path",
    "(?<![\\w.:/<])(?:~|\\.{1,2})?/[\\w.@%+~-]{1,255}(?:/[\\w.@%+~-]{1,255}){0,40}/?|(?<!\\w)[A-Za-z]:\\\\[\\w.\\\\ -]{1,255}",
  ],
  [
    "ip",
    "(?<![\\w.])(?:\\d{1,3}\\.){3}\\d{1,3}(?::\\d{1,5})?(?![\\w.]\\w)|(?<![\\w:])(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}(?![\\w:])|(?<![\\w:])(?:[0-9a-fA-F]{1,4}:){1,7}(?::[0-9a-fA-F]{1,4}){1,6}(?![\\w:])|(?<![\\w:])::[0-9a-fA-F]{1,4}(?![\\w:])",
  ],
  // addresses, hashes: with a digit among them, so that "deadbeef" alone stays a word, as "facade" must
  [
    "hex",
    "(?<!\\w)0[xX][0-9a-fA-F]{1,64}(?!\\w)|(?<!\\w)(?=[a-fA-F]{0,64}\\d)(?=\\d{0,64}[a-fA-F])[0-9a-fA-F]{6,128}(?!\\w)",
  ],
  // long mixtures of letters and digits are ids: request ids, tokens, pod names
  ["id", "(?<![\\w-])(?=[A-Za-z_-]{0,80}\\d)(?=[\\d_-]{0,80}[A-Za-z])[A-Za-z0-9_-]{16,200}(?![\\w-])"],
  ["n", "(?<![A-Za-z_])[+-]?\\d+(?:[.,]\\d+)*(?:[eE][+-]?\\d{1,4})?%?|(?<=[A-Za-z_])\\d+"],
] as const;

export type ValueKind = (typeof kinds)[number][0];

/** Ids have one placeholder with numbers: now and then one of them has no letter in it. */
const placeholders: Partial<Readonly<Record<ValueKind, string>>> = { uuid: "n", hex: "n", id: "n" };

/** A group for each kind, in their order; groups with names cost twice as much (measured). */
const values = new RegExp(kinds.map(([, pattern]) => `(${pattern})`).join("|"), "g");
const instead = kinds.map(([kind]) => `<${placeholders[kind] ?? kind}>`);
// ECMA-48 control sequences: colours
// oxlint-disable-next-line no-control-regex
const colours = /\u001b\[[0-9;?]*[A-Za-z]/g;

export type Masked = {
  /** the message with `<n>`, `<path>`, … */
  readonly text: string;
  /** which kinds of values were in it */
  readonly kinds: ReadonlySet<ValueKind>;
};

/** The first line of a message with its values masked. */
export function maskMessage(message: string): Masked {
  return maskLine(firstLine(message).slice(0, maxLength));
}

const maskLine = remembering((coloured): Masked => {
  const found = new Set<ValueKind>();
  const line = coloured.includes("\u001b") ? coloured.replace(colours, "") : coloured;
  const text = line.replace(values, (_match, ...groups: unknown[]) => {
    const at = groups.findIndex((group) => group !== undefined);
    const [kind] = kinds[at] ?? kinds[0];
    found.add(kind);
    return instead[at] ?? "";
  });
  return { text: text.replace(/\s+/g, " ").trim(), kinds: found };
});

/** The first line that says anything. */
export function firstLine(message: string): string {
  const text = message.trimStart();
  const end = text.indexOf("\n");
  return end === -1 ? text : text.slice(0, end);
}
