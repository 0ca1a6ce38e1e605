/**
 * Errors in structured logs: a line that is JSON, or an entry's fields. The names are those of pino, bunyan, winston, zap,
 * zerolog, structlog, python-json-logger, logrus, Logback's and Log4j's JSON layouts, Serilog (CLEF), Monolog's
 * JsonFormatter, ECS and OpenTelemetry's exception attributes.
 */
import type { Level } from "#src/protocol/log.ts";
import type { ErrorPart } from "../event.ts";
import { createDraft, mostValue, type Before, type Reading } from "./format.ts";
import { beginEvent } from "./formats.ts";
import { levelNamed } from "./prefix.ts";

export type Structured = {
  readonly format: string;
  /** null: it names none */
  readonly level: Level | null;
  readonly parts: readonly ErrorPart[];
  readonly logger: string | null;
  readonly thread: string | null;
  readonly release: string | null;
};

type Fields = Readonly<Record<string, unknown>>;

const stackNames = [
  "exception.stacktrace",
  "exception.stack_trace",
  "error.stack_trace",
  "error.stack",
  "err.stack",
  "exception.stack",
  "stack_trace",
  "stackTrace",
  "stacktrace",
  "stack",
  "errorVerbose",
  "thrown.extendedStackTrace",
  "exc_info",
  "exc_text",
  "traceback",
  "exception",
  "@x",
  "Exception",
  "throwable",
  "backtrace",
  "error",
  "err",
];
const typeNames = [
  "exception.type",
  "error.type",
  "err.type",
  "err.name",
  "error.name",
  "error.kind",
  "error.class",
  "exception.class",
  "thrown.name",
  "exc_type",
  "error_type",
  "err.code",
];
const valueNames = ["exception.message", "error.message", "err.message", "thrown.message", "exc_value", "error", "err"];
const messageNames = [
  "message",
  "msg",
  "@m",
  "@mt",
  "event",
  "short_message",
  "text",
  "body",
  "Message",
  "RenderedMessage",
];
const levelNames = ["level_name", "levelname", "log.level", "severity", "level", "@l", "lvl"];
const loggerNames = [
  "logger",
  "logger_name",
  "loggerName",
  "log.logger",
  "SourceContext",
  "channel",
  "component",
  "scope.name",
  "name",
];
const threadNames = ["thread_name", "threadName", "thread", "process.thread.name", "thread.name", "pid", "process.pid"];
const releaseNames = [
  "release",
  "service.version",
  "resource.service.version",
  "serviceVersion",
  "service_version",
  "app_version",
  "appVersion",
  "application_version",
  "git_sha",
  "gitSha",
  "git.commit.sha",
  "commit_sha",
  "commit",
  "version",
];
/** Members that hold what others write at the top. */
const inside = ["attributes", "context", "extra", "fields", "data", "Properties", "resource"];
/** Characters of a stack that are read. */
const mostStack = 256 * 1024;

