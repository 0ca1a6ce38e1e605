/**
 * From lines to error events. Fed with every line that has become durable; lines that can't begin an event, of streams
 * that have none open, cost a look at their columns.
 */
import type { Arrived, LogColumns } from "#src/protocol/log-columns.ts";
import { type Level, levels } from "#src/protocol/log.ts";
import { createEarlier } from "./assembly-before.ts";
import { close, createLane, feed, type Lane, plainText } from "./assembly-lane.ts";
import { readEntry } from "./assembly-entry.ts";
import { finishOpen, isComplete, type Line, type Open } from "./assembly-open.ts";
import { type BatchStreams, createStreams, type Stream } from "./assembly-streams.ts";
import { mostBefore } from "./assembly-tail.ts";
import { createCheapTest } from "./cheap.ts";
import type { ErrorEvent } from "./event.ts";
import { parsePrefix } from "./formats/prefix.ts";

/** Events that are open at once, over all streams, and their bytes: the oldest are ended, marked as cut. */
const mostOpen = 2000;
const mostOpenBytes = 32 * 1024 * 1024;
/** By the clock, an event ends when nothing came for so long; one that lacks its end waits for a late batch. */
const quietMs = { complete: 1000, incomplete: 10_000 } as const;
/** Bytes of one entry that are read; the rest of a longer one is passed over. */
const mostEntryBytes = 256 * 1024;

export type AssemblyOptions = {
  /** Gets each event as soon as it has ended; must not throw. */
  readonly onEvent: (event: ErrorEvent) => void;
};

export type Assembly = {
  /**
   * Takes lines in the order of arrival. Nothing of the columns is kept. To have `before` right after a restart, begin
   * some thousand positions before the one to resume from, and leave out events that are known already by their
   * `firstPosition`.
   */
  add(arrived: Arrived): void;
  /** Ends what has been quiet for a second of the clock; call it a few times a second. */
  advance(nowMs: number): void;
  /** Ends everything: no more lines will come. */
  flush(): void;
  /** Lowest position of a line of an event that was not handed on yet; null: none. */
  openFrom(): number | null;
  /** The first positions of all events that were not handed on yet. */
  openAt(): readonly number[];
  /** Ends events that began at `upTo` or before, but for those that began at one of `still`. */
  endOthers(still: ReadonlySet<number>, upTo: number): void;
};

