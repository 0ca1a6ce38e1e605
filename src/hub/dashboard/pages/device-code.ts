/** The code that a person carries from a terminal to the page. */

/** `WDJBMJHT` and `wdjb mjht` are what somebody types who reads `WDJB-MJHT`. */
export function userCodeOf(typed: string): string {
  const letters = typed.toUpperCase().replace(/[^A-Z0-9]/g, "");
  return letters.length === 8 ? `${letters.slice(0, 4)}-${letters.slice(4)}` : letters;
}
