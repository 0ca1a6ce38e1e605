/** ANSI colours of terminal output (ECMA-48 SGR) as styled pieces of text; every other control sequence is left out. */

export type Piece = { readonly text: string; readonly style: string };

// CSI … final byte, OSC … BEL or ST, and two-character escapes; eslint's control-character rule is off for this reason
const sequence = /\u001b(?:\[([0-9;:?]*)[ -/]*([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
const colours = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;

/** The pieces of a line; one plain piece when it has no escapes. */
export function piecesOf(line: string): Piece[] {
  if (!line.includes("\u001b")) return [{ text: line, style: "" }];
  const pieces: Piece[] = [];
  let colour = "";
  let bold = false;
  let last = 0;
  const push = (text: string) => {
    if (text !== "") pieces.push({ text, style: [colour, bold ? "bold" : ""].join(" ").trim() });
  };
  for (const match of line.matchAll(sequence)) {
    push(line.slice(last, match.index));
    last = match.index + match[0].length;
    if (match[2] !== "m") continue;
    const codes = (match[1] === "" ? "0" : (match[1] ?? "0")).split(/[;:]/).map(Number);
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i] ?? 0;
      if (code === 0) [colour, bold] = ["", false];
      else if (code === 1) bold = true;
      else if (code === 22) bold = false;
      else if (code === 39) colour = "";
      else if (code >= 30 && code <= 37) colour = `ansi-${colours[code - 30] ?? "white"}`;
      else if (code >= 90 && code <= 97) colour = `ansi-${colours[code - 90] ?? "white"}`;
      // 256 and true colours are not drawn: their numbers must not be read as codes of their own
      else if (code === 38 || code === 48) i += codes[i + 1] === 5 ? 2 : 4;
    }
  }
  push(line.slice(last));
  return pieces;
}
