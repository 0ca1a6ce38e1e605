/** What a log view shows: read from the address, which holds all of it, and asked of the API. Pure. */
import { type Level, levels } from "#src/protocol/level.ts";
import { type ParsedQuery, maxQueryLength, parseQuery } from "#src/protocol/query-parser.ts";
import { printQuery } from "#src/protocol/query-printer.ts";
import type { Query } from "#src/protocol/query.ts";
import { type Place, readPlace, writePlace } from "./place.ts";
import { type LogSpan, endsOf, fixedSpan, readSpan, usualStretch } from "./span.ts";

const besideMs = 3_600_000;

export type View = {
  readonly q: string;
  readonly sources: readonly string[];
  /** ids */
  readonly servers: readonly string[];
  readonly containers: readonly string[];
  /** this one or worse; empty: all */
  readonly level: Level | "";
  readonly span: LogSpan;
  readonly wrap: boolean;
  /** a line that the view was opened at */
  readonly at: Place | null;
};

const all = (query: URLSearchParams, name: string) => [...new Set(query.getAll(name).filter((value) => value !== ""))];

export function readView(query: URLSearchParams): View {
  const at = readPlace(query.get("at") ?? "");
  return {
    q: query.get("q") ?? "",
    sources: all(query, "source"),
    servers: all(query, "server"),
    containers: all(query, "container"),
    level: levels.find((level) => level === query.get("level") && level !== levels[0]) ?? "",
    span: at !== null && !query.has("from") ? around(at) : readSpan(query),
    wrap: query.get("wrap") !== "off",
    at,
  };
}

/** The time that is shown beside a line when nothing else is asked for: whenever it is opened, the line is in it. */
export function around({ ms }: Pick<Place, "ms">): LogSpan {
  return fixedSpan(ms - besideMs, ms + besideMs);
}

/** The address of a view; what is usual is left out. */
export function writeView({ q, sources, servers, containers, level, span, wrap, at }: View): string {
  const query = new URLSearchParams();
  if (q !== "") query.set("q", q);
  for (const source of sources) query.append("source", source);
  for (const server of servers) query.append("server", server);
  for (const container of containers) query.append("container", container);
  if (level !== "") query.set("level", level);
  if (span.kind === "fixed") {
    query.set("from", new Date(span.fromMs).toISOString());
    query.set("to", new Date(span.toMs).toISOString());
  } else if (span.name !== usualStretch) query.set("range", span.name);
  if (!wrap) query.set("wrap", "off");
  if (at !== null) query.set("at", writePlace(at));
  return query.size === 0 ? "/logs" : `/logs?${query}`;
}

/** Whether there is more to it than all lines of its time. */
export const isFiltered = ({ q, sources, servers, containers, level }: View): boolean =>
  q.trim() !== "" || sources.length + servers.length + containers.length > 0 || level !== "";

/** How the lines are chosen, of whatever time: two views with the same have the same lines. */
export function filterOf({ q, sources, servers, containers, level }: View): URLSearchParams {
  const parts = [
    oneOf("source", sources.length > 1 ? sources : []),
    oneOf("server", servers.length > 1 ? servers : []),
    oneOf("container", containers),
  ].filter((part) => part !== "");
  const own = q.trim();
  const text =
    parts.length === 0 ? own : [own === "" ? "" : `(${own})`, ...parts].filter((one) => one !== "").join(" ");
  const query = new URLSearchParams();
  if (text !== "") query.set("q", text);
  if (sources.length === 1) query.set("source", sources[0] ?? "");
  if (servers.length === 1) query.set("server", servers[0] ?? "");
  if (level !== "") query.set("level", level);
  return query;
}

/** The same, within the view's time as it is now. */
export function requestOf(view: View, nowMs: number): URLSearchParams {
  const query = filterOf(view);
  const { fromMs, toMs } = endsOf(view.span, nowMs);
  if (fromMs !== null) query.set("from", new Date(fromMs).toISOString());
  if (toMs !== null) query.set("to", new Date(toMs).toISOString());
  return query;
}

/** What the reader typed, or why it can't be asked. */
export function readQuery(view: View): ParsedQuery {
  const parsed = parseQuery(view.q);
  if (parsed.problem !== undefined) return parsed;
  const text = filterOf(view).get("q") ?? "";
  if (text.length <= maxQueryLength) return parsed;
  return { problem: "too many sources and servers are chosen", from: 0, to: view.q.length };
}

/** `field:value` as the language writes it. */
export const printField = (path: string, text: string): string =>
  printQuery({ kind: "field", path, test: { kind: "is", text } });

function oneOf(path: string, values: readonly string[]): string {
  const parts = values.map((text): Query => ({ kind: "field", path, test: { kind: "is", text } }));
  if (parts.length === 0) return "";
  return parts.length === 1 ? printField(path, values[0] ?? "") : `(${printQuery({ kind: "or", parts })})`;
}

/** A query that asks for this part too; for its absence when `not`. */
export function withPart(q: string, part: string, not: boolean): string {
  const wanted = not ? `-${part}` : part;
  const own = q.trim();
  if (own === "" || own === "*") return wanted;
  const { query } = parseQuery(own);
  return query?.kind === "or" ? `(${own}) ${wanted}` : `${own} ${wanted}`;
}
