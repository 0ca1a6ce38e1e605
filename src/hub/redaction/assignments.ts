/** Values whose names say that they are secret: `password=…`, `"api_key": "…"`, `--token …`, `Authorization: …`. */
import { type Rule, mark } from "./rule.ts";
import { type Value, findValue, isQuoted, saysNothing, separator } from "./values.ts";

/** Names of one kind: how they end, and needles for that. `DB_PASSWORD` and `userPassword` are names of a password too. */
type Names = { readonly name: string; readonly ends: string; readonly needles: readonly string[] };

const keys = ["api", "access", "private", "encryption", "signing", "account", "master", "auth", "license"];

const kinds: readonly Names[] = [
  {
    name: "password",
    ends: "passw(?:or)?d(?:[_-]?(?:confirmation|confirm|repeat|again|hash|digest))?\\d?|pass(?:phrase|code)|(?<=[_.-]|[\"'])pass|pwd(?!=/)|(?<![\\s\"'](?:OLD)?|^(?:OLD)?)pwd(?==/)",
    needles: [
      "passwo",
      "passwd",
      "passphrase",
      "passcode",
      "_pass",
      "-pass",
      ".pass",
      '"pass',
      "'pass",
      // with what comes after the name, since it is so short
      ...["=", ":", " ", '"', "'", "]", "\\"].flatMap((after) => [`<pwd${after}`, `?pwd${after}`]),
    ],
  },
  { name: "secret", ends: "secret(?:[_-]?access)?(?:[_-]?key)?(?:[_-]?base)?", needles: ["secret"] },
  { name: "token", ends: "token", needles: ["token"] },
  {
    name: "api-key",
    ends: `(?:${keys.join("|")})[_-]?key`,
    needles: keys.flatMap((key) => ["key", "_key", "-key"].map((end) => `${key.slice(-4)}${end}`)),
  },
  { name: "cookie", ends: "(?<![\\w-])(?:set-)?cookie", needles: ["cookie"] },
  { name: "authorization", ends: "authorization", needles: ["authorization"] },
];

/** Such a name as a whole key of JSON. */
export type NamedSecret = { readonly name: string; readonly isNameOf: (key: string) => boolean };
export const namedSecrets: readonly NamedSecret[] = kinds.map(({ name, ends }) => {
  const whole = new RegExp(`(?:${ends.replaceAll(`|["']`, "|^")})$`, "i");
  return { name, isNameOf: (key) => whole.test(key) };
});

export const assignments: readonly Rule[] = kinds.map(({ name, ends, needles }) => {
  // `--password hunter2`, and SQL's `PASSWORD 'hunter2'`
  const flag = "(?<=--[\\w-]{1,60})\\s{1,4}(?![\\s-])";
  const statement = name === "password" ? "|\\s{1,4}(?=')" : "";
  const found = new RegExp(`(?:${ends})(?:${separator.source}|${flag}${statement})`, "gi");
  return { name, needles, redact: (text) => redactNamed(text, found, name) };
});

const headers: ReadonlySet<string> = new Set(["cookie", "authorization"]);

function redactNamed(text: string, names: RegExp, name: string): string {
  let kept = "";
  let done = 0;
  names.lastIndex = 0;
  for (let match = names.exec(text); match !== null; match = names.exec(text)) {
    const at = names.lastIndex;
    const value = headers.has(name) ? findHeader(text, at, name) : findValue(text, at);
    if (value === undefined) continue;
    names.lastIndex = value.to;
    if (saysNothing(text.slice(value.from, value.to))) continue;
    // a number in JSON becomes a text, or it would be JSON no more
    const quote = value.quoted ? "" : (match.groups?.["name"] ?? "");
    kept += text.slice(done, value.from) + quote + mark(name) + quote;
    done = value.to;
  }
  return done === 0 ? text : kept + text.slice(done);
}

const scheme = /(?:basic|bearer|token|negotiate|apikey|dpop)\s+/iy;
/** Schemes whose values are lists with quotes in them (RFC 7616, RFC 5849). */
const listed = /(?:digest|oauth|signature)\s[^\n]*/iy;
const cookies = /[^\s=;"'`]{1,256}=[^\n"'`]*/y;

/** A header's value, without the name of its scheme; without quotes it may have blanks in it. */
function findHeader(text: string, at: number, name: string): Value | undefined {
  if (name === "cookie" && !isQuoted(text, at)) return stretch(cookies, text, at);
  const value = findValue(text, at);
  if (value === undefined || name === "cookie") return value;
  const { from, to, quoted } = value;
  const behind = endOf(scheme, text, from);
  if (behind !== undefined)
    return quoted ? (behind < to ? { from: behind, to, quoted } : undefined) : findValue(text, behind);
  if (quoted) return value;
  // prose: "authorization: failed for …"
  return stretch(listed, text, from) ?? (isToken(text.slice(from, to)) ? value : undefined);
}

const isToken = (word: string): boolean => word.length >= 16 || /\d/.test(word);

function endOf(pattern: RegExp, text: string, from: number): number | undefined {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

function stretch(pattern: RegExp, text: string, from: number): Value | undefined {
  const to = endOf(pattern, text, from);
  return to === undefined ? undefined : { from, to, quoted: false };
}
