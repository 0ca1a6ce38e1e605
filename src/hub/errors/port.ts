/** What this room needs from the rest of the hub. */
import type { Cancel } from "#src/lib/clock.ts";
import type { StoredEvent } from "#src/protocol/api.ts";
import type {
  Breakdown,
  CrashRow,
  CrashSummary,
  ErrorWrites,
  GroupMap,
  GroupQuery,
  GroupRow,
  PruneLimits,
  RegroupPlan,
  SampleRow,
  TemplateRow,
  VariantRow,
} from "#src/protocol/error-rows.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import type { ErrorEvent } from "./event.ts";

/** Log entries in the order of arrival. */
export type ArrivalLog = {
  /** Calls with each batch right after it is durable, in order and without gaps. */
  onArrival(listener: (arrived: Arrived) => void): Cancel;
  /** What is stored with a position after `position` up to `upTo`, in order; what was pruned is left out. */
  arrivalsAfter(position: number, upTo: number): AsyncIterable<Arrived>;
  /** The position of the newest entry; 0: there is none. */
  head(): number;
  /** What there is of a time and later. */
  readonly extentSince: (fromMs: number) => Promise<LogExtent>;
};

/** Where stored entries of a time and later lie. */
export type LogExtent = {
  /** all of them have a greater position */
  readonly after: number;
  /** the time of the oldest stored entry of each server and source, whatever was asked for */
  readonly oldestMs: ReadonlyMap<string, number>;
};

/** Lines in, error events out; see assembly.ts. */
export type Assembly = {
  add(arrived: Arrived): void;
  /** Ends events that have been quiet for a second at this time. */
  advance(nowMs: number): void;
  /** The lowest position of a line of an event that is not yet told; null: none is open. */
  openFrom(): number | null;
  /** The first positions of all of these. */
  openAt(): readonly number[];
  /** Ends what began at `upTo` or before, but for what began at one of `still`. */
  endOthers(still: ReadonlySet<number>, upTo: number): void;
};
export type MakeAssembly = (onEvent: (event: ErrorEvent) => void) => Assembly;

/** Events of agents in the order of arrival. */
export type EventLog = {
  eventsAfter(position: number, limit: number): Promise<readonly StoredEvent[]>;
  /** As far as this hub has heard. */
  eventsHead(): number;
  /** Asks the database. */
  refreshEvents(): Promise<number>;
  onEvent(listener: () => void): Cancel;
};

/** Where groups are kept. One writer; every call is done when it returns. */
export type ErrorStore = {
  resume(): string | null;
  templates(): readonly TemplateRow[];
  nextIds(): { readonly group: number; readonly variant: number };
  find(fingerprint: string, variant: string): { readonly group: GroupRow; readonly variant: VariantRow | null } | null;
  group(fingerprint: string): GroupRow | null;
  groupById(id: number): GroupRow | null;
  variantsOf(group: number): readonly VariantRow[];
  countVariants(fingerprint: string): number;
  mergedInto(group: GroupRow): readonly string[];
  firstSeen(project: string, release: string): number | null;
  countGroups(project: string): number;
  countReleases(project: string): number;
  write(writes: ErrorWrites): void;
  list(query: GroupQuery): { readonly groups: readonly GroupRow[]; readonly cursor: string | null };
  breakdowns(groups: readonly number[]): ReadonlyMap<number, Breakdown>;
  samples(group: number, before: number | null, limit: number): readonly SampleRow[];
  sample(id: number): SampleRow | null;
  crashes(group: number, limit: number): readonly CrashRow[];
  crashSummary(group: number): readonly CrashSummary[];
  fingerprintsOfCrashes(events: readonly number[]): ReadonlyMap<number, string>;
  dueGroups(nowMs: number): readonly GroupRow[];
  merge(from: number, into: GroupRow): void;
  split(variant: VariantRow, from: GroupRow, made: GroupRow): void;
  prune(limits: PruneLimits): { readonly samples: number; readonly groups: number };
  samplePlaces(): ReadonlyMap<number, number>;
  map(): GroupMap;
  takeOver(plan: RegroupPlan): void;
};

/** The store of several hubs, one of which at a time may change it. See its own port. */
export type SharedStore = {
  /** This hub's copy. What changes something throws a Fault `unavailable` while this hub has no turn. */
  readonly store: ErrorStore;
  begin(turn: {
    /** A reply right after something was done to the store is given if, and only if, that is done. */
    readonly asked: (body: string, reply: (answer: string) => void, onProgress: (progress: string) => void) => void;
    readonly onOver: () => void;
  }): Promise<void>;
  end(): Promise<void>;
  settled(): Promise<void>;
  tell(told: unknown): void;
  onTold(listener: (told: readonly unknown[] | null) => void): Cancel;
  ask(body: string, onProgress?: (progress: string) => void): Promise<string>;
  close(): Promise<void>;
};

/** A store for groups that are made anew, in a file of its own. */
export type StagingStore = { readonly store: ErrorStore; readonly file: string; close(): void };

/** Whose things are whose. */
export type Owners = {
  /** The project of a server or source; null: it is gone. */
  readonly projectOf: (origin: string) => string | null;
  /** A server's hostname, a source's name. */
  readonly nameOf: (origin: string) => string;
};
