/**
 * Environment files: `NAME=value` a line, `export` allowed, `#` comments, quotes. Single quotes keep everything as it
 * is, double quotes know `\n`, `\r`, `\t`, `\"`, `\$` and `\\`; both may span lines. No variables are expanded. Pure.
 */
import { Fault } from "#src/protocol/fault.ts";

const assignment = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*/;
const blank = /^[ \t]*(?:#.*)?$/;
const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', $: "$", "\\": "\\" };

/**
 * The variables of an environment file, the last of a name winning.
 * @throws {Fault} `invalid`, naming `path` and the line
 */
export function parseEnvFile(text: string, path: string): Record<string, string> {
  const values: Record<string, string> = {};
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (blank.test(line)) continue;
    const head = assignment.exec(line);
    const name = head?.[1];
    if (head === null || name === undefined) throw wrong(path, at, "is not NAME=value");
    let rest = line.slice(head[0].length);
    const quote = rest[0];
    if (quote !== '"' && quote !== "'") {
      values[name] = rest.replace(/(?:^|[ \t])#.*$/, "").trimEnd();
      continue;
    }
    const first = at;
    let end = closing(rest, quote);
    while (end === -1) {
      at++;
      const next = lines[at];
      if (next === undefined) throw wrong(path, first, `has no closing ${quote}`);
      rest += `\n${next}`;
      end = closing(rest, quote);
    }
    if (!blank.test(rest.slice(end + 1))) throw wrong(path, at, "has text after the closing quote");
    const inner = rest.slice(1, end);
    values[name] =
      quote === "'" ? inner : inner.replace(/\\([nrt"$\\])/g, (_whole, char: string) => escapes[char] ?? char);
  }
  return values;
}

/** The index of the quote that ends the value which begins at 0, or -1. */
function closing(text: string, quote: string): number {
  for (let i = 1; i < text.length; i++) {
    if (text[i] === "\\" && quote === '"') i++;
    else if (text[i] === quote) return i;
  }
  return -1;
}

function wrong(path: string, index: number, why: string): Fault {
  return new Fault("invalid", `${path}: line ${index + 1} ${why}`);
}
