/** Which events a list shows, as its address says it. Pure. */
import type { Server, StoredEvent } from "#src/protocol/api.ts";
import { subjectOf } from "#src/protocol/event-subject.ts";
import { address } from "../../client.ts";
import { type EventType, eventKinds, typeWords } from "../../events-text.ts";
import { isSpan, sinceOf } from "../../parts/since.ts";

export type View = {
  /** a kind's key, or types with commas between them; empty: all */
  readonly type: string;
  /** ids */
  readonly server: string;
  readonly project: string;
  readonly source: string;
  /** `24h`; empty: all that is kept */
  readonly since: string;
  /** times, instead of a span */
  readonly from: string;
  readonly to: string;
};

export const everything: View = { type: "", server: "", project: "", source: "", since: "", from: "", to: "" };

/** What an address says; what makes no sense is left out. */
export function readView(query: URLSearchParams): View {
  const text = (name: string) => query.get(name) ?? "";
  const time = (name: string) => sinceOf(isSpan(text(name)) ? "" : text(name), 0);
  return {
    type: typesOf(text("type")) === null ? "" : text("type"),
    server: text("server"),
    project: text("project"),
    source: text("source"),
    since: isSpan(text("since")) ? text("since") : "",
    from: time("from"),
    to: time("to"),
  };
}

export const writeView = (view: View): string => address("/events", {}, view);

/** The types that a kind or list stands for; null: all. */
export function typesOf(type: string): readonly EventType[] | null {
  const kind = eventKinds.find(({ key }) => key === type);
  if (kind !== undefined) return kind.types;
  const named = type.split(",").filter((one): one is EventType => Object.hasOwn(typeWords, one));
  return named.length === 0 ? null : named;
}

/** Where its events are read. `nowMs` is what spans end at. */
export function apiAddress(view: View, nowMs: number, limit: number): string {
  const { server, project, source, to } = view;
  const from = view.from === "" ? sinceOf(view.since, nowMs) : view.from;
  return address("/api/events", {}, { server, project, source, to, from, type: typesOf(view.type)?.join(","), limit });
}

/** Whether an event that has just come belongs in the list. */
export function matches(one: StoredEvent, view: View, projectOf: (server: string) => Server["projectId"]): boolean {
  const types = typesOf(view.type);
  if (types !== null && !types.includes(one.event.type)) return false;
  if (view.server !== "" && one.serverId !== view.server) return false;
  if (view.project !== "" && projectOf(one.serverId) !== view.project) return false;
  if (view.source !== "" && subjectOf(one.event) !== view.source) return false;
  const atMs = Date.parse(one.event.at);
  if (view.from !== "" && atMs < Date.parse(view.from)) return false;
  return view.to === "" || atMs < Date.parse(view.to);
}

/** What was read and what came since, newest first, each once. What was read knows more: the error behind a crash. */
export function merge(read: readonly StoredEvent[], live: readonly StoredEvent[], complete: boolean): StoredEvent[] {
  const known = new Map(read.map((one) => [one.id, one]));
  const oldest = read.at(-1);
  for (const one of live) {
    // what is older than the last that was read comes with a later page
    if (known.has(one.id) || (!complete && oldest !== undefined && one.event.at < oldest.event.at)) continue;
    known.set(one.id, one);
  }
  return [...known.values()].sort(
    (a, b) => Date.parse(b.event.at) - Date.parse(a.event.at) || Number(b.id) - Number(a.id),
  );
}
