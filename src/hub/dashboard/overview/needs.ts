/** What of a server needs a person, worst first. Pure. */
import type { Server } from "#src/protocol/api.ts";
import { address } from "../client.ts";

/** Kinds of trouble, worst first. */
export const needKinds = ["silent", "crashed", "unhealthy", "disk", "errors", "dropped", "notice", "watched"] as const;
export type NeedKind = (typeof needKinds)[number];

export type Need = {
  readonly kind: NeedKind;
  readonly tone: "bad" | "warn";
  readonly text: string;
  /** the place where it is dealt with */
  readonly href: string;
};

/** From here on a disk is nearly full, in percent. */
const [fullDisk, nearlyFullDisk] = [95, 90];

/** `newErrors`: groups that were first seen or came back within the last day. */
export function needsOf(server: Server, newErrors: number): Need[] {
  const { agent, latest, notices } = server;
  const here = address("/servers/:id", { id: server.id });
  const needs: Need[] = [];
  const add = (kind: NeedKind, tone: Need["tone"], text: string, href = here) => needs.push({ kind, tone, text, href });
  if (agent.status === "disconnected" && agent.lastSeen !== null) {
    if (agent.transport === "ssh") add("watched", "warn", "agent silent, watched over SSH");
    else add("silent", "bad", "silent");
  }
  for (const script of latest?.scripts ?? []) {
    if (script.state === "crashed") add("crashed", "bad", `${script.name} crashed`, `${here}#scripts`);
  }
  const containers = (server.polled ?? latest)?.containers ?? [];
  for (const { name, state, health } of containers) {
    if (state === "restarting" || state === "dead") add("unhealthy", "bad", `${name} ${state}`, `${here}#containers`);
    else if (state === "running" && health === "unhealthy")
      add("unhealthy", "bad", `${name} unhealthy`, `${here}#containers`);
  }
  const disk = (server.polled ?? latest)?.system.disk.usage ?? 0;
  if (disk >= fullDisk) add("disk", "bad", `disk ${Math.floor(disk)} % full`);
  else if (disk >= nearlyFullDisk) add("disk", "warn", `disk ${Math.floor(disk)} % full`);
  if (newErrors > 0) {
    const text = newErrors === 1 ? "1 new error" : `${newErrors} new errors`;
    add("errors", "bad", text, address("/errors", {}, { server: server.id }));
  }
  const dropped = latest?.delivery.dropped ?? 0;
  if (dropped > 0) add("dropped", "warn", `${dropped.toLocaleString("en")} lines lost`);
  if (notices.length > 0) add("notice", "warn", "identity needs a look");
  return needs.sort((a, b) => needKinds.indexOf(a.kind) - needKinds.indexOf(b.kind));
}

const words: Readonly<Record<NeedKind, readonly [one: string, many: string]>> = {
  silent: ["server silent", "servers silent"],
  crashed: ["script crashed", "scripts crashed"],
  unhealthy: ["container unhealthy", "containers unhealthy"],
  disk: ["disk nearly full", "disks nearly full"],
  errors: ["server with new errors", "servers with new errors"],
  dropped: ["server lost lines", "servers lost lines"],
  notice: ["server of unclear identity", "servers of unclear identity"],
  watched: ["server watched over SSH", "servers watched over SSH"],
};

/** One kind of trouble over all servers. */
export type NeedSum = { readonly kind: NeedKind; readonly tone: Need["tone"]; readonly text: string };

/** What needs a person, over all servers, worst first: `2 scripts crashed`. */
export function sumNeeds(all: Iterable<readonly Need[]>): NeedSum[] {
  const counts = new Map<NeedKind, { count: number; tone: Need["tone"] }>();
  for (const needs of all) {
    for (const { kind, tone } of needs) {
      const sum = counts.get(kind) ?? { count: 0, tone };
      counts.set(kind, { count: sum.count + 1, tone: tone === "bad" ? tone : sum.tone });
    }
  }
  return needKinds.flatMap((kind) => {
    const sum = counts.get(kind);
    if (sum === undefined) return [];
    const [one, many] = words[kind];
    return [{ kind, tone: sum.tone, text: `${sum.count} ${sum.count === 1 ? one : many}` }];
  });
}
