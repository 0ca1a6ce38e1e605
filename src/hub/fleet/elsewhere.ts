/**
 * What other hubs have made of the servers, taken over as if it had been made here: who they are, what their agents have
 * reported there, and how those that are silent are watched.
 */
import type { Entry, ServerRecord } from "./port.ts";
import type { Roster } from "./roster.ts";

/** A server as it was read; `watch` null: it is not watched. */
export type ReadServer = { readonly server: ServerRecord; readonly watch: string | null };

export type ElsewhereWorld = {
  readonly roster: Roster;
  /** whether a report, or how it is watched, is newer here than what was read */
  readonly isNewer: { readonly beat: (id: string) => boolean; readonly watch: (id: string) => boolean };
  /** whether a second token is offered to it, with which an agent of a revoked server may report */
  readonly isOffered: (id: string) => boolean;
  /** how it is watched here, as JSON */
  readonly watchOf: (id: string) => string | null;
  readonly setWatch: (id: string, body: string | null) => void;
  /** Its agent has just reported to another hub. @param isNew it is the newest report that is known */
  readonly heard: (entry: Entry, isNew: boolean) => void;
  /** whether a report of then may have come a moment ago, by the clock of another hub */
  readonly isRecent: (lastSeenMs: number) => boolean;
  readonly changed: (id: string) => void;
  readonly tokenDied: (id: string) => void;
};

export type Elsewhere = {
  /** Which report of a server is in the store, as far as this hub has written or read it. */
  readonly saved: (id: string, lastSeenMs: number | null) => void;
  /** Takes what was read; undefined: there is no such server. @param sudden it was told just now that it has changed */
  readonly take: (id: string, read: ReadServer | undefined, sudden: boolean) => void;
};

export function createElsewhere(world: ElsewhereWorld): Elsewhere {
  const { roster } = world;
  const stored = new Map<string, number | null>();

  function drop(entry: Entry): void {
    stored.delete(entry.id);
    roster.drop(entry);
    world.changed(entry.id);
    if (entry.digest !== null) world.tokenDied(entry.id);
  }

  /** @returns whether it is another than before */
  function takeIdentity(entry: Entry, { hostname, machine, replacedAtMs, digest }: ServerRecord): boolean {
    const moved = hostname !== entry.hostname || machine !== entry.machine;
    if (moved) roster.move(entry, { hostname, machine });
    const old = entry.digest;
    const renewed = !isSame(old, digest);
    const changed = moved || renewed || replacedAtMs !== entry.replacedAtMs;
    entry.replacedAtMs = replacedAtMs;
    // the same bytes stay the same object, by which a change that is being made here knows its own
    if (renewed) entry.digest = digest;
    if (renewed && old !== null) world.tokenDied(entry.id);
    return changed;
  }

  /** @returns whether another hub has heard of its agent since */
  function takeBeat(entry: Entry, row: ServerRecord, sudden: boolean): boolean {
    const { id } = entry;
    const { version, lastSeenMs, heartbeat, tokenUsedAtMs } = row;
    // written after its token was revoked: nobody reports
    const isOver = row.digest === null && !world.isOffered(id);
    const before = stored.get(id) ?? null;
    stored.set(id, lastSeenMs);
    const heard = !isOver && lastSeenMs !== null && lastSeenMs !== before && (sudden || world.isRecent(lastSeenMs));
    const isNew = lastSeenMs !== null && lastSeenMs > (entry.lastSeenMs ?? 0);
    if (isOver) Object.assign(entry, { version: null, lastSeenMs: null, tokenUsedAtMs: null });
    else if (!world.isNewer.beat(id)) {
      const used = Math.max(entry.tokenUsedAtMs ?? 0, tokenUsedAtMs ?? 0);
      Object.assign(entry, { version, lastSeenMs, heartbeat, tokenUsedAtMs: used === 0 ? null : used });
    }
    if (heard) world.heard(entry, isNew);
    return heard;
  }

  return {
    saved: (id, lastSeenMs) => void stored.set(id, lastSeenMs),
    take(id, read, sudden) {
      const entry = roster.get(id);
      if (read === undefined) {
        if (entry !== undefined) drop(entry);
        return;
      }
      const { server: row, watch } = read;
      const isKnown = entry !== undefined && entry.projectId === row.projectId;
      if (entry !== undefined && !isKnown) roster.drop(entry);
      const mine: Entry = isKnown ? entry : { ...row };
      if (!isKnown) roster.add(mine);
      const identity = takeIdentity(mine, row) || !isKnown;
      const before = mine.lastSeenMs;
      const heard = takeBeat(mine, row, sudden);
      const watched = !world.isNewer.watch(id) && watch !== world.watchOf(id);
      if (watched) world.setWatch(id, watch);
      if (identity || heard || watched || before !== mine.lastSeenMs) world.changed(id);
    },
  };
}

function isSame(one: Uint8Array | null, other: Uint8Array | null): boolean {
  return one === null || other === null ? one === other : Buffer.compare(one, other) === 0;
}
