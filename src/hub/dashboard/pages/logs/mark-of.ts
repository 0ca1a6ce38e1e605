/** Events that happen while somebody looks, as marks between the lines that they are about. Pure. */
import type { StoredEvent } from "#src/protocol/api.ts";
import { subjectOf } from "#src/protocol/event-subject.ts";
import type { LogMark } from "#src/protocol/query-answers.ts";
import type { View } from "./view.ts";

/** Null: it is about lines that the view doesn't show. */
export function markOf(
  { id, serverId, event }: StoredEvent,
  { servers, sources, containers, span }: View,
): LogMark | null {
  const ms = Date.parse(event.at);
  if (span.kind === "fixed" && (ms < span.fromMs || ms >= span.toMs)) return null;
  if (servers.length > 0 && !servers.includes(serverId)) return null;
  const subjects = "sources" in event ? event.sources.map(({ source }) => source) : [subjectOf(event)];
  if (sources.length > 0 && !subjects.some((subject) => subject !== null && sources.includes(subject))) return null;
  if (containers.length > 0 && !("container" in event && containers.includes(event.container))) return null;
  const lines = event.type === "logs.dropped" ? { lines: event.total } : {};
  return { id, at: event.at, type: event.type, serverId, subject: subjectOf(event), ...lines };
}
