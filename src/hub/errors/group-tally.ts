/**
 * Events on their way into groups: worked out in memory, written together. The rows in memory are what the store will
 * hold after the next write, so that a write that fails loses nothing and is made again.
 */
import type { GroupKind, News } from "#src/protocol/error-group.ts";
import type {
  CountRow,
  CrashRow,
  ErrorWrites,
  GroupRow,
  ReleaseRow,
  SampleRow,
  TemplateRow,
  VariantRow,
} from "#src/protocol/error-rows.ts";
import type { ErrorEvent } from "./event.ts";
import { type Identity, identify, identifyRest } from "./fingerprint.ts";
import { afterEvent, fresh } from "./group.ts";
import { maxGroups, maxReleases } from "./group-bounds.ts";
import { isKept, packSample } from "./group-samples.ts";
import type { ErrorStore } from "./port.ts";
import type { Templates } from "./template.ts";

/** Variants of one fingerprint that are told apart; the others are one. */
const maxVariants = 16;
/** Groups whose rows stay in memory after they were written; a few kilobytes each. */
const maxHeads = 2000;
/** What may wait to be written: changed groups, and characters of their newest events. */
const maxChanged = 500;
const maxWaitingLength = 8 * 1024 * 1024;

const hourMs = 3_600_000;
/** Characters of the text that names a group. */
const maxValue = 1000;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

type Head = {
  readonly row: Mutable<GroupRow>;
  /** the newest event, when it is not kept anyway */
  last: { readonly event: ErrorEvent; readonly variant: number; readonly number: number } | null;
  readonly news: Set<News>;
};

type Place = { readonly head: Head; readonly variant: Mutable<VariantRow> };

export type Change = { readonly group: GroupRow; readonly news: readonly News[] };

export type Tally = {
  /** Counts an event of a project. @returns where it belongs */
  add(project: string, event: ErrorEvent): Pick<Identity, "fingerprint" | "variant">;
  crash(crash: CrashRow): void;
  /** Whether there is something to write. */
  waiting(): boolean;
  /** Whether so much waits that nothing may be added before it is written. */
  full(): boolean;
  /** Writes what waits with `resume`, and tells what has changed. Throws when it can't; then everything still waits. */
  write(resume: string | null): readonly Change[];
  /** Forgets what is written: somebody else has changed it. */
  forget(): void;
  /** Ids for what somebody else makes. */
  readonly next: { readonly group: () => number; readonly variant: () => number };
};

export type TallyStore = Pick<
  ErrorStore,
  "find" | "countVariants" | "firstSeen" | "countGroups" | "countReleases" | "write" | "groupById" | "nextIds"
>;

