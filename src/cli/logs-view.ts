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
  const { source, fields } = entry.stream === "container" ? ofContainer(entry) : entry;
  const more =
    Object.keys(fields ?? {}).length === 0 ? "" : `  ${paint("dim", harmless(JSON.stringify(fields), false))}`;
  return `${paint("dim", localTime(entry.at))}  ${level}  ${harmless(source, false)}  ${message}${more}\n`;
}

/** Which container it was stands beside the source, once; the rest that every line of it has is for programs. */
function ofContainer(entry: LogEntry): Pick<LogEntry, "source" | "fields"> {
  const { container, containerId: _, stream: __, ...fields } = entry.fields ?? {};
  const named = typeof container === "string" && !entry.source.endsWith(container);
  return { source: named ? `${entry.source} (${container})` : entry.source, fields };
}
