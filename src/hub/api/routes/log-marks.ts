/** Events of what a search looks at, as marks between its lines: a crash, a deploy, lines that were dropped. */
import type { StoredEntry } from "#src/protocol/api.ts";
import { subjectOf } from "#src/protocol/event.ts";
import type { LogMark, LogMarks } from "#src/protocol/query-answers.ts";
import { columnOf, matcherOf } from "#src/protocol/query-match.ts";
import type { LogSelection, Query } from "#src/protocol/query.ts";
import type { Events } from "../ports.ts";

/** Marks of one answer; the newest of them, if there are more. */
const maxMarks = 500;
/** Events that are looked at for them. */
const maxLooked = 5000;
const pageSize = 500;

/** Events of a stretch, from <= at < to; null: open. Oldest first. */
export async function marksWithin(
  events: Pick<Events, "events">,
  selection: LogSelection,
  { fromMs, toMs }: Pick<LogSelection, "fromMs" | "toMs">,
): Promise<LogMarks> {
  const { scope, servers, sources, query } = selection;
  const matches = matcherOf(aboutOrigin(query) ?? { kind: "all" });
  const marks: LogMark[] = [];
  const [serverId = null, ...others] = servers ?? [];
  let before: string | null = null;
  for (let looked = 0; looked < maxLooked; looked += pageSize) {
    const page = await events.events({
      scope,
      // of several servers, each is looked at
      serverId: others.length === 0 ? serverId : null,
      types: null,
      source: sources?.length === 1 ? (sources[0] ?? null) : null,
      fromMs: selection.fromMs === null ? fromMs : Math.max(fromMs ?? -Infinity, selection.fromMs),
      toMs: selection.toMs === null ? toMs : Math.min(toMs ?? Infinity, selection.toMs),
      limit: pageSize,
      before,
    });
    for (const { id, serverId: server, event } of page.events) {
      const subjects = "sources" in event ? event.sources.map(({ source }) => source) : [subjectOf(event)];
      const wanted = servers === null || servers.includes(server);
      const about = subjects.some(
        (subject) =>
          (sources === null || (subject !== null && sources.includes(subject))) && matches(asEntry(server, subject)),
      );
      if (!wanted || !about) continue;
      if (marks.length === maxMarks) return { marks: marks.toReversed(), marksCut: true };
      const lines = event.type === "logs.dropped" ? { lines: event.total } : {};
      marks.push({ id, at: event.at, type: event.type, serverId: server, subject: subjectOf(event), ...lines });
    }
    before = page.cursor;
    if (before === null) return { marks: marks.toReversed(), marksCut: false };
  }
  return { marks: marks.toReversed(), marksCut: true };
}

/** The part of a query that says of which server, source or container; null: it says nothing of that, or more than that. */
function aboutOrigin(query: Query): Query | null {
  switch (query.kind) {
    case "field":
      return ["server", "source", "container"].includes(columnOf(query.path) ?? "") ? query : null;
    case "and": {
      const parts = query.parts.map(aboutOrigin).filter((part) => part !== null);
      return parts.length === 0 ? null : { kind: "and", parts };
    }
    case "or": {
      const parts = query.parts.map(aboutOrigin);
      return parts.includes(null) ? null : { kind: "or", parts: parts.filter((part) => part !== null) };
    }
    case "not": {
      const part = onlyOrigin(query.part) ? query.part : null;
      return part === null ? null : { kind: "not", part };
    }
    default:
      return null;
  }
}

function onlyOrigin(query: Query): boolean {
  if (query.kind === "and" || query.kind === "or") return query.parts.every(onlyOrigin);
  return query.kind === "not" ? onlyOrigin(query.part) : aboutOrigin(query) !== null;
}

/** What an event is about, as an entry that a query can be asked of. */
function asEntry(serverId: string, subject: string | null): StoredEntry {
  const source = subject ?? "";
  const blank = {
    id: "0",
    seq: 0,
    at: "1970-01-01T00:00:00.000Z",
    stream: "stdout",
    level: "info",
    message: "",
  } as const;
  return { ...blank, serverId, source, fields: subject === null ? {} : { container: subject } };
}