export function createTally(store: TallyStore, templates: Templates): Tally {
  const next: Mutable<ReturnType<ErrorStore["nextIds"]>> = { ...store.nextIds() };
  const places = new Map<string, Place>();
  const heads = new Map<number, Head>();
  const byFingerprint = new Map<string, { readonly group: number; variants: number }>();
  const changedGroups = new Set<Head>();
  const changedVariants = new Set<Mutable<VariantRow>>();
  const counts = new Map<string, Mutable<CountRow>>();
  const releases = new Map<string, ReleaseRow>();
  const changedTemplates = new Map<string, TemplateRow>();
  let samples: Omit<SampleRow, "id">[] = [];
  let crashes: CrashRow[] = [];
  let waitingLength = 0;

  // by project, those that wait to be written with them
  const groupCounts = new Map<string, number>();
  const releaseCounts = new Map<string, number>();

  const releaseKey = (project: string, release: string) => `${project}\u0000${release}`;

  function firstSeen(project: string, release: string): number | null {
    return releases.get(releaseKey(project, release))?.firstMs ?? store.firstSeen(project, release);
  }

  const groupsOf = (project: string) => groupCounts.getOrInsertComputed(project, store.countGroups);
  const releasesOf = (project: string) => releaseCounts.getOrInsertComputed(project, store.countReleases);

  function headOf(row: GroupRow): Head {
    const known = heads.get(row.id);
    if (known !== undefined) return known;
    const head = { row: { ...row }, last: null, news: new Set<News>() };
    heads.set(row.id, head);
    return head;
  }

  function makeGroup(project: string, event: ErrorEvent, identity: Identity): Head {
    groupCounts.set(project, groupsOf(project) + 1);
    const head = headOf({
      id: next.group++,
      project,
      fingerprint: identity.fingerprint,
      kind: kindOf(event),
      level: event.level,
      format: event.format,
      type: identity.type?.slice(0, maxValue) ?? null,
      value: identity.value.slice(0, maxValue),
      culprit: identity.culprit?.slice(0, maxValue) ?? null,
      explanation: JSON.stringify(identity.explain()),
      firstMs: event.atMs,
      lastMs: event.atMs,
      count: 0,
      ...fresh,
    });
    head.news.add("new");
    return head;
  }

  function makeVariant(fingerprint: string, variant: string, group: number, atMs: number): Mutable<VariantRow> {
    const made = { id: next.variant++, fingerprint, variant, group, count: 0, firstMs: atMs, lastMs: atMs };
    changedVariants.add(made);
    const known = byFingerprint.get(fingerprint);
    if (known === undefined) byFingerprint.set(fingerprint, { group, variants: 1 });
    else known.variants++;
    return made;
  }

  /** Where an event belongs; made if it is the first of its kind, and there is room for so many groups. Else null. */
  function placeOf(project: string, event: ErrorEvent, identity: Identity, room: number): Place | null {
    const key = `${identity.fingerprint} ${identity.variant}`;
    const known = places.get(key);
    if (known !== undefined) return known;
    const place = lookUp(project, event, identity, room);
    if (place !== null) places.set(key, place);
    return place;
  }

  function lookUp(project: string, event: ErrorEvent, identity: Identity, room: number): Place | null {
    const { fingerprint, variant } = identity;
    const found = store.find(fingerprint, variant);
    if (found?.variant != null) return { head: headOf(found.group), variant: { ...found.variant } };
    let family = byFingerprint.get(fingerprint);
    if (family === undefined && found !== null) {
      family = { group: found.group.id, variants: store.countVariants(fingerprint) };
      byFingerprint.set(fingerprint, family);
      headOf(found.group);
    }
    if (family !== undefined && variant !== "" && family.variants >= maxVariants) {
      // one for all the others
      return placeOf(project, event, { ...identity, variant: "" }, room);
    }
    if (family === undefined && groupsOf(project) >= room) return null;
    const head = family === undefined ? makeGroup(project, event, identity) : heads.get(family.group);
    if (head === undefined) throw new Error(`group ${family?.group} of ${fingerprint} is not in memory`);
    return { head, variant: makeVariant(fingerprint, variant, head.row.id, event.atMs) };
  }

  /** The place of what has none of its own. */
  function placeOfRest(project: string, event: ErrorEvent) {
    const identity = identifyRest(project, kindOf(event), maxGroups);
    const place = placeOf(project, event, identity, Infinity);
    if (place === null) throw new Error("there is always room for the rest");
    return { identity, place };
  }

  /** The release of an event, if it is told apart from none. */
  function releaseOf(project: string, { release, atMs }: ErrorEvent): string | null {
    if (release === null || firstSeen(project, release) !== null) return release;
    if (releasesOf(project) >= maxReleases) return null;
    releaseCounts.set(project, releasesOf(project) + 1);
    releases.set(releaseKey(project, release), { project, release, firstMs: atMs });
    return release;
  }

  function countRow(variant: number, { atMs, serverId, source }: ErrorEvent, release: string): void {
    const hour = Math.max(1, Math.floor(atMs / hourMs));
    const key = `${variant} ${hour} ${serverId} ${source} ${release}`;
    const row = counts.get(key);
    if (row === undefined) {
      counts.set(key, { variant, hour, server: serverId, source, release, count: 1, lastMs: atMs });
      return;
    }
    row.count++;
    row.lastMs = Math.max(row.lastMs, atMs);
  }

  function takeSample(head: Head, { id, count, variant }: VariantRow, event: ErrorEvent): void {
    const number = head.row.count;
    if (!isKept(number) && (count > 1 || variant === "")) {
      if (head.last === null) for (const line of event.lines) waitingLength += line.length;
      head.last = { event, variant: id, number };
      return;
    }
    head.last = null;
    samples.push(sampleRow(head.row.id, id, number, event, false));
  }

  return {
    add(project, event) {
      const own = identify(project, event, templates.learn);
      const found = placeOf(project, event, own, maxGroups);
      const { identity, place } = found === null ? placeOfRest(project, event) : { identity: own, place: found };
      const { head, variant } = place;
      const { release, atMs } = event;
      const { row } = head;
      const count = row.count + 1;
      const standing = afterEvent(row, { atMs, release, count }, (name) => firstSeen(project, name));
      if (standing !== row) {
        head.news.add(standing.regressedAtMs === null ? "reopened" : "regressed");
        Object.assign(row, standing);
      }
      row.count = count;
      row.firstMs = Math.min(row.firstMs, atMs);
      row.lastMs = Math.max(row.lastMs, atMs);
      head.news.add("seen");
      variant.count++;
      variant.firstMs = Math.min(variant.firstMs, atMs);
      variant.lastMs = Math.max(variant.lastMs, atMs);
      changedGroups.add(head);
      changedVariants.add(variant);
      countRow(variant.id, event, releaseOf(project, event) ?? "");
      takeSample(head, variant, event);
      return identity;
    },
    crash(crash) {
      crashes.push(crash);
      const row = heads.get(crash.group)?.row ?? store.groupById(crash.group);
      if (row === null) return;
      const head = headOf(row);
      head.news.add("crashed");
      changedGroups.add(head);
    },
    waiting: () => changedGroups.size > 0 || crashes.length > 0,
    full: () => changedGroups.size >= maxChanged || waitingLength >= maxWaitingLength,
    write(resume) {
      for (const row of templates.changes()) changedTemplates.set(`${row.owner}\u0000${row.first}`, row);
      const lasts = [...changedGroups].flatMap(({ row, last }) =>
        last === null ? [] : [sampleRow(row.id, last.variant, last.number, last.event, true)],
      );
      const writes: ErrorWrites = {
        groups: [...changedGroups].map(({ row }) => row),
        variants: [...changedVariants],
        routes: [],
        counts: [...counts.values()],
        samples: [...samples, ...lasts],
        crashes,
        templates: [...changedTemplates.values()],
        releases: [...releases.values()],
        resume,
      };
      store.write(writes);
      const changes = [...changedGroups].map((head) => {
        const news = [...head.news];
        head.news.clear();
        head.last = null;
        return { group: head.row, news };
      });
      for (const part of [changedGroups, changedVariants, counts, releases, changedTemplates]) part.clear();
      [samples, crashes, waitingLength] = [[], [], 0];
      if (places.size > maxHeads) forgetAll();
      return changes;
    },
    forget: forgetAll,
    next: { group: () => next.group++, variant: () => next.variant++ },
  };

  /** Only when nothing waits: what waits is in what is forgotten. */
  function forgetAll(): void {
    if (changedGroups.size > 0) throw new Error("groups that are not written can't be forgotten");
    places.clear();
    heads.clear();
    byFingerprint.clear();
    groupCounts.clear();
    releaseCounts.clear();
  }
}

function kindOf({ kind, level }: ErrorEvent): GroupKind {
  if (kind === "traceback") return "error";
  return level === "error" || level === "fatal" ? "message" : "warning";
}

function sampleRow(group: number, variant: number, number: number, event: ErrorEvent, last: boolean) {
  const { atMs, firstPosition: position } = event;
  return { group, variant, atMs, position, number, last, body: packSample(event) };
}
