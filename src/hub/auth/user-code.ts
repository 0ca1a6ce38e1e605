/** The code that somebody types to sign a device in. */
import { randomInt } from "node:crypto";

/** RFC 8628 section 6.1: no vowels, so that no words come out, and nothing that looks like something else. */
const letters = "BCDFGHJKLMNPQRSTVWXZ";
const length = 8;

/** 8 letters: 2.6 * 10^10 codes, of which few live at any time and 10 may be tried a minute. */
export function createUserCode(): string {
  return Array.from({ length }, () => letters[randomInt(letters.length)]).join("");
}

/** As it is kept: however it was typed, in upper case and without dashes or spaces. */
export function plainUserCode(typed: string): string {
  return typed.toUpperCase().replace(/[^A-Z0-9]/g, "");
}

/** As it is shown: `WDJB-MJHT`. */
export function shownUserCode(plain: string): string {
  return `${plain.slice(0, length / 2)}-${plain.slice(length / 2)}`;
}
