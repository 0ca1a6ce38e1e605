/** Samples that are in no block yet, by origin: a few bytes a number, in memory, with the journal on disk behind them. */
import type { Subject } from "#src/protocol/series.ts";
import { Segment } from "./segment.ts";
import { type Shape, isOf } from "./shape.ts";

/** Segments of one origin: more come of samples that are out of order, or whose subjects change all the time. */
export const maxSegments = 16;

export type Lane = {
  readonly origin: number;
  readonly segments: Segment[];
  /** how many of them don't go on, because the journal can't say so */
  sealed: number;
  /** the journal's row with the oldest of it */
  readonly journalId: number;
  /** on the clock that never goes back, when its first sample came */
  readonly sinceMs: number;
  memory: number;
};

export type Lanes = {
  readonly get: (origin: number) => Lane | undefined;
  /** The lane of an origin, begun when there is none. */
  readonly open: (origin: number, journalId: number, nowMs: number) => Lane;
  /** The one that began first. */
  readonly oldest: () => Lane | undefined;
  readonly drop: (origin: number) => void;
  readonly count: () => number;
  /** Bytes of all. */
  readonly memory: () => number;
  /** Adds a segment to a lane. */
  readonly begin: (lane: Lane, shape: Shape, number: number) => Segment;
  /** Notes that a lane has grown. */
  readonly grown: (lane: Lane) => void;
  /** No segment of now goes on. */
  readonly seal: () => void;
};

/** What a lane takes beside its segments. */
const laneBytes = 200;

export function createLanes(): Lanes {
  // in the order in which they began
  const all = new Map<number, Lane>();
  let memory = 0;

  function grown(lane: Lane): void {
    let now = laneBytes;
    for (const segment of lane.segments) now += segment.memory;
    memory += now - lane.memory;
    lane.memory = now;
  }

  return {
    get: (origin) => all.get(origin),
    open(origin, journalId, nowMs) {
      const known = all.get(origin);
      if (known !== undefined) return known;
      const lane: Lane = { origin, segments: [], sealed: 0, journalId, sinceMs: nowMs, memory: 0 };
      all.set(origin, lane);
      return lane;
    },
    oldest() {
      for (const lane of all.values()) return lane;
      return undefined;
    },
    drop(origin) {
      const lane = all.get(origin);
      if (lane === undefined) return;
      memory -= lane.memory;
      all.delete(origin);
    },
    count: () => all.size,
    memory: () => memory,
    begin(lane, shape, number) {
      const segment = new Segment(shape, number);
      lane.segments.push(segment);
      grown(lane);
      return segment;
    },
    grown,
    seal() {
      for (const lane of all.values()) lane.sealed = lane.segments.length;
    },
  };
}

/** The newest segment that takes a sample of these subjects at this time. */
export function segmentFor(lane: Lane, subjects: readonly Subject[], atS: number): Segment | undefined {
  for (let i = lane.segments.length - 1; i >= lane.sealed; i--) {
    const segment = lane.segments[i];
    if (segment !== undefined && segment.lastS < atS && isOf(segment.shape, subjects)) return segment;
  }
  return undefined;
}
