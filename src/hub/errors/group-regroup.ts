/**
 * How groups that were made anew take the place of those that people have decided about. Samples tell which is which: a
 * line that was a sample of an old variant is found again as an event of a new one, and the majority of a variant's
 * samples decides.
 */
import type { GroupMap, GroupRow, RegroupPlan, VariantRow } from "#src/protocol/error-rows.ts";
import { type Standing, fresh } from "./group.ts";

/** For each old variant: how many of its samples are now of which new variant (ids of the staging store). */
export type Votes = ReadonlyMap<number, ReadonlyMap<number, number>>;

export type PlanParts = {
  readonly old: GroupMap;
  readonly made: GroupMap;
  readonly votes: Votes;
  readonly nextGroup: () => number;
  readonly nextVariant: () => number;
};

export type Planned = Pick<RegroupPlan, "groups" | "renamed" | "absorbed" | "variants" | "moved" | "routes">;

export function planRegroup({ old, made, votes, nextGroup, nextVariant }: PlanParts): Planned {
  const oldGroups = new Map(old.groups.map((row) => [row.id, row]));
  const oldRoutes = new Map(old.routes.map(({ fingerprint, group }) => [fingerprint, group]));
  const madeVariants = new Map(made.variants.map((row) => [row.id, row]));
  const madeGroups = new Map(made.groups.map((row) => [row.fingerprint, row]));
  const oldVariants = new Map(old.variants.map((row) => [`${row.fingerprint} ${row.variant}`, row]));

  // old fingerprint -> new one, by the samples of all its variants that its route leads to
  const heirs = new Map<string, { readonly fingerprint: string; readonly votes: number }>();
  for (const [fingerprint, group] of oldRoutes) {
    const own = old.variants.filter((row) => row.fingerprint === fingerprint && row.group === group);
    const heir = most(own.flatMap(({ id }) => votesOf(id, (staged) => madeVariants.get(staged)?.fingerprint)));
    if (heir !== undefined) heirs.set(fingerprint, { fingerprint: heir[0], votes: heir[1] });
  }

  // new fingerprint -> the old group that goes on as it
  const claims = Map.groupBy(heirs, ([, heir]) => heir.fingerprint);
  const targets = new Map<string, number>();
  for (const [fingerprint, claimants] of claims) {
    const won = most(claimants.flatMap(([from, heir]) => entry(oldRoutes.get(from), heir.votes)));
    // the same rules give the same name, whatever the samples say
    const same = oldRoutes.get(fingerprint);
    const target = same ?? won?.[0];
    if (target !== undefined) targets.set(fingerprint, target);
  }
  for (const { fingerprint } of made.variants) {
    const same = oldRoutes.get(fingerprint);
    if (same !== undefined && !targets.has(fingerprint)) targets.set(fingerprint, same);
  }

  const groups: GroupRow[] = [];
  function targetOf({ id, fingerprint }: VariantRow): number {
    const taken = splitOff(id) ?? targets.get(fingerprint);
    if (taken !== undefined) return taken;
    const row = madeGroups.get(fingerprint);
    if (row === undefined) throw new Error(`there is no new group of ${fingerprint}`);
    const from = most(
      old.variants.flatMap((one) =>
        votesOf(one.id, (staged) => (madeVariants.get(staged)?.fingerprint === fingerprint ? one.group : undefined)),
      ),
    );
    const heirOf = from === undefined ? undefined : oldGroups.get(from[0]);
    groups.push({ ...row, id: nextGroup(), ...standingFrom(heirOf, row.count) });
    const target = groups.at(-1)?.id ?? 0;
    targets.set(fingerprint, target);
    return target;
  }

  /** Where somebody has put the old variant that most of a new one's samples are of, apart from its fingerprint's group. */
  function splitOff(staged: number): number | undefined {
    const row = madeVariants.get(staged);
    const same = row === undefined ? undefined : oldVariants.get(`${row.fingerprint} ${row.variant}`);
    const from =
      same ??
      most(old.variants.flatMap((one) => votesOf(one.id, (found) => (found === staged ? one : undefined))))?.[0];
    return from === undefined || from.group === oldRoutes.get(from.fingerprint) ? undefined : from.group;
  }

  function votesOf<T>(variant: number, of: (staged: number) => T | undefined): [T, number][] {
    return [...(votes.get(variant) ?? [])].flatMap(([staged, count]) => entry(of(staged), count));
  }

  const ids = new Map<number, number>();
  const variants = made.variants.map((row) => {
    const id = oldVariants.get(`${row.fingerprint} ${row.variant}`)?.id ?? nextVariant();
    ids.set(row.id, id);
    const { fingerprint, variant, firstMs, lastMs } = row;
    return { staged: row.id, id, fingerprint, variant, group: targetOf(row), firstMs, lastMs };
  });

  const moved = old.variants.flatMap(({ id }) => {
    const to = ids.get(most(votesOf(id, (staged) => staged))?.[0] ?? -1);
    return to === undefined || to === id ? [] : [{ id, to }];
  });

  // a group that is nothing but what another one is now
  const absorbed = old.groups.flatMap(({ id }) => {
    const own = old.routes.filter(({ group }) => group === id);
    const into = new Set(own.map(({ fingerprint }) => targets.get(heirs.get(fingerprint)?.fingerprint ?? "") ?? id));
    const [only] = into;
    return into.size === 1 && only !== undefined && only !== id ? [{ id, into: only }] : [];
  });

  const renamed = old.groups.flatMap(({ id, fingerprint }) => {
    const heir = heirs.get(fingerprint)?.fingerprint;
    const row = heir === undefined || targets.get(heir) !== id ? undefined : madeGroups.get(heir);
    return row === undefined ? [] : [{ id, fingerprint: row.fingerprint, explanation: row.explanation }];
  });

  const routes = [...targets].map(([fingerprint, group]) => ({ fingerprint, group }));
  return { groups, renamed, absorbed, variants, moved, routes };
}

/** What people have decided about a group, for one with `count` events that was a part of it. */
function standingFrom(group: GroupRow | undefined, count: number): Standing {
  if (group === undefined) return fresh;
  const { state, decidedAtMs, decidedBy, resolvedIn, ignoredUntilMs, regressedAtMs } = group;
  const ignoredUntilCount = group.ignoredUntilCount === null ? null : group.ignoredUntilCount - group.count + count;
  return { state, decidedAtMs, decidedBy, resolvedIn, ignoredUntilMs, ignoredUntilCount, regressedAtMs };
}

function entry<T>(key: T | undefined, count: number): [T, number][] {
  return key === undefined ? [] : [[key, count]];
}

/** The key with the most votes; of equals the one that came first. */
function most<T>(votes: readonly (readonly [T, number])[]): readonly [T, number] | undefined {
  const sums = new Map<T, number>();
  for (const [key, count] of votes) sums.set(key, (sums.get(key) ?? 0) + count);
  let best: readonly [T, number] | undefined;
  for (const one of sums) if (best === undefined || one[1] > best[1]) best = one;
  return best;
}
