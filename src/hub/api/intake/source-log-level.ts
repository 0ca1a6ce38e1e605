/** Severities as loggers name and number them, brought to the five that are kept. */
import type { Level } from "#src/protocol/log.ts";

const names: ReadonlyMap<string, Level> = new Map(
  (
    [
      ["debug", "trace debug dbg verbose silly finest finer fine"],
      ["info", "info inf information informational notice log default success http config"],
      ["warn", "warn warning wrn"],
      ["error", "error err severe"],
      ["fatal", "fatal ftl critical crit alert emergency emerg panic dpanic"],
    ] as const
  ).flatMap(([level, words]) => words.split(" ").map((word): [string, Level] => [word, level])),
);

/** The longest name there is, with room for white space around it. */
const maxNameLength = 32;

/** The level that a name in any case, or a number, stands for; undefined: none that is known. */
export function levelOf(value: unknown): Level | undefined {
  if (typeof value === "number") return levelOfNumber(value);
  if (typeof value !== "string" || value.length > maxNameLength) return undefined;
  const name = value.trim().toLowerCase();
  return names.get(name) ?? (/^\d{1,3}$/.test(name) ? levelOfNumber(Number(name)) : undefined);
}

/** pino and bunyan count 10 (trace) to 60 (fatal); below 8 it is a syslog severity, 0 the worst (RFC 5424, GELF). */
function levelOfNumber(number: number): Level | undefined {
  if (!Number.isInteger(number) || number < 0 || number > 100) return undefined;
  if (number < 8) {
    if (number <= 2) return "fatal";
    if (number === 3) return "error";
    if (number === 4) return "warn";
    return number <= 6 ? "info" : "debug";
  }
  if (number >= 60) return "fatal";
  if (number >= 50) return "error";
  if (number >= 40) return "warn";
  return number >= 30 ? "info" : "debug";
}
