/** What people decide about groups, written at once. For use while nothing waits to be written. */
import type { ErrorDecision } from "#src/protocol/error-group.ts";
import type { ErrorWrites, GroupRow } from "#src/protocol/error-rows.ts";
import { Fault } from "#src/protocol/fault.ts";
import { fingerprintOfSplit, rootOf } from "./fingerprint.ts";
import { firstLine } from "./fingerprint-message.ts";
import { decide, fresh } from "./group.ts";
import { unpackSample } from "./group-samples.ts";
import type { ErrorStore } from "./port.ts";

export type Decided = {
  /** the group as it is now, the one it was merged into, or the one that was split off */
  readonly group: GroupRow;
  /** others that have changed */
  readonly others: readonly GroupRow[];
  /** the fingerprint that leads to another group now */
  readonly gone: string | null;
};

export type DecideWorld = {
  readonly store: ErrorStore;
  readonly nextGroup: () => number;
  readonly nowMs: number;
  readonly by: string;
  /** Whether whoever decides may see a group. */
  readonly maySee: (group: GroupRow) => boolean;
};

/** Carries a decision out. Throws a Fault: `not-found` for what it names, `conflict` when it can't be done. */
export function carryOut(row: GroupRow, decision: ErrorDecision, world: DecideWorld): Decided {
  switch (decision.action) {
    case "merge":
      return merge(row, decision.into, world);
    case "split":
      return split(row, Number(decision.sample), world);
    case "ignore":
      return stand(
        row,
        { ...decision, untilMs: decision.until === undefined ? undefined : Date.parse(decision.until) },
        world,
      );
    case "resolve":
    case "reopen":
      return stand(row, decision, world);
  }
}

function stand(row: GroupRow, decision: Parameters<typeof decide>[0], { store, by, nowMs }: DecideWorld): Decided {
  if (decision.action === "ignore" && decision.untilMs !== undefined && decision.untilMs <= nowMs) {
    throw new Fault("invalid", "the body is not valid: until is in the past");
  }
  const group = { ...row, ...decide(decision, by, nowMs, row.count) };
  store.write({ ...noWrites, groups: [group] });
  return { group, others: [], gone: null };
}

/** Changes nothing. */
export const noWrites: ErrorWrites = {
  groups: [],
  variants: [],
  routes: [],
  counts: [],
  samples: [],
  crashes: [],
  templates: [],
  releases: [],
  resume: null,
};

function merge(row: GroupRow, fingerprint: string, { store, maySee }: DecideWorld): Decided {
  const into = store.group(fingerprint);
  if (into === null || !maySee(into)) {
    throw new Fault("not-found", `there is no group ${fingerprint} to merge into`, {
      hint: "Give the fingerprint of another group of the same project",
    });
  }
  if (into.id === row.id) throw new Fault("conflict", "the two are one group already");
  if (into.project !== row.project) {
    throw new Fault("conflict", "the groups are of different projects, which can't be merged");
  }
  const group = {
    ...into,
    count: into.count + row.count,
    firstMs: Math.min(into.firstMs, row.firstMs),
    lastMs: Math.max(into.lastMs, row.lastMs),
    // what is ignored for so many more events is not ignored for fewer of its own
    ignoredUntilCount: into.ignoredUntilCount === null ? null : into.ignoredUntilCount + row.count,
  };
  store.merge(row.id, group);
  return { group, others: [], gone: row.fingerprint };
}

function split(row: GroupRow, sampleId: number, { store, nextGroup }: DecideWorld): Decided {
  const sample = store.sample(sampleId);
  if (sample === null || sample.group !== row.id) {
    throw new Fault("not-found", "there is no such sample in this group", {
      hint: "Samples are thinned out as events come: take one that the group has now",
    });
  }
  const variants = store.variantsOf(row.id);
  const variant = variants.find(({ id }) => id === sample.variant);
  const rest = variants.filter(({ id }) => id !== sample.variant);
  if (variant === undefined || rest.length === 0) {
    throw new Fault("conflict", "all events of this group are alike, so that there is nothing to split off");
  }
  const { parts, lines, format, level } = unpackSample(sample, variant.variant, (origin) => origin);
  const root = rootOf(parts);
  const made: GroupRow = {
    ...row,
    id: nextGroup(),
    fingerprint: fingerprintOfSplit(row.project, variant.fingerprint, variant.variant),
    format,
    level,
    type: root.type,
    value: firstLine(root.value === "" ? (lines[0] ?? "") : root.value),
    count: variant.count,
    firstMs: variant.firstMs,
    lastMs: variant.lastMs,
    ...fresh,
  };
  const from = {
    ...row,
    count: row.count - variant.count,
    firstMs: Math.min(...rest.map(({ firstMs }) => firstMs)),
    lastMs: Math.max(...rest.map(({ lastMs }) => lastMs)),
    ignoredUntilCount: row.ignoredUntilCount === null ? null : row.ignoredUntilCount - variant.count,
  };
  store.split(variant, from, made);
  return { group: made, others: [from], gone: null };
}
