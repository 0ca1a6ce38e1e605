/**
 * Colours of terminal output (ECMA-48 SGR) as styled pieces of text; every other control sequence is left out, and what
 * else can't be seen, or would show text in another order than it is in, is drawn as a symbol.
 */

export type Piece = { readonly text: string; readonly style: string };

// CSI … final byte, OSC … BEL or ST, and two-character escapes
const sequence = /\u001b(?:\[([0-9;:?]*)[ -/]*([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
const colours = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;
/** Codes that switch something on, and those that switch it off. */
const switches: ReadonlyMap<number, readonly [name: string, on: boolean]> = new Map([
  [1, ["bold", true]],
  [2, ["dim", true]],
  [3, ["italic", true]],
  [4, ["underline", true]],
  [7, ["inverse", true]],
  [9, ["struck", true]],
  [23, ["italic", false]],
  [24, ["underline", false]],
  [27, ["inverse", false]],
  [29, ["struck", false]],
]);

/** The pieces of a line; one plain piece when it has no escapes. */
export function piecesOf(line: string): Piece[] {
  if (!line.includes("\u001b")) return [{ text: visible(line), style: "" }];
  const pieces: Piece[] = [];
  let colour = "";
  let ground = "";
  const on = new Set<string>();
  let last = 0;
  const push = (text: string) => {
    if (text !== "")
      pieces.push({ text: visible(text), style: [colour, ground, ...on].filter((name) => name !== "").join(" ") });
  };
  for (const match of line.matchAll(sequence)) {
    push(line.slice(last, match.index));
    last = match.index + match[0].length;
    if (match[2] !== "m") continue;
    const codes = (match[1] === "" ? "0" : (match[1] ?? "0")).split(/[;:]/).map(Number);
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i] ?? 0;
      const known = switches.get(code);
      if (known !== undefined) {
        if (known[1]) on.add(known[0]);
        else on.delete(known[0]);
      } else if (code === 0) {
        colour = ground = "";
        on.clear();
      } else if (code === 22) {
        on.delete("bold");
        on.delete("dim");
      } else if (code === 39) colour = "";
      else if (code === 49) ground = "";
      else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) colour = `ansi-${colours[code % 10] ?? ""}`;
      else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) ground = `on-${colours[code % 10] ?? ""}`;
      else if (code === 38 || code === 48) {
        const name = codes[i + 1] === 5 ? ofTable(codes[i + 2] ?? 0) : nearest(codes.slice(i + 2, i + 5));
        if (code === 38) colour = `ansi-${name}`;
        else ground = `on-${name}`;
        i += codes[i + 1] === 5 ? 2 : 4;
      }
    }
  }
  push(line.slice(last));
  return pieces;
}

/** Of the table of 256: sixteen by name, a cube of 6 by 6 by 6, and greys. */
function ofTable(index: number): string {
  if (index < 16) return colours[index % 8] ?? "white";
  if (index >= 232) return nearest([8 + (index - 232) * 10, 8 + (index - 232) * 10, 8 + (index - 232) * 10]);
  const step = (value: number) => (value === 0 ? 0 : 55 + value * 40);
  const cube = index - 16;
  return nearest([step(Math.floor(cube / 36)), step(Math.floor(cube / 6) % 6), step(cube % 6)]);
}

/** The one of the eight that a true colour is most like: theirs can be read on any ground. */
function nearest([red = 0, green = 0, blue = 0]: readonly number[]): string {
  const most = Math.max(red, green, blue);
  const spread = most - Math.min(red, green, blue);
  if (spread < 40) return most < 110 ? "black" : "white";
  const hue =
    most === red
      ? (60 * (green - blue)) / spread
      : most === green
        ? 120 + (60 * (blue - red)) / spread
        : 240 + (60 * (red - green)) / spread;
  const turned = (hue + 360) % 360;
  if (turned < 20 || turned >= 340) return "red";
  if (turned < 75) return "yellow";
  if (turned < 160) return "green";
  if (turned < 200) return "cyan";
  return turned < 265 ? "blue" : "magenta";
}

// controls but for tab and newline, line separators, and those that turn the direction of text round
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Text in which everything can be seen: control characters as symbols, `␀` to `␡`, others by their number. */
export function visible(text: string): string {
  return text.replace(unseen, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "␡" : `‹${code.toString(16).toUpperCase().padStart(4, "0")}›`;
  });
}

/** The text of a line without its colours, for where they would only be in the way. */
export const plainText = (line: string): string =>
  piecesOf(line)
    .map((piece) => piece.text)
    .join("");
