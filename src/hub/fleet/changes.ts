/**
 * Changes of a server's identity: in memory at once, so that an old token is dead before anything else happens, then on
 * disk. One that can't be made durable is undone, because its caller hears that it failed and a restart would undo it too.
 */
import { Fault } from "#src/protocol/fault.ts";
import type { Rereading } from "#src/lib/rereading.ts";
import type { Change, Entry, FleetStore } from "./port.ts";
import type { Roster } from "./roster.ts";

export type Changes = {
  /** Adds a new server. */
  readonly add: (entry: Entry) => Promise<void>;
  readonly make: (entry: Entry, change: Change) => Promise<void>;
  readonly remove: (entry: Entry) => Promise<void>;
};

/** A change that another hub was quicker with: nothing was done, and what is known here was no longer true. */
export class Overtaken extends Error {
  override readonly name = "Overtaken";
  /** whom to read again; null: whoever has the name now is not known */
  readonly ids: readonly string[] | null;

  constructor(ids: readonly string[] | null, cause?: unknown) {
    super("the server was changed by somebody else meanwhile", { cause });
    this.ids = ids;
  }
}

export type ChangesWorld = {
  readonly store: FleetStore;
  readonly roster: Roster;
  /** what is read of a server while it is being changed does not count */
  readonly write: Rereading["write"];
  /** hears of each change, and of each that was undone */
  readonly changed: (id: string) => void;
  /** hears of each token that is no longer good */
  readonly tokenDied: (id: string) => void;
};

export function createChanges({ store, roster, write, changed, tokenDied }: ChangesWorld): Changes {
  function apply(entry: Entry, change: Change): void {
    const { hostname = entry.hostname, machine = entry.machine, ...rest } = change;
    if (hostname !== entry.hostname || machine !== entry.machine) roster.move(entry, { hostname, machine });
    Object.assign(entry, rest);
    changed(entry.id);
  }

  /** Does it within `write`; when that fails it is undone before anything is read again. */
  async function durably(id: string, work: () => Promise<boolean>, undo: () => void): Promise<void> {
    await write([id], async () => {
      let done: boolean;
      try {
        done = await work();
      } catch (error) {
        undo();
        throw error instanceof Fault && error.code === "conflict" ? new Overtaken(null, error) : error;
      }
      if (done) return;
      undo();
      throw new Overtaken([id]);
    });
  }

  return {
    async add(entry) {
      roster.add(entry);
      changed(entry.id);
      const { digest } = entry;
      await durably(
        entry.id,
        async () => {
          await store.putServer({ ...entry });
          return true;
        },
        () => {
          // unless somebody else has given it another token since
          if (roster.get(entry.id) !== entry || entry.digest !== digest) return;
          roster.drop(entry);
          changed(entry.id);
        },
      );
    },
    async make(entry, change) {
      const before = Object.fromEntries(Object.keys(change).map((key) => [key, entry[key as keyof Change]])) as Change;
      const { id, hostname, machine, replacedAtMs, digest: old } = entry;
      apply(entry, change);
      const { digest } = entry;
      if (old !== null && old !== digest) tokenDied(id);
      await durably(
        id,
        () => store.changeServer(id, { hostname, machine, replacedAtMs, digest: old }, change),
        () => {
          if (roster.get(id) === entry && entry.digest === digest) apply(entry, before);
        },
      );
    },
    async remove(entry) {
      roster.drop(entry);
      changed(entry.id);
      if (entry.digest !== null) tokenDied(entry.id);
      await durably(
        entry.id,
        async () => {
          await store.deleteServer(entry.id);
          return true;
        },
        () => {
          if (roster.named(entry.projectId, entry.hostname) !== undefined) return;
          roster.add(entry);
          changed(entry.id);
        },
      );
    },
  };
}
