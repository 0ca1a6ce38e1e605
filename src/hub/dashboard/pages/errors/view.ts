/** Which error groups a list shows, as its address says it. Pure. */
import type { ErrorGroup, GroupKind, GroupState } from "#src/protocol/error-group.ts";
import { address } from "../../client.ts";
import { isSpan, sinceOf } from "../../parts/since.ts";

// the schemas have them too, and a page need not carry those
export const kinds = ["error", "message", "warning"] as const satisfies readonly GroupKind[];
export const states = ["unresolved", "resolved", "ignored"] as const satisfies readonly GroupState[];
export const sorts = ["last", "first", "count"] as const;
export type Sort = (typeof sorts)[number];

export type View = {
  /** empty: all */
  readonly state: GroupState | "";
  /** empty: errors and messages, no warnings */
  readonly kind: GroupKind | "";
  readonly q: string;
  /** id */
  readonly project: string;
  /** id */
  readonly server: string;
  readonly source: string;
  readonly release: string;
  /** `24h`, or a time; empty: all that is kept */
  readonly since: string;
  readonly sort: Sort;
};

/** Groups that were not seen for longer are found all the same: nothing is left out unless it is asked for. */
export const usual: View = {
  state: "unresolved",
  kind: "",
  q: "",
  project: "",
  server: "",
  source: "",
  release: "",
  since: "",
  sort: "last",
};

/** What an address says; what makes no sense is as usual. */
export function readView(query: URLSearchParams): View {
  const text = (name: string) => query.get(name) ?? "";
  const state = query.get("state");
  const since = text("since");
  return {
    state: state === "all" ? "" : (states.find((one) => one === state) ?? usual.state),
    kind: kinds.find((one) => one === query.get("kind")) ?? "",
    q: text("q"),
    project: text("project"),
    server: text("server"),
    source: text("source"),
    release: text("release"),
    since: isSpan(since) || !Number.isNaN(Date.parse(since)) ? since : "",
    sort: sorts.find((one) => one === query.get("sort")) ?? usual.sort,
  };
}

/** The address of a list; what is usual is not in it. */
export function writeView({ state, sort, ...rest }: View): string {
  return address(
    "/errors",
    {},
    {
      state: state === "" ? "all" : state === usual.state ? "" : state,
      ...rest,
      sort: sort === usual.sort ? "" : sort,
    },
  );
}

/** Where its groups are read. `nowMs` is what spans end at. */
export function apiAddress(view: View, nowMs: number, limit: number): string {
  return address("/api/errors", {}, { ...view, since: sinceOf(view.since, nowMs), limit });
}

/** Whether a group belongs in the list, as far as the group itself tells: it names its commonest servers only. */
export function matches(group: ErrorGroup, view: View, nowMs: number): boolean {
  const { state, kind, project, server, source, release } = view;
  if (state !== "" && group.state !== state) return false;
  if (kind === "" ? group.kind === "warning" : group.kind !== kind) return false;
  if (project !== "" && group.project !== project) return false;
  if (server !== "" && !group.servers.some(({ id }) => id === server)) return false;
  if (source !== "" && !group.sources.includes(source)) return false;
  if (release !== "" && !group.releases.includes(release)) return false;
  const since = sinceOf(view.since, nowMs);
  if (since !== "" && Date.parse(group.lastSeen) < Date.parse(since)) return false;
  const wanted = view.q.trim().toLowerCase();
  return wanted === "" || [group.type, group.value, group.culprit].some((text) => text?.toLowerCase().includes(wanted));
}

/** For sorting, as the hub does. */
export function compare(sort: Sort): (a: ErrorGroup, b: ErrorGroup) => number {
  const figure = ({ lastSeen, firstSeen, count }: ErrorGroup) =>
    sort === "count" ? count : Date.parse(sort === "first" ? firstSeen : lastSeen);
  return (a, b) => figure(b) - figure(a) || (a.fingerprint < b.fingerprint ? -1 : 1);
}

/** Whether anything but state, order and time narrows the list. */
export function isNarrowed(view: View): boolean {
  return writeView({ ...view, state: usual.state, sort: usual.sort }) !== "/errors";
}
