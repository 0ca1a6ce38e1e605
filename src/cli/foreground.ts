/** The log of a process in the foreground: one fact a line on stderr, where a person or the journal reads it. */
import { writeSync } from "node:fs";

import { timestamp } from "#src/lib/clock.ts";

const levels = ["debug", "info", "warn", "error"] as const;
type Level = (typeof levels)[number];

export type ForegroundLog = Readonly<Record<Level, (message: string) => void>>;

/** Writes `least` and worse. A line that can't be written is lost: nobody reads stderr then. */
export function createForegroundLog(least: Level = "info"): ForegroundLog {
  const write = (level: Level) => (message: string) => {
    if (levels.indexOf(level) >= levels.indexOf(least))
      writeError(`${timestamp(Date.now())} ${level} ${oneLine(message)}\n`);
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");

/** Writes to stderr at once, without waiting. */
export function writeError(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // closed, or a full pipe that nobody empties: there is no place left to tell it
  }
}
