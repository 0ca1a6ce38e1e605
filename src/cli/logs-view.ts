/** One log entry for people. */
import type { LogEntry } from "#src/protocol/log.ts";

import { type Paint, type Style, harmless } from "./colour.ts";
import { localTime } from "./units.ts";

const levelStyles: Record<LogEntry["level"], Style> = {
  debug: "dim",
  info: "blue",
  warn: "yellow",
  error: "red",
  fatal: "red",
};

/** Time, level, source, message, newline; further lines of a message are indented below it. */
export function renderEntry(entry: LogEntry, paint: Paint, colours: boolean): string {
  const level = paint(levelStyles[entry.level], entry.level.toUpperCase().padEnd(5));
  const message = harmless(entry.message, colours)
    .replace(/\n(?=.)/g, "\n    ")
    .trimEnd();
  const fields = entry.fields === undefined ? "" : `  ${paint("dim", harmless(JSON.stringify(entry.fields), false))}`;
  return `${paint("dim", localTime(entry.at))}  ${level}  ${harmless(entry.source, false)}  ${message}${fields}\n`;
}
