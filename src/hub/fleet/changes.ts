/**
 * Changes of a server's identity: in memory at once, so that an old token is dead before anything else happens, then on
 * disk. One that can't be made durable is undone, because its caller hears that it failed and a restart would undo it too.
 */
import type { Entry, FleetStore } from "./port.ts";
import type { Roster } from "./roster.ts";

/** What can be changed of a server. */
export type Change = Partial<
  Pick<Entry, "hostname" | "machine" | "replacedAtMs" | "digest" | "version" | "lastSeenMs" | "tokenUsedAtMs">
>;

export type Changes = {
  /** Adds a new server. */
  readonly add: (entry: Entry) => Promise<void>;
  readonly make: (entry: Entry, change: Change) => Promise<void>;
  readonly remove: (entry: Entry) => Promise<void>;
};

export type ChangesWorld = {
  readonly store: FleetStore;
  readonly roster: Roster;
  /** hears of each change, and of each that was undone */
  readonly changed: (id: string) => void;
  /** hears of each token that is no longer good */
  readonly tokenDied: (id: string) => void;
};

export function createChanges({ store, roster, changed, tokenDied }: ChangesWorld): Changes {
  function apply(entry: Entry, change: Change): void {
    const { hostname = entry.hostname, machine = entry.machine, ...rest } = change;
    if (hostname !== entry.hostname || machine !== entry.machine) roster.move(entry, { hostname, machine });
    Object.assign(entry, rest);
    changed(entry.id);
  }

  return {
    async add(entry) {
      roster.add(entry);
      changed(entry.id);
      const { digest } = entry;
      try {
        await store.putServer({ ...entry });
      } catch (error) {
        // unless somebody else has given it another token since
        if (roster.get(entry.id) === entry && entry.digest === digest) {
          roster.drop(entry);
          changed(entry.id);
        }
        throw error;
      }
    },
    async make(entry, change) {
      const before = Object.fromEntries(Object.keys(change).map((key) => [key, entry[key as keyof Change]])) as Change;
      const old = entry.digest;
      apply(entry, change);
      const { digest } = entry;
      if (old !== null && old !== digest) tokenDied(entry.id);
      try {
        await store.putServer({ ...entry });
      } catch (error) {
        if (roster.get(entry.id) === entry && entry.digest === digest) apply(entry, before);
        throw error;
      }
    },
    async remove(entry) {
      roster.drop(entry);
      changed(entry.id);
      if (entry.digest !== null) tokenDied(entry.id);
      try {
        await store.deleteServer(entry.id);
      } catch (error) {
        if (roster.named(entry.projectId, entry.hostname) === undefined) {
          roster.add(entry);
          changed(entry.id);
        }
        throw error;
      }
    },
  };
}
