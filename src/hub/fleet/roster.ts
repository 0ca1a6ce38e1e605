/** Who is in the fleet: servers by id, by name within a project, and by machine within a project. */
import type { Entry, ServerRecord } from "./port.ts";

export type Roster = {
  readonly get: (id: string) => Entry | undefined;
  readonly named: (projectId: string, hostname: string) => Entry | undefined;
  /** The oldest other server of the project on the same machine that is older than this one. */
  readonly olderTwin: (entry: ServerRecord) => Entry | undefined;
  /** By hostname, then project. The same array until one comes, goes or moves. */
  readonly all: () => readonly Entry[];
  readonly add: (entry: Entry) => void;
  readonly drop: (entry: Entry) => void;
  /** Changes where an entry is found. */
  readonly move: (entry: Entry, to: { readonly hostname?: string; readonly machine?: string | null }) => void;
  /** Counts arrivals, departures and moves. */
  readonly revision: () => number;
};

// neither ids nor host names have spaces in them
const keyOf = (projectId: string, name: string) => `${projectId} ${name}`;

const byName = (a: Entry, b: Entry) =>
  a.hostname < b.hostname || (a.hostname === b.hostname && a.projectId < b.projectId) ? -1 : 1;
// of one millisecond: in order of arrival, which a stable sort leaves
const byAge = (a: Entry, b: Entry) => a.createdAtMs - b.createdAtMs;

export function createRoster(): Roster {
  const entries = new Map<string, Entry>();
  const byHostname = new Map<string, Entry>();
  const byMachine = new Map<string, Set<Entry>>();
  let order: readonly Entry[] | undefined;
  let revision = 0;

  function enter(entry: Entry): void {
    byHostname.set(keyOf(entry.projectId, entry.hostname), entry);
    if (entry.machine === null) return;
    const key = keyOf(entry.projectId, entry.machine);
    byMachine.set(key, (byMachine.get(key) ?? new Set()).add(entry));
  }

  function leave(entry: Entry): void {
    const name = keyOf(entry.projectId, entry.hostname);
    // of what other hubs have changed, the new owner of a name may come before the old one has left it
    if (byHostname.get(name) === entry) byHostname.delete(name);
    if (entry.machine === null) return;
    const key = keyOf(entry.projectId, entry.machine);
    const others = byMachine.get(key);
    others?.delete(entry);
    if (others?.size === 0) byMachine.delete(key);
  }

  function changed(): void {
    order = undefined;
    revision++;
  }

  return {
    get: (id) => entries.get(id),
    named: (projectId, hostname) => byHostname.get(keyOf(projectId, hostname)),
    olderTwin({ id, projectId, machine }) {
      if (machine === null) return undefined;
      const sharing = byMachine.get(keyOf(projectId, machine));
      if (sharing === undefined || sharing.size < 2) return undefined;
      const oldest = [...sharing].sort(byAge)[0];
      return oldest?.id === id ? undefined : oldest;
    },
    all: () => (order ??= [...entries.values()].sort(byName)),
    add(entry) {
      entries.set(entry.id, entry);
      enter(entry);
      changed();
    },
    drop(entry) {
      entries.delete(entry.id);
      leave(entry);
      changed();
    },
    move(entry, { hostname = entry.hostname, machine = entry.machine }) {
      const renamed = hostname !== entry.hostname;
      leave(entry);
      entry.hostname = hostname;
      entry.machine = machine;
      enter(entry);
      if (renamed) changed();
    },
    revision: () => revision,
  };
}
