/**
 * Regular expressions of JavaScript as ones of RE2 that match the same texts, as far as those are in ASCII: there the two
 * agree on what a character is, and on case. What RE2 lacks, or what would mean something else, is not translated.
 */
import { classMember, literal } from "./letters.ts";

/** RE2 refuses more repetitions, also of repetitions. */
const mostRepeats = 1000;
/** Of the translation, in characters: RE2's programs have a limit of memory. */
const longest = 4000;

/** Nothing matches it. RE2 knows no empty class. */
const never = "[^\\x00-\\x{10FFFF}]";
const anything = "(?s:.)";
/** What `.` means without the flag `s`; its other line ends are not in ASCII. */
const noLineEnd = "[^\\n\\r]";
/** White space in ASCII. */
const spaces = "\\t-\\r ";

/** A part, and how often repetitions repeat what is in it. */
type Part = { readonly text: string; readonly repeats: number };

class Untranslatable extends Error {}

/** An expression of RE2; null: it can't be said. The expression is a valid one. */
export function translate(source: string, flags: string): string | null {
  // halves of characters are characters there; classes of classes are another language
  if (/\p{Surrogate}/u.test(source) || /[\u{10000}-\u{10ffff}]/u.test(source) || flags.includes("v")) return null;
  const foldsMore = flags.includes("i") && flags.includes("u");
  // then some letters beyond ASCII are equal to some within
  if (foldsMore && /[^\u0000-\u007f]|\\[upP]/.test(source)) return null;
  try {
    const { text } = createTranslator(source, flags).read();
    if (text.length > longest) return null;
    return flags.includes("i") ? `(?i:${text})` : text;
  } catch (error) {
    if (error instanceof Untranslatable) return null;
    throw error;
  }
}

function createTranslator(source: string, flags: string) {
  const lines = flags.includes("m");
  const dot = flags.includes("s") ? anything : noLineEnd;
  let at = 0;

  function choice(): Part {
    const parts = [sequence()];
    while (source.charAt(at) === "|") {
      at++;
      parts.push(sequence());
    }
    return { text: parts.map(({ text }) => text).join("|"), repeats: Math.max(...parts.map(({ repeats }) => repeats)) };
  }

  function sequence(): Part {
    let text = "";
    let repeats = 1;
    while (at < source.length && source.charAt(at) !== "|" && source.charAt(at) !== ")") {
      const part = repeated(atom());
      text += part.text;
      repeats = Math.max(repeats, part.repeats);
    }
    return { text, repeats };
  }

  function repeated(part: Part): Part {
    const match = /^(?:[*+?]|\{(\d+)(,(\d*))?\})\??/.exec(source.slice(at, at + 40));
    if (match === null) return part;
    const [text, least, , most] = match;
    at += text.length;
    const times = Math.max(1, Number(least ?? 1), Number(most === undefined || most === "" ? 1 : most));
    const repeats = part.repeats * times;
    if (repeats > mostRepeats) throw new Untranslatable();
    // what can't be repeated there, such as a place, is none that may be here
    return { text: `(?:${part.text})${text}`, repeats };
  }

  function atom(): Part {
    const unit = source.charAt(at++);
    if (unit === "(") return group();
    return { text: single(unit), repeats: 1 };
  }

  function single(unit: string): string {
    switch (unit) {
      case "^":
        return place("\\A");
      case "$":
        return place("\\z");
      case ".":
        return dot;
      case "[":
        return classOf();
      case "\\":
        return escaped();
      default:
        return unitOf(unit);
    }
  }

  /** What is not in ASCII matches nothing there; RE2 would take some of it for the `k` and `s` that it is without case. */
  const unitOf = (unit: string): string => (unit > "\x7f" ? never : literal(unit));

  function place(text: string): string {
    // of several line ends each begins a line, and RE2 knows one only
    if (lines) throw new Untranslatable();
    return text;
  }

  function group(): Part {
    const opening = /^\?(?::|<[A-Za-z_$][\w$]*>)/.exec(source.slice(at, at + 100))?.[0] ?? "";
    if (opening === "" && source.charAt(at) === "?") throw new Untranslatable();
    at += opening.length;
    const inner = choice();
    at++;
    return { ...inner, text: `(?:${inner.text})` };
  }

  function escaped(): string {
    const unit = source.charAt(at);
    if (unit === "b" || unit === "B") {
      at++;
      return `\\${unit}`;
    }
    const set = setEscape();
    return set === null ? unitOf(unitEscape()) : `[${set}]`;
  }

  /** The members that `\d` and its like stand for, in ASCII; null: it is none of them. */
  function setEscape(): string | null {
    const unit = source.charAt(at);
    const sets: Readonly<Record<string, string>> = {
      d: "0-9",
      w: "0-9A-Za-z_",
      s: spaces,
      D: "\\x00-/:-\\x7f",
      W: "\\x00-/:-@\\[-\\^`{-\\x7f",
      S: "\\x00-\\x08\\x0e-\\x1f!-\\x7f",
    };
    const set = Object.hasOwn(sets, unit) ? sets[unit] : undefined;
    if (set === undefined) return null;
    at++;
    return set;
  }

  /** The one unit that stands after a backslash. */
  function unitEscape(): string {
    const unit = source.charAt(at++);
    const controls: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", f: "\f", v: "\v" };
    if (Object.hasOwn(controls, unit)) return controls[unit] ?? "";
    if (unit === "0" && !/\d/.test(source.charAt(at))) return "\0";
    if (unit === "x") return byNumber(/^[0-9a-f]{2}/i);
    if (unit === "u") return byNumber(/^[0-9a-f]{4}/i);
    // references, properties, and what is left of older ages
    if (/[\dA-Za-z]/.test(unit)) throw new Untranslatable();
    return unit;
  }

  function byNumber(pattern: RegExp): string {
    const digits = pattern.exec(source.slice(at, at + 4))?.[0];
    if (digits === undefined) throw new Untranslatable();
    at += digits.length;
    const code = Number.parseInt(digits, 16);
    if (code >= 0xd800 && code < 0xe000) throw new Untranslatable();
    return String.fromCharCode(code);
  }

  function classOf(): string {
    const negated = source.charAt(at) === "^";
    if (negated) at++;
    let members = "";
    while (at < source.length && source.charAt(at) !== "]") {
      const from = member();
      const ranges = source.charAt(at) === "-" && source.charAt(at + 1) !== "]" && at + 1 < source.length;
      if (!ranges) {
        if (from.length !== 1) members += from;
        else if (from <= "\x7f") members += classMember(from);
        continue;
      }
      at++;
      const to = member();
      // a range of which an end is a set is both ends and a dash
      if (from.length !== 1 || to.length !== 1) throw new Untranslatable();
      if (from <= "\x7f") members += `${classMember(from)}-${to > "\x7f" ? "\\x7f" : classMember(to)}`;
    }
    at++;
    if (members === "") return negated ? anything : never;
    return `[${negated ? "^" : ""}${members}]`;
  }

  /** One unit as it is, or the members of a set. */
  function member(): string {
    const unit = source.charAt(at++);
    if (unit !== "\\") return unit;
    if (source.charAt(at) === "b") {
      at++;
      return "\b";
    }
    return setEscape() ?? unitEscape();
  }

  return { read: choice };
}