/** `found` of `a.b`: a member of that name, or `b` of `a`. */
function get(object: Fields, path: string): unknown {
  const direct = object[path];
  if (direct !== undefined && direct !== null) return direct;
  for (let dot = path.indexOf("."); dot !== -1; dot = path.indexOf(".", dot + 1)) {
    const inner = object[path.slice(0, dot)];
    if (isObject(inner)) return get(inner, path.slice(dot + 1));
  }
  return undefined;
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The first text under one of the names, at the top or in what holds such things. */
function text(objects: readonly Fields[], names: readonly string[]): string | null {
  for (const name of names) {
    for (const object of objects) {
      const value = get(object, name);
      if (typeof value === "string" && value !== "") return value;
      if (typeof value === "number") return String(value);
    }
  }
  return null;
}

/**
 * @param message what the record says, when that stands outside of it
 * @returns null: it is no record of a log. Without an error in it, one part with what it says
 */
export function readStructured(object: Fields, message: string | null): Structured | null {
  const objects = [object, ...inside.map((name) => object[name]).filter(isObject)];
  const said = message ?? text(objects, messageNames);
  const error = readError(objects, said);
  if (error === null && said === null) return null;
  return {
    format: error?.format ?? "json",
    level: levelNamed(text(objects, levelNames) ?? undefined),
    parts: error?.parts ?? [createDraft(null, said ?? "")],
    logger: text(objects, loggerNames),
    thread: text(objects, threadNames),
    release: releaseOf(objects),
  };
}

function readError(objects: readonly Fields[], said: string | null): Pick<Structured, "format" | "parts"> | null {
  const type = text(objects, typeNames);
  const value = text(objects, valueNames);
  for (const name of stackNames) {
    for (const object of objects) {
      const found = get(object, name);
      const stack = Array.isArray(found) ? null : typeof found === "string" ? found : null;
      const read = Array.isArray(found) ? readList(found) : isObject(found) ? readMonolog(found) : null;
      if (read !== null) return read;
      if (stack === null || !stack.includes("\n")) continue;
      const event = readStack(stack);
      if (event !== null) return withHeader(event, type, value ?? said);
    }
  }
  if (type !== null && value !== null) return { format: "json", parts: [createDraft(type, value)] };
  if (value !== null)
    return { format: "json", parts: [createDraft(type, said === null ? value : `${said}: ${value}`)] };
  return null;
}

/** A stack that doesn't say what happened is told by the fields beside it. */
function withHeader(
  { format, parts }: { readonly format: string; readonly parts: readonly ErrorPart[] },
  type: string | null,
  value: string | null,
): Pick<Structured, "format" | "parts"> {
  const [first, ...rest] = parts;
  if (first === undefined) return { format, parts: [createDraft(type, value ?? "")] };
  const told = first.type !== null || first.value !== "";
  const own = { ...first, type: first.type ?? type, value: told ? first.value : (value ?? "").slice(0, mostValue) };
  return { format, parts: [own, ...rest] };
}

/** The event that a text of several lines holds, or null. */
export function readStack(stack: string): (Pick<Reading, "format"> & { readonly parts: readonly ErrorPart[] }) | null {
  const lines = stack.slice(0, mostStack).split(/\r?\n/);
  let reading: Reading | null = null;
  let heldBack = 0;
  for (const [i, line] of lines.entries()) {
    if (reading !== null) {
      if (reading.take(line, true, false) === "no") reading.take(line, true, true);
      continue;
    }
    const before: Before = (n) => lines[i - 1 - n] ?? "";
    reading = beginEvent(line, before, true)?.reading ?? null;
    if (reading === null && ++heldBack > 20) return null;
  }
  return reading === null ? null : { format: reading.format, parts: reading.parts() };
}

/** structlog's `dict_tracebacks`: a list of exceptions, the outermost first, with frames outermost first. */
function readList(list: readonly unknown[]): Pick<Structured, "format" | "parts"> | null {
  if (list.every((one) => typeof one === "string")) return readStack(list.join("\n"));
  const parts: ErrorPart[] = [];
  for (const one of list) {
    if (!isObject(one) || typeof one["exc_type"] !== "string") return null;
    const frames = Array.isArray(one["frames"]) ? one["frames"].filter(isObject) : [];
    const lines = frames.map(
      (frame) => `  File "${plain(frame["filename"])}", line ${plain(frame["lineno"])}, in ${plain(frame["name"])}`,
    );
    const read = readStack(["Traceback (most recent call last):", ...lines, "Error"].join("\n"))?.parts[0];
    const draft = createDraft(one["exc_type"], plain(one["exc_value"]), parts.length === 0 ? null : "context");
    parts.push({ ...draft, frames: read?.frames ?? [] });
    if (one["is_cause"] === true && parts.length > 1)
      parts[parts.length - 1] = { ...draft, frames: read?.frames ?? [], relation: "cause" };
  }
  return parts.length === 0 ? null : { format: "python", parts };
}

const plain = (value: unknown): string => (typeof value === "string" || typeof value === "number" ? String(value) : "");

/** Monolog's JsonFormatter: `{ class, message, file: "path:12", trace: ["path:3"], previous }`. */
function readMonolog(object: Fields): Pick<Structured, "format" | "parts"> | null {
  const parts: ErrorPart[] = [];
  for (
    let one: unknown = object;
    isObject(one) && typeof one["class"] === "string" && parts.length < 50;
    one = one["previous"]
  ) {
    const trace = Array.isArray(one["trace"]) ? one["trace"].filter((line) => typeof line === "string") : [];
    const lines = [plain(one["file"]), ...trace].map(
      (place, i) => `#${i} ${place.replace(/:(\d+)$/, "($1)")}: {main}()`,
    );
    const read = readStack(
      [`PHP Fatal error:  Uncaught ${one["class"]}: x in /x:1`, "Stack trace:", ...lines].join("\n"),
    );
    const frames = (read?.parts[0]?.frames ?? []).slice(1).map((frame) => ({ ...frame, function: null, module: null }));
    parts.push({ ...createDraft(one["class"], plain(one["message"]), parts.length === 0 ? null : "cause"), frames });
  }
  return parts.length === 0 ? null : { format: "php", parts };
}

/** What was running, as far as a record says it: a version, or a commit. */
export function releaseOf(objects: readonly Fields[]): string | null {
  const found = text(objects, releaseNames);
  return found === null || found.length > 128 ? null : found;
}
