/** Which servers are listed, in which order and under which headings: what the address says. Pure. */
import type { Server } from "#src/protocol/api.ts";
import type { SystemMetrics } from "#src/protocol/heartbeat.ts";
import { type Need, type NeedKind, needKinds } from "./needs.ts";

export const sortKeys = ["needs", "name", "cpu", "memory", "disk", "network", "load", "seen"] as const;
export type SortKey = (typeof sortKeys)[number];

export const stateNames = ["connected", "disconnected", "ssh", "waiting"] as const;
export type StateName = (typeof stateNames)[number];

export type View = {
  readonly q: string;
  readonly state: StateName | "";
  readonly project: string;
  readonly need: NeedKind | "";
  readonly sort: SortKey;
  /** the other way round than the key is usually looked at */
  readonly reversed: boolean;
};

export function readView(query: URLSearchParams): View {
  const one = <T extends string>(name: string, known: readonly T[]): T | "" =>
    known.find((value) => value === query.get(name)) ?? "";
  const sort = query.get("sort") ?? "";
  return {
    q: query.get("q") ?? "",
    state: one("state", stateNames),
    project: query.get("project") ?? "",
    need: one("need", needKinds),
    sort: sortKeys.find((key) => key === sort.replace(/^-/, "")) ?? "name",
    reversed: sort.startsWith("-"),
  };
}

/** As a query of the address; what is usual is left out. */
export function writeView({ q, state, project, need, sort, reversed }: View): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ q, state, project, need })) if (value !== "") query.set(name, value);
  if (sort !== "name" || reversed) query.set("sort", `${reversed ? "-" : ""}${sort}`);
  return query.size === 0 ? "/" : `/?${query}`;
}

/** The latest figures, whichever way they came. */
export function systemOf(server: Server): SystemMetrics | null {
  return (server.polled ?? server.latest)?.system ?? null;
}

export function stateOf({ agent, latest }: Server): StateName {
  if (agent.status === "connected") return "connected";
  if (agent.transport === "ssh") return "ssh";
  return latest === null ? "waiting" : "disconnected";
}

export type Item =
  | { readonly kind: "project"; readonly id: string; readonly name: string; readonly servers: number }
  | { readonly kind: "server"; readonly server: Server; readonly needs: readonly Need[] };

export type ListWorld = {
  readonly needs: ReadonlyMap<string, readonly Need[]>;
  /** names by id; servers are put under them when there is more than one */
  readonly projects: ReadonlyMap<string, string>;
  readonly collapsed: ReadonlySet<string>;
};

const byName = new Intl.Collator("en", { numeric: true }).compare;

/** What is listed. `servers` come by name. */
export function listServers(servers: readonly Server[], view: View, world: ListWorld): Item[] {
  const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
  const needsOf = (server: Server) => world.needs.get(server.id) ?? [];
  const shown = servers.filter((server) => {
    if (view.state !== "" && stateOf(server) !== view.state) return false;
    if (view.project !== "" && server.projectId !== view.project) return false;
    if (view.need !== "" && !needsOf(server).some(({ kind }) => kind === view.need)) return false;
    if (words.length === 0) return true;
    const text = searched(server, world.projects.get(server.projectId) ?? "");
    return words.every((word) => text.includes(word));
  });
  const ordered = view.sort === "name" ? shown : shown.toSorted(orderBy(view.sort, needsOf));
  const sorted = view.reversed ? ordered.toReversed() : ordered;
  const items = (list: readonly Server[]) =>
    list.map((server): Item => ({ kind: "server", server, needs: needsOf(server) }));
  const groups = new Set(servers.map((server) => server.projectId));
  if (groups.size < 2 || view.project !== "" || view.sort !== "name") return items(sorted);
  const names = [...groups].sort((a, b) => byName(world.projects.get(a) ?? "", world.projects.get(b) ?? ""));
  return names.flatMap((id) => {
    const own = sorted.filter((server) => server.projectId === id);
    if (own.length === 0) return [];
    const head: Item = { kind: "project", id, name: world.projects.get(id) ?? "", servers: own.length };
    return world.collapsed.has(id) ? [head] : [head, ...items(own)];
  });
}

function searched(server: Server, project: string): string {
  const { latest, agent } = server;
  const names = [...(latest?.scripts ?? []), ...(latest?.containers ?? [])].map(({ name }) => name);
  return [server.hostname, project, agent.version ?? "", ...names].join("\n").toLowerCase();
}

function orderBy(key: Exclude<SortKey, "name">, needsOf: (server: Server) => readonly Need[]) {
  const figure = (server: Server): number => {
    const system = systemOf(server);
    switch (key) {
      case "needs":
        return needsOf(server).reduce((sum, { kind, tone }) => sum + weight(kind, tone), 0);
      case "cpu":
        return system?.cpu.usage ?? -1;
      case "memory":
        return system?.memory.usage ?? -1;
      case "disk":
        return system?.disk.usage ?? -1;
      case "network":
        return system === null ? -1 : (system.network.rxRate ?? 0) + (system.network.txRate ?? 0);
      case "load":
        return system?.load?.[0] ?? -1;
      case "seen":
        // who has been silent for longest comes first
        return -Date.parse(server.agent.lastSeen ?? "1970-01-01");
    }
  };
  return (a: Server, b: Server) => figure(b) - figure(a) || byName(a.hostname, b.hostname);
}

/** A worse kind outweighs any number of lesser ones. */
function weight(kind: NeedKind, tone: Need["tone"]): number {
  return (tone === "bad" ? 1000 : 1) * (needKinds.length - needKinds.indexOf(kind));
}
