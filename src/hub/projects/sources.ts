/** Sources: what logs under its own name with a token of its own. In memory, found by id, project and digest. */
import { createBatch } from "#src/lib/batch.ts";
import { type Rereading, createRereading } from "#src/lib/rereading.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { ProjectsWorld, Source, SourceRecord } from "./port.ts";

/** When a source's token was last used reaches the disk within this time. */
const saveUsesWithinMs = 5000;
/** How often a source is rotated anew that another hub has rotated meanwhile; each time, one of them gets through. */
const maxTries = 20;

/** A source and its new token, which is shown this once; both are durable. */
export type SourceWithToken = { readonly source: Source; readonly token: string };

export type Sources = {
  readonly open: () => Promise<void>;
  readonly close: () => Promise<void>;
  /** Reads those again that another hub has changed; null: all. */
  readonly refresh: Rereading["refresh"];
  /** By name. */
  readonly of: (projectId: string) => readonly Source[];
  readonly get: (id: string) => Source | undefined;
  readonly create: (projectId: string, name: string) => Promise<SourceWithToken>;
  readonly rotate: (id: string) => Promise<SourceWithToken>;
  readonly remove: (id: string) => Promise<void>;
  /** Forgets those of a project that is gone. @returns takes them back */
  readonly forget: (projectId: string) => () => void;
  readonly authenticate: (token: string) => Source | undefined;
};

/** A source in memory; only this room changes it. */
type Entry = { -readonly [Key in keyof SourceRecord]: SourceRecord[Key] };

/** Sources over `world`; `changed` hears whenever one comes, goes, or gets another name. */
export function createSources({ store, tokens, clock, warn }: ProjectsWorld, changed: () => void): Sources {
  const entries = new Map<string, Entry>();
  const byProject = new Map<string, Map<string, Entry>>();
  const byDigest = new Map<string, Entry>();
  const used = createBatch({
    clock,
    withinMs: saveUsesWithinMs,
    async write(ids) {
      await store.putUses(
        [...ids].flatMap((id) => {
          const atMs = entries.get(id)?.lastUsedAtMs;
          return atMs == null ? [] : { id, kind: "source" as const, atMs };
        }),
      );
    },
    failed: (error) => warn(`when sources were last used is not on disk yet: ${reasonOf(error)}`),
  });

  const rereading = createRereading<SourceRecord>({
    clock,
    read: async (ids) => new Map((await store.sources(ids ?? undefined)).map((one) => [one.id, one])),
    known: () => entries.keys(),
    take(id, row) {
      const entry = entries.get(id);
      if (row !== undefined && entry !== undefined) {
        // each hub has its own uses in memory until they are written
        entry.lastUsedAtMs = Math.max(entry.lastUsedAtMs ?? 0, row.lastUsedAtMs ?? 0) || null;
        if (keyOf(row.digest) === keyOf(entry.digest) && row.name === entry.name) return;
      }
      const { lastUsedAtMs } = entry ?? row ?? { lastUsedAtMs: null };
      if (entry !== undefined) drop(entry);
      if (row !== undefined) add({ ...row, lastUsedAtMs });
    },
  });

  function add(entry: Entry): void {
    entries.set(entry.id, entry);
    byDigest.set(keyOf(entry.digest), entry);
    const names = byProject.get(entry.projectId) ?? new Map<string, Entry>();
    byProject.set(entry.projectId, names.set(entry.name, entry));
    changed();
  }

  function drop(entry: Entry): void {
    entries.delete(entry.id);
    byDigest.delete(keyOf(entry.digest));
    const names = byProject.get(entry.projectId);
    // of what other hubs have changed, the new owner of a name may come before the old one has left it
    if (names?.get(entry.name) === entry) names.delete(entry.name);
    used.drop(entry.id);
    changed();
  }

  /** The old token is dead at once, and lives again when this fails. False: another hub was quicker. */
  async function renew(entry: Entry, digest: Uint8Array): Promise<boolean> {
    const before = entry.digest;
    const use = (next: Uint8Array) => {
      byDigest.delete(keyOf(entry.digest));
      entry.digest = next;
      byDigest.set(keyOf(next), entry);
    };
    use(digest);
    let done = false;
    try {
      done = await rereading.write([entry.id], () => store.renewSource(entry.id, before, digest));
    } finally {
      if (!done && entry.digest === digest && entries.get(entry.id) === entry) use(before);
    }
    return done;
  }

  function find(id: string): Entry {
    const entry = entries.get(id);
    if (entry === undefined) throw noSource();
    return entry;
  }

  function refuseTaken(projectId: string, name: string): void {
    if (byProject.get(projectId)?.has(name) !== true) return;
    throw new Fault("conflict", `the project has a source "${name}" already`, {
      hint: "Choose another name, or get a new token for that one",
    });
  }

  return {
    async open() {
      for (const record of await store.sources()) add({ ...record });
    },
    async close() {
      await used.flush();
      rereading.close();
    },
    refresh: rereading.refresh,
    of: (projectId) => [...(byProject.get(projectId)?.values() ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1)),
    get: (id) => entries.get(id),
    async create(projectId, name) {
      refuseTaken(projectId, name);
      const { token, digest } = tokens.create();
      const entry: Entry = {
        id: crypto.randomUUID(),
        projectId,
        name,
        createdAtMs: clock.now(),
        lastUsedAtMs: null,
        digest,
      };
      add(entry);
      try {
        await rereading.write([entry.id], () => store.putSource({ ...entry }));
      } catch (error) {
        drop(entry);
        if (error instanceof Fault && error.code === "conflict") {
          // another hub was quicker: it is told as if that had been known
          await rereading.refresh(null);
          refuseTaken(projectId, name);
        }
        throw error;
      }
      return { source: entry, token };
    },
    async rotate(id) {
      find(id);
      const { token, digest } = tokens.create();
      for (let tries = 1; !(await renew(find(id), digest)); tries++) {
        if (tries >= maxTries) throw new Fault("conflict", "others rotate it at the same time", { hint: "Try again" });
        // as if what another hub has made of it had been known
        await rereading.refresh([id]);
      }
      return { source: find(id), token };
    },
    async remove(id) {
      const entry = find(id);
      drop(entry);
      await rereading.write([id], async () => {
        try {
          await store.deleteSource(id);
        } catch (error) {
          add(entry);
          throw error;
        }
      });
    },
    forget(projectId) {
      const gone = [...(byProject.get(projectId)?.values() ?? [])];
      for (const entry of gone) drop(entry);
      byProject.delete(projectId);
      return () => {
        for (const entry of gone) add(entry);
      };
    },
    authenticate(token) {
      const entry = byDigest.get(keyOf(tokens.digestOf(token)));
      if (entry === undefined || !tokens.matches(token, entry.digest)) return undefined;
      entry.lastUsedAtMs = clock.now();
      used.add(entry.id);
      return entry;
    },
  };
}

const noSource = () => new Fault("not-found", "there is no such source");

/** What a digest is found by. */
function keyOf(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("base64");
}
