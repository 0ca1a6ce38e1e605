/** Secrets in values of JSON: by what a text holds, and by the name of a field. */
import type { NamedSecret } from "./assignments.ts";
import { mark } from "./rule.ts";
import { saysNothing } from "./values.ts";

/** Deeper values are taken out whole: they are nobody's, and each level takes room on the stack. */
const deepest = 100;

export type RedactValue = <T>(value: T) => T;

export type Ways = {
  readonly redactText: (text: string) => string;
  /** lines that follow one another */
  readonly redactLines: (lines: readonly string[]) => readonly string[];
  readonly names: readonly NamedSecret[];
};

/** Gives the same value when nothing in it is secret. */
export function createRedactValue({ redactText, redactLines, names }: Ways): RedactValue {
  /** `secret`: the name of the rule that makes it one. */
  function walk(value: unknown, secret: string | undefined, depth: number): unknown {
    if (typeof value === "string") {
      return secret === undefined || saysNothing(value) ? redactText(value) : mark(secret);
    }
    if (typeof value === "number") {
      const text = String(value);
      const next = secret === undefined ? redactText(text) : mark(secret);
      return next === text ? value : next;
    }
    if (typeof value !== "object" || value === null) return value;
    if (depth > deepest) return mark("too-deep");
    if (Array.isArray(value)) {
      const items = value.every((item) => typeof item === "string") ? redactLines(value) : (value as unknown[]);
      const next = items.map((item: unknown) => walk(item, secret, depth + 1));
      return next.some((item, i) => item !== value[i]) ? next : value;
    }
    const entries = Object.entries(value);
    const next = entries.map(([key, item]): [string, unknown] => {
      const name = names.find(({ isNameOf }) => isNameOf(key))?.name;
      return [redactText(key), walk(item, name, depth + 1)];
    });
    const same = next.every(([key, item], i) => key === entries[i]?.[0] && item === entries[i][1]);
    return same ? value : Object.fromEntries(next);
  }

  return (value) => walk(value, undefined, 0) as typeof value;
}
