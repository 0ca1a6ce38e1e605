/** The agent's own log: one fact a line, rotated by size, and never a reason to fail. */
import { closeSync, fchmodSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

import { type Clock, timestamp } from "#src/lib/clock.ts";
import { type LogLevel, logLevels } from "#src/protocol/config.ts";
import { errnoOf, reasonOf } from "#src/protocol/fault.ts";

/** Size at which a file is set aside, and how many are kept besides the current one: 60 MiB in all. */
export const maxLogBytes = 10 * 1024 * 1024;
export const keptLogs = 5;
/** A log that could not be opened is tried again after this long. */
const retryAfterMs = 30_000;

export type OwnLog = {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  /** Nothing below this level is written from now on. */
  setLevel(level: LogLevel): void;
  close(): void;
};

export type LogOptions = {
  readonly path: string;
  readonly level: LogLevel;
  readonly clock: Clock;
  /** Gets each line as well, and gets it when the file can't take it. */
  readonly mirror?: ((line: string) => void) | undefined;
  /** Gets lines that the file can't take. */
  readonly fallback: (line: string) => void;
  readonly maxBytes?: number;
  readonly kept?: number;
};

/**
 * Opens the log at `path`, `time level text` a line. What can't be written there goes to `fallback`, and the next line
 * that can be says how many were missed.
 */
export function openLog(options: LogOptions): OwnLog {
  const { path, clock, mirror, fallback, maxBytes = maxLogBytes, kept = keptLogs } = options;
  let threshold = logLevels.indexOf(options.level);
  let fd: number | undefined;
  let size = 0;
  let missed = 0;
  /** a full disk took a part of a line: the next one must not be glued to it */
  let torn = false;
  let notBefore = Number.NEGATIVE_INFINITY;

  function open(): number | undefined {
    if (fd !== undefined || clock.monotonic() < notBefore) return fd;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      fd = openSync(path, "a", 0o640);
      const stat = fstatSync(fd);
      size = stat.size;
      // a new one: the mode given to open(2) is cut by the umask
      if (size === 0 && stat.isFile()) fchmodSync(fd, 0o640);
    } catch (error) {
      notBefore = clock.monotonic() + retryAfterMs;
      fallback(lineOf("warn", `the log ${path} can't be opened: ${reasonOf(error)}`));
    }
    return fd;
  }

  function rotate(): void {
    for (let index = kept; index >= 1; index--) {
      try {
        renameSync(index === 1 ? path : `${path}.${index - 1}`, `${path}.${index}`);
      } catch (error) {
        // there are not that many yet
        if (errnoOf(error) !== "ENOENT") throw error;
      }
    }
    close();
  }

  function append(line: string): boolean {
    try {
      if (size >= maxBytes) rotate();
      const target = open();
      if (target === undefined) return false;
      const told = missed === 0 ? "" : lineOf("warn", `${missed} lines could not be written to this log`);
      const bytes = Buffer.from(`${torn ? "\n" : ""}${told}${line}`);
      const written = writeSync(target, bytes);
      size += written;
      torn = written < bytes.length;
      if (torn) return false;
      missed = 0;
      return true;
    } catch {
      // counted by the caller, who also prints the line elsewhere
      close();
      notBefore = clock.monotonic() + retryAfterMs;
      return false;
    }
  }

  function lineOf(level: LogLevel, message: string): string {
    return `${timestamp(clock.now())} ${level} ${onOneLine(message)}\n`;
  }

  function write(level: LogLevel, message: string): void {
    if (logLevels.indexOf(level) < threshold) return;
    const line = lineOf(level, message);
    mirror?.(line);
    if (append(line)) return;
    missed++;
    if (mirror === undefined) fallback(line);
  }

  function close(): void {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  }

  return {
    debug: (message) => write("debug", message),
    info: (message) => write("info", message),
    warn: (message) => write("warn", message),
    error: (message) => write("error", message),
    setLevel(level) {
      threshold = logLevels.indexOf(level);
    },
    close,
  };
}

/** Line breaks and control characters as escapes: what is logged can't pretend to be another line, nor steer a terminal. */
function onOneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
