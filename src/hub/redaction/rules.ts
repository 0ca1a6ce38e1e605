/** What is taken out of everything that comes in, unless the settings say otherwise. */
import { z } from "#src/protocol/schema.ts";
import { assignments, namedSecrets } from "./assignments.ts";
import { cards } from "./cards.ts";
import { ownPatterns, ownRule } from "./own-patterns.ts";
import { privateKeys } from "./private-keys.ts";
import type { Rule } from "./rule.ts";
import { schemes, tokens, urlPassword } from "./tokens.ts";

/** In the order in which they are applied: what is surest first. */
const builtIn: readonly Rule[] = [privateKeys, ...tokens, urlPassword, schemes, ...assignments, cards];

/** Names of the rules that are there from the start. */
export const ruleNames: readonly string[] = [...new Set(builtIn.map(({ name }) => name))];

const ruleName = z
  .string()
  .check(z.refine((name) => ruleNames.includes(name), `must be one of ${ruleNames.join(", ")}`));
/** A list, or text with commas or spaces between the names. */
const names = z.pipe(
  z.transform((value: unknown) => (typeof value === "string" ? value.split(/[\s,]+/).filter(Boolean) : value)),
  z.array(ruleName),
);

export const redactionSettings = z.strictObject({
  /** rules that are not wanted */
  off: z._default(names, []),
  patterns: z._default(ownPatterns, []),
});
export type RedactionSettings = z.infer<typeof redactionSettings>;

/** What people may know of the settings: names, not patterns. */
export const overviewOf = ({ off, patterns }: RedactionSettings) => ({
  rules: ruleNames.map((name) => ({ name, on: !off.includes(name) })),
  patterns: patterns.map(({ name }) => name),
});

/** The rules that the settings leave, the operator's own first: they see a text as it came. */
export function rulesOf({ off, patterns }: RedactionSettings): readonly Rule[] {
  return [...joined(patterns.map(ownRule)), ...builtIn.filter(({ name }) => !off.includes(name))];
}

/** The names of fields whose values are secret. */
export const namesOf = ({ off }: RedactionSettings) => namedSecrets.filter(({ name }) => !off.includes(name));

/** Own patterns as two rules, however many there are: those with needles, and those that every line must be tried on. */
function joined(own: readonly Rule[]): Rule[] {
  const groups = [own.filter(({ needles }) => needles.length > 0), own.filter(({ needles }) => needles.length === 0)];
  return groups
    .filter((group) => group.length > 0)
    .map((group) => ({
      name: group.map(({ name }) => name).join(", "),
      needles: group.flatMap(({ needles }) => needles),
      redact: (text) => group.reduce((left, { redact }) => redact(left), text),
    }));
}
