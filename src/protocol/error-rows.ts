/**
 * Error groups as they lie on the disk. One writer gives ids itself and writes whole rows: a group's row is what the
 * writer has worked out, so that the rules stand in one place. Times in milliseconds since the epoch.
 */
import type { GroupKind, GroupState } from "./error-group.ts";
import type { Level } from "./log.ts";

export type GroupRow = {
  readonly id: number;
  readonly project: string;
  readonly fingerprint: string;
  readonly kind: GroupKind;
  readonly level: Level;
  readonly format: string;
  readonly type: string | null;
  readonly value: string;
  readonly culprit: string | null;
  /** JSON: protocol/error-group.ts `explanation` */
  readonly explanation: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
  readonly state: GroupState;
  readonly decidedAtMs: number | null;
  readonly decidedBy: string | null;
  readonly resolvedIn: string | null;
  readonly ignoredUntilMs: number | null;
  readonly ignoredUntilCount: number | null;
  readonly regressedAtMs: number | null;
};

/** Events of one fingerprint that are alike in detail; whole variants are split off and merged. */
export type VariantRow = {
  readonly id: number;
  readonly fingerprint: string;
  readonly variant: string;
  readonly group: number;
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
};

/** Events of a variant in an hour, to be added. `hour`: hours since the epoch. */
export type CountRow = {
  readonly variant: number;
  readonly hour: number;
  readonly server: string;
  readonly source: string;
  /** "": none was told */
  readonly release: string;
  readonly count: number;
  readonly lastMs: number;
};

export type SampleRow = {
  readonly id: number;
  readonly group: number;
  readonly variant: number;
  readonly atMs: number;
  /** of its first line in the log */
  readonly position: number;
  /** which event of its group it was, from 1 */
  readonly number: number;
  /** it is only here because it is the newest */
  readonly last: boolean;
  /** JSON in zstd */
  readonly body: Uint8Array;
};

export type CrashRow = {
  /** position among the events */
  readonly event: number;
  readonly group: number;
  readonly variant: number;
  readonly server: string;
  readonly source: string;
  readonly atMs: number;
  readonly type: string;
  readonly how: string;
};

export type TemplateRow = { readonly owner: string; readonly first: string; readonly words: string };
export type ReleaseRow = { readonly project: string; readonly release: string; readonly firstMs: number };

/** Written together or not at all. */
export type ErrorWrites = {
  /** new ones and changed ones */
  readonly groups: readonly GroupRow[];
  readonly variants: readonly VariantRow[];
  /** fingerprints that lead to a group from now on */
  readonly routes: readonly { readonly fingerprint: string; readonly group: number }[];
  readonly counts: readonly CountRow[];
  /** A `last` one takes the place of the group's `last` one. */
  readonly samples: readonly Omit<SampleRow, "id">[];
  readonly crashes: readonly CrashRow[];
  readonly templates: readonly TemplateRow[];
  readonly releases: readonly ReleaseRow[];
  /** where the follower goes on: JSON; null: as it was */
  readonly resume: string | null;
};

export type GroupQuery = {
  readonly projects: readonly string[];
  readonly kinds: readonly GroupKind[];
  readonly state: GroupState | null;
  readonly text: string | null;
  readonly source: string | null;
  readonly server: string | null;
  readonly release: string | null;
  readonly sinceMs: number | null;
  readonly sort: "last" | "first" | "count";
  readonly limit: number;
  readonly cursor: string | null;
};

export type Tally = { readonly name: string; readonly count: number; readonly lastMs: number };

/** What a group's counts come to, most first. */
export type Breakdown = {
  readonly sources: readonly Tally[];
  readonly servers: readonly Tally[];
  readonly releases: readonly Tally[];
  /** by hour since the epoch, ascending; hours beyond retention are left out */
  readonly hours: readonly { readonly hour: number; readonly count: number }[];
  readonly crashes: number;
};

export type CrashSummary = { readonly how: string; readonly count: number; readonly lastMs: number };

/** Groups of projects that are not named go. */
export type PruneLimits = {
  /** Samples and crashes of a project before its time go, and hours before the earliest; counts stay in the sum. */
  readonly projects: readonly { readonly id: string; readonly beforeMs: number }[];
  /** unresolved groups without an event since then go */
  readonly idleSinceMs: number;
  /** and those that somebody has decided about, since then */
  readonly decidedIdleSinceMs: number;
  /**
   * Groups of each project that are kept: of those that nobody has decided about, the ones that were seen once and longest
   * ago go first.
   */
  readonly keepGroups: number;
  /** releases of each project that are kept, the newest */
  readonly keepReleases: number;
};

/**
 * How groups that were made anew from stored lines take the place of those that are there. The new ones lie in a store
 * of their own (`staging`), with counts of the hours that are replaced only.
 */
export type RegroupPlan = {
  /** file of that store */
  readonly staging: string;
  /** Counts of a server are replaced from this hour on; those of servers that are not named stay. */
  readonly fromHours: ReadonlyMap<string, number>;
  /** groups that did not exist */
  readonly groups: readonly GroupRow[];
  /** groups that go on under another fingerprint; the old one leads to them */
  readonly renamed: readonly { readonly id: number; readonly fingerprint: string; readonly explanation: string }[];
  /** groups whose everything becomes another one's */
  readonly absorbed: readonly { readonly id: number; readonly into: number }[];
  /** for each variant of the staging store: which one it is, made if it does not exist */
  readonly variants: readonly (Omit<VariantRow, "count"> & { readonly staged: number })[];
  /** variants that were there, and what most of their samples belong to now: crashes and samples that are left go there */
  readonly moved: readonly { readonly id: number; readonly to: number }[];
  readonly routes: ErrorWrites["routes"];
  /** positions of samples that were found again, whose place the new ones take */
  readonly found: readonly number[];
  readonly resume: string;
};

/** What planning needs to know of a store. */
export type GroupMap = {
  readonly groups: readonly GroupRow[];
  readonly variants: readonly VariantRow[];
  readonly routes: ErrorWrites["routes"];
};
