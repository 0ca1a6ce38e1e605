/** A copy that takes another one's place now and then, as one store; what changes it goes through the hub's turn. */
import { Fault } from "#src/protocol/fault.ts";
import type { ErrorStore } from "./port.ts";
import type { Copy } from "./shared-copy.ts";
import type { Turn } from "./shared-turn.ts";

export type DoorWorld = {
  readonly copy: () => Copy;
  /** undefined: this hub has none */
  readonly turn: () => Turn | undefined;
};

export function createDoor({ copy, turn }: DoorWorld): ErrorStore {
  const now = () => copy().store;

  function ours(): Turn {
    const own = turn();
    if (own !== undefined) return own;
    throw new Fault("unavailable", "another hub groups errors now", { hint: "Try again in a moment" });
  }

  return {
    resume: () => now().resume(),
    templates: () => now().templates(),
    nextIds: () => now().nextIds(),
    find: (fingerprint, variant) => now().find(fingerprint, variant),
    group: (fingerprint) => now().group(fingerprint),
    groupById: (id) => now().groupById(id),
    variantsOf: (group) => now().variantsOf(group),
    countVariants: (fingerprint) => now().countVariants(fingerprint),
    mergedInto: (group) => now().mergedInto(group),
    firstSeen: (project, release) => now().firstSeen(project, release),
    countGroups: (project) => now().countGroups(project),
    countReleases: (project) => now().countReleases(project),
    list: (query) => now().list(query),
    breakdowns: (groups) => now().breakdowns(groups),
    samples: (group, before, limit) => now().samples(group, before, limit),
    sample: (id) => now().sample(id),
    crashes: (group, limit) => now().crashes(group, limit),
    crashSummary: (group) => now().crashSummary(group),
    fingerprintsOfCrashes: (events) => now().fingerprintsOfCrashes(events),
    dueGroups: (nowMs) => now().dueGroups(nowMs),
    samplePlaces: () => now().samplePlaces(),
    map: () => now().map(),
    sizes: () => now().sizes(),
    write: (writes) => ours().perform({ op: "write", writes }, () => now().write(writes)),
    merge: (from, into) => ours().perform({ op: "merge", from, into }, () => now().merge(from, into)),
    split: (variant, from, made) =>
      ours().perform({ op: "split", variant, from, made }, () => now().split(variant, from, made)),
    prune: (limits) => ours().perform({ op: "prune", limits }, () => now().prune(limits)),
    takeOver: (plan) => ours().perform({ op: "anew" }, () => now().takeOver(plan)),
    close: () => undefined,
  };
}
