/** One kind of secret: how to tell that a text may hold one, and how to take it out. */

/**
 * `needles` are in lower case, of at least `shortestNeedle` characters, and one of them is in every text that the rule
 * would change, upper and lower case alike; `?` stands for any character but a blank, `<` for the beginning of a word. A
 * rule may need something else besides, for which the scan has an eye of its own: `"@"`, a URL with an `@` after it, and
 * `"digits"`, thirteen of them or more.
 */
export type Rule = {
  readonly name: string;
  readonly needles: readonly string[];
  readonly sign?: "@" | "digits";
  /** The text without its secrets; the same when it has none. */
  readonly redact: (text: string) => string;
};

/** Shorter ones would be missed, see scan.ts. */
export const shortestNeedle = 5;

/** What stands in place of a secret. */
export const mark = (name: string): string => `[redacted:${name}]`;
