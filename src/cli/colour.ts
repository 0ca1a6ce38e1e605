/** Colours on a terminal, none in a pipe; and what others wrote, made harmless before it reaches a terminal. */
import { fstatSync } from "node:fs";

import type { Session } from "./session.ts";

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
} as const;
export type Style = keyof typeof codes;

/** Gives `text` in a style, or as it is. */
export type Paint = (style: Style, text: string) => string;

export const painter =
  (colours: boolean): Paint =>
  (style, text) =>
    colours ? `\u001b[${codes[style][0]}m${text}\u001b[${codes[style][1]}m` : text;

/** Whether stdout is a terminal. (fstat, not isatty: node:tty takes 4 ms to load.) */
export function onTerminal(): boolean {
  try {
    return fstatSync(1).isCharacterDevice();
  } catch {
    // stdout is closed: nothing will be seen at all
    return false;
  }
}

/** Whether this command may use colours. */
export const wantsColours = (session: Session): boolean => !session.plain && onTerminal();

const colourSequence = /\u001b\[[0-9;:]*m/g;
/** Every other escape sequence (ECMA-48: CSI, OSC and the like, two-character ones) and lone control character. */
const sequences =
  /\u001b\[[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -~]?|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/**
 * A message from elsewhere, safe to show: it can't move the cursor, set the title or clear the screen. Its own colours
 * stay with `colours` (and end with the message); without, nothing but text, tabs and line breaks is left.
 */
export function harmless(text: string, colours: boolean): string {
  // nearly every line leaves here
  if (!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(text)) return text;
  if (!colours) return text.replace(sequences, "");
  const kept = text.match(colourSequence) !== null;
  const safe = text.replace(sequences, (sequence) => (/^\u001b\[[0-9;:]*m$/.test(sequence) ? sequence : ""));
  return kept ? `${safe}\u001b[0m` : safe;
}
