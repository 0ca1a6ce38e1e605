/**
 * Secrets are taken out before anything is stored: of log lines and their fields, and of what events quote of them. One
 * object does it for every way in, so that none is forgotten.
 */
import type { LogColumns } from "#src/protocol/log-columns.ts";
import { type Work, redactColumns } from "./columns.ts";
import { joinLines } from "./joined.ts";
import { createKeyLines, privateKeys, redactKeyLines } from "./private-keys.ts";
import { type RedactionSettings, namesOf, rulesOf } from "./rules.ts";
import { type Bits, createScan } from "./scan.ts";
import { createRedactValue } from "./structure.ts";

export { type RedactionSettings, overviewOf, redactionSettings, ruleNames } from "./rules.ts";

export type Redactor = {
  /**
   * The same object when nothing in it is secret. A private key that is printed line by line is followed from one call to
   * the next, in each stream of each server.
   */
  readonly redact: (columns: LogColumns, serverId: string) => LogColumns;
  /** Events, and whatever else is JSON; the same object when nothing in it is secret. */
  readonly redactValue: <T>(value: T) => T;
  readonly redactText: (text: string) => string;
};

export function createRedactor(settings: RedactionSettings): Redactor {
  const rules = rulesOf(settings);
  const scan = createScan(rules);
  const bitOf = (wanted: (rule: (typeof rules)[number]) => boolean): Bits =>
    rules.reduce((bits, rule, i) => (wanted(rule) ? bits | (1 << i) : bits), 0);

  function apply(text: string, bits: Bits): string {
    let left = text;
    for (let i = 0; bits >> i !== 0; i++) if (((bits >> i) & 1) === 1) left = rules[i]?.redact(left) ?? left;
    return left;
  }

  const every = bitOf(() => true);
  const privateKey = bitOf(({ name }) => name === privateKeys.name);
  const redactText = (text: string) => apply(text, every);
  const walk = createRedactValue({
    redactText,
    redactLines: (lines) => (privateKey === 0 ? lines : redactKeyLines(lines)),
    names: namesOf(settings),
  });
  const work: Work = {
    scan,
    always: bitOf(({ needles, sign }) => needles.length === 0 && sign === undefined),
    privateKey,
    apply,
    keyLines: createKeyLines(),
    redactFields(json) {
      const value: unknown = JSON.parse(json);
      const next = walk(value);
      return next === value ? json : JSON.stringify(next);
    },
  };

  return {
    redactText,
    redact: (columns, serverId) => redactColumns(columns, serverId, work),
    redactValue(value) {
      // quotes and backslashes are all that JSON changes in what a rule looks for
      const { text, offsets } = joinLines([JSON.stringify(value)]);
      return work.always === 0 && scan.lines(text, offsets, 1) === undefined ? value : walk(value);
    },
  };
}
