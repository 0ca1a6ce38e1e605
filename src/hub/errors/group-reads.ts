/** What people ask of groups: lists, one with everything about it, its samples. */
import type { ErrorDetail, ErrorGroup, SamplesPage } from "#src/protocol/error-group.ts";
import type { GroupQuery, GroupRow } from "#src/protocol/error-rows.ts";
import { unpackSample } from "./group-samples.ts";
import { detailView, groupView } from "./group-view.ts";
import type { ErrorStore } from "./port.ts";

/** Crashes that one group's page shows. */
const maxCrashes = 20;

/** `projects` says whose groups are seen; undefined: none of them has it. */
export type Reads = {
  readonly list: (query: GroupQuery) => { readonly groups: readonly ErrorGroup[]; readonly cursor: string | null };
  /** The group that a fingerprint leads to. */
  readonly get: (projects: readonly string[], fingerprint: string) => ErrorGroup | undefined;
  readonly detail: (projects: readonly string[], fingerprint: string) => ErrorDetail | undefined;
  readonly samples: (
    projects: readonly string[],
    fingerprint: string,
    before: number | null,
    limit: number,
  ) => SamplesPage | undefined;
  /** Of crashes among the events, by id: the fingerprint of the error that led to each. */
  readonly fingerprintsOf: (events: readonly string[]) => ReadonlyMap<string, string>;
};

export type ReadsWorld = {
  readonly store: ErrorStore;
  readonly nowMs: () => number;
  readonly nameOf: (origin: string) => string;
  /** Called before anything is read. */
  readonly settle: () => void;
};

const noCounts = { sources: [], servers: [], releases: [], hours: [], crashes: 0 };

/** `door` is for everybody; `find` and `view` are for who changes what is found. */
export function createReads({ store, nowMs, nameOf, settle }: ReadsWorld) {
  function find(projects: readonly string[], fingerprint: string): GroupRow | undefined {
    settle();
    const row = store.group(fingerprint);
    return row === null || !projects.includes(row.project) ? undefined : row;
  }

  function view(rows: readonly GroupRow[]): readonly ErrorGroup[] {
    const counts = store.breakdowns(rows.map(({ id }) => id));
    return rows.map((row) => groupView(row, counts.get(row.id) ?? noCounts, nowMs(), nameOf));
  }

  function readSamples(group: number, before: number | null, limit: number) {
    const names = new Map(store.variantsOf(group).map(({ id, variant }) => [id, variant]));
    const rows = store.samples(group, before, limit);
    return rows.map((row) => unpackSample(row, names.get(row.variant) ?? "", nameOf));
  }

  const door: Reads = {
    list(query) {
      settle();
      const { groups, cursor } = store.list(query);
      return { groups: view(groups), cursor };
    },
    get(projects, fingerprint) {
      const row = find(projects, fingerprint);
      return row === undefined ? undefined : view([row])[0];
    },
    detail(projects, fingerprint) {
      const row = find(projects, fingerprint);
      if (row === undefined) return undefined;
      const counts = store.breakdowns([row.id]).get(row.id) ?? noCounts;
      const parts = {
        row,
        group: groupView(row, counts, nowMs(), nameOf),
        counts,
        merged: store.mergedInto(row),
        crashes: store.crashes(row.id, maxCrashes),
        crashSummary: store.crashSummary(row.id),
        sample: readSamples(row.id, null, 1)[0] ?? null,
      };
      return detailView(parts, nameOf);
    },
    samples(projects, fingerprint, before, limit) {
      const row = find(projects, fingerprint);
      if (row === undefined) return undefined;
      const found = readSamples(row.id, before, limit + 1);
      const page = found.slice(0, limit);
      return { events: page, cursor: found.length > limit ? (page.at(-1)?.id ?? null) : null };
    },
    fingerprintsOf(ids) {
      const found = store.fingerprintsOfCrashes(ids.map(Number));
      return new Map([...found].map(([event, fingerprint]) => [String(event), fingerprint]));
    },
  };
  return { find, view, door };
}