export function createAssembly({ onEvent }: AssemblyOptions): Assembly {
  const scan = createCheapTest();
  /** where each open event is; the one that began first is the first */
  const opens = new Map<Open, Stream>();
  const streams = createStreams((stream) => {
    for (const open of stream.lane.opens.slice()) cut(open, stream);
  });

  function emit(open: Open, { serverId, source, stream }: Stream): void {
    const event = finishOpen(open, { serverId, source, stream });
    if (event !== null) onEvent(event);
  }

  function closed(open: Open, stream: Stream): void {
    opens.delete(open);
    emit(open, stream);
  }

  function cut(open: Open, stream: Stream): void {
    open.cut = true;
    close(stream.lane, open, { closed: (one) => closed(one, stream) });
  }

  function bound(): void {
    let bytes = 0;
    for (const open of opens.keys()) bytes += open.bytes + open.heldChars;
    for (const [open, stream] of opens) {
      if (opens.size <= mostOpen && bytes <= mostOpenBytes) return;
      bytes -= open.bytes + open.heldChars;
      cut(open, stream);
    }
  }

  /** One batch: walks its candidates, and the lines of streams with an open event. */
  function walk(arrived: Arrived, flags: Buffer, batch: BatchStreams): void {
    const { columns, firstPosition } = arrived;
    const { all, of } = batch;
    const earlier = createEarlier(columns, batch);
    /** streams of the batch with an open event */
    let open = 0;
    for (const { lane } of all) if (lane.opens.length > 0) open++;
    for (let i = 0; i < columns.count; i++) {
      if (open === 0) {
        i = flags.indexOf(1, i);
        if (i === -1) return;
      }
      const stream = all[of === null ? 0 : (of[i] as number)] as Stream;
      const { lane } = stream;
      const candidate = flags[i] === 1;
      if (!candidate && lane.opens.length === 0) continue;
      const world = {
        before: () => earlier(i, stream.tail),
        opened: (one: Open) => void opens.set(one, stream),
        closed: (one: Open) => closed(one, stream),
      };
      const was = lane.opens.length > 0 ? 1 : 0;
      take(lane, columns, i, firstPosition + i, candidate, stream, world);
      open += (lane.opens.length > 0 ? 1 : 0) - was;
    }
  }

  function take(
    lane: Lane,
    columns: LogColumns,
    index: number,
    position: number,
    candidate: boolean,
    stream: Stream,
    world: Parameters<typeof feed>[2],
  ): void {
    const from = columns.offsets[index] as number;
    const to = Math.min((columns.offsets[index + 1] as number) - 1, from + mostEntryBytes);
    const raw = columns.text.toString("utf8", from, to);
    const atMs = columns.times[index] as number;
    const level: Level = levels[columns.levels[index] as number] ?? "info";
    if (candidate) {
      const entry = { raw, atMs, position, level, fields: columns.fields?.[index] ?? "" };
      const event = readEntry(entry, stream, world.before);
      if (event !== null) {
        onEvent(event);
        return;
      }
    }
    if (raw.includes("\n")) {
      if (candidate) takeWhole(raw, { atMs, position, level }, world);
      return;
    }
    feed(lane, { raw, prefix: parsePrefix(plainText(raw)), atMs, position, level, candidate }, world);
  }

  /** An entry of several lines holds its event whole. */
  function takeWhole(
    raw: string,
    at: Pick<Line, "atMs" | "position" | "level">,
    world: Parameters<typeof feed>[2],
  ): void {
    const lane = createLane();
    const earlier = world.before();
    const lines: string[] = [];
    const inner = {
      before: () => [...earlier, ...lines].slice(-mostBefore),
      opened: () => undefined,
      closed: world.closed,
    };
    for (const [i, text] of raw.split("\n").entries()) {
      // the level is the whole entry's: of its lines, the first stands for it
      const level = i === 0 ? at.level : "info";
      feed(lane, { ...at, level, raw: text, prefix: parsePrefix(plainText(text)), candidate: true }, inner);
      lines.push(text);
    }
    for (const open of lane.opens.slice()) close(lane, open, inner);
  }

  return {
    add(arrived) {
      const { columns } = arrived;
      if (columns.count === 0) return;
      const { flags, count } = scan(columns);
      const batch = streams.find(arrived);
      if (count > 0 || opens.size > 0) walk(arrived, flags, batch);
      streams.keep(columns, batch);
      if (opens.size > 0) bound();
    },
    advance(nowMs) {
      for (const [open, stream] of opens) {
        if (open.touched) {
          open.touched = false;
          open.touchedMs = nowMs;
          continue;
        }
        // a clock that was set back must not keep an event open
        if (nowMs < open.touchedMs) open.touchedMs = nowMs;
        const limit = quietMs[isComplete(open) ? "complete" : "incomplete"];
        if (nowMs - open.touchedMs >= limit) close(stream.lane, open, { closed: (one) => closed(one, stream) });
      }
    },
    flush() {
      for (const [open, stream] of opens) close(stream.lane, open, { closed: (one) => closed(one, stream) });
    },
    openAt: () => Array.from(opens.keys(), ({ first }) => first.position),
    endOthers(still, upTo) {
      for (const [open, stream] of opens) {
        const { position } = open.first;
        if (position <= upTo && !still.has(position))
          close(stream.lane, open, { closed: (one) => closed(one, stream) });
      }
    },
    openFrom() {
      let lowest: number | null = null;
      for (const { first } of opens.keys()) if (lowest === null || first.position < lowest) lowest = first.position;
      return lowest;
    },
  };
}
