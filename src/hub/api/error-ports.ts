/** What the routes of error groups need from the rest of the hub. */
import type { Cancel } from "#src/lib/clock.ts";
import type {
  ErrorDecision,
  ErrorDetail,
  ErrorGroup,
  ErrorsPage,
  GroupKind,
  GroupState,
  News,
  SamplesPage,
} from "#src/protocol/error-group.ts";

export type GroupQuery = {
  /** ids: groups of others are not seen */
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

/** What has happened to a group, or that a fingerprint leads to another one now. */
export type GroupTold =
  | { readonly kind: "group"; readonly project: string; readonly fingerprint: string; readonly news: readonly News[] }
  | {
      readonly kind: "gone";
      readonly project: string;
      readonly fingerprint: string;
      readonly mergedInto: string | null;
    }
  /** all groups were made anew */
  | { readonly kind: "all" };

/** `projects` says whose groups are seen; undefined: none of them has it. */
export type ErrorGroups = {
  list(query: GroupQuery): { readonly groups: readonly ErrorGroup[]; readonly cursor: ErrorsPage["cursor"] };
  get(projects: readonly string[], fingerprint: string): ErrorGroup | undefined;
  detail(projects: readonly string[], fingerprint: string): ErrorDetail | undefined;
  samples(
    projects: readonly string[],
    fingerprint: string,
    before: number | null,
    limit: number,
  ): SamplesPage | undefined;
  /** Durable when it resolves. Rejects with a Fault. */
  decide(
    projects: readonly string[],
    fingerprint: string,
    decision: ErrorDecision,
    by: string,
  ): Promise<ErrorGroup | undefined>;
  /** Of crashes among the events, by id: the fingerprint of the error that led to each. */
  fingerprintsOf(events: readonly string[]): ReadonlyMap<string, string>;
  onChange(listener: (told: GroupTold) => void): Cancel;
};
