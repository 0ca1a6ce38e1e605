/** What the hub asks of its storage of error groups. */
import type { Cancel } from "#src/lib/clock.ts";
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

export type ErrorStore = {
  /** What `write` was given last. */
  resume(): string | null;
  templates(): readonly TemplateRow[];
  /** The next ids to give. */
  nextIds(): { readonly group: number; readonly variant: number };
  /** The variant, if it is known, and the group that it, or its fingerprint, belongs to. */
  find(fingerprint: string, variant: string): { readonly group: GroupRow; readonly variant: VariantRow | null } | null;
  group(fingerprint: string): GroupRow | null;
  groupById(id: number): GroupRow | null;
  variantsOf(group: number): readonly VariantRow[];
  /** Variants of a fingerprint, whichever groups they are in. */
  countVariants(fingerprint: string): number;
  /** Fingerprints that lead to a group, its own left out. */
  mergedInto(group: GroupRow): readonly string[];
  firstSeen(project: string, release: string): number | null;
  /** How many there are of a project. */
  countGroups(project: string): number;
  countReleases(project: string): number;
  /** Throws when it can't, and has written nothing then. */
  write(writes: ErrorWrites): void;
  list(query: GroupQuery): { readonly groups: readonly GroupRow[]; readonly cursor: string | null };
  breakdowns(groups: readonly number[]): ReadonlyMap<number, Breakdown>;
  samples(group: number, before: number | null, limit: number): readonly SampleRow[];
  sample(id: number): SampleRow | null;
  crashes(group: number, limit: number): readonly CrashRow[];
  crashSummary(group: number): readonly CrashSummary[];
  /** Of events, by position: the fingerprint of the group that each belongs to. */
  fingerprintsOfCrashes(events: readonly number[]): ReadonlyMap<number, string>;
  /** Groups that are ignored until a time that has come. */
  dueGroups(nowMs: number): readonly GroupRow[];
  /** Gives all of a group to another one; its own row goes. */
  merge(from: number, into: GroupRow): void;
  /** Gives a variant with its counts, samples and crashes to a group that is made by it. */
  split(variant: VariantRow, from: GroupRow, made: GroupRow): void;
  prune(limits: PruneLimits): { readonly samples: number; readonly groups: number };
  /** Variants of samples, by the position of the sample. */
  samplePlaces(): ReadonlyMap<number, number>;
  /** Everything but counts, samples and crashes. */
  map(): GroupMap;
  /** Puts what was grouped anew in the place of what is here; see the plan. */
  takeOver(plan: RegroupPlan): void;
  sizes(): { readonly groups: number; readonly samples: number };
  close(): void;
};

/** The same of several hubs: each has a copy, one at a time may change it, and what it does is done to all. */
export type SharedErrorStore = {
  /** This hub's copy. What changes something throws a Fault `unavailable` while this hub has no turn. */
  readonly store: ErrorStore;
  /**
   * Begins this hub's turn, with everything that earlier ones have done; theirs are over. Rejects with a Fault when it
   * can't.
   */
  begin(turn: SharedTurn): Promise<void>;
  /** Ends it. What could not be told within a few seconds is given up: whoever has the next turn finds it again. */
  end(): Promise<void>;
  /** Resolves when what was done is safe. Rejects with a Fault `unavailable` when that can't be said. */
  settled(): Promise<void>;
  /** What listeners of all hubs are told of what was done last, as JSON has it; right after it. */
  tell(told: unknown): void;
  /** Tells what other hubs have told, once this copy has it; null: anything may have changed. */
  onTold(listener: (told: readonly unknown[] | null) => void): Cancel;
  /**
   * Asks the hub whose turn it is, by `SharedTurn.asked`; this copy has what was done for it when the answer is there.
   * Rejects with a Fault `unavailable`. With `onProgress` it may take any time.
   */
  ask(body: string, onProgress?: (progress: string) => void): Promise<string>;
  /** What of the log is not in this copy, as far as is known, and what of this copy is not in the log. */
  figures(): { readonly behind: number; readonly waiting: number; readonly turn: boolean };
  close(): Promise<void>;
};

export type SharedTurn = {
  /** Another hub asks. A reply right after something was done to the store is given if, and only if, that is done. */
  readonly asked: (body: string, reply: (answer: string) => void, onProgress: (progress: string) => void) => void;
  /** Another hub has begun a turn, or the log was set back. Nothing can be done any more. */
  readonly onOver: () => void;
};
