/**
 * The embedded store of metrics: `metrics.db`. Samples are packed in memory as they come and written to a journal every
 * two seconds; blocks, averages and their packing follow in the background.
 */
import { join } from "node:path";

import type { Cancel, Clock } from "#src/lib/clock.ts";
import { createSeldom } from "#src/lib/seldom.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { openDatabase } from "../database.ts";
import { createBlocks } from "./blocks.ts";
import { Journal, replay } from "./journal.ts";
import { createLanes, maxSegments, segmentFor } from "./lanes.ts";
import type { Series, SeriesQuery, SeriesRetention } from "#src/protocol/series.ts";
import { type SeriesStore, isTaken, journalEveryMs } from "./port.ts";
import { createReader } from "./reader.ts";
import { createShapes } from "./shape.ts";
import { prepareStatements } from "./statements.ts";
import { seriesMigrations } from "./tables.ts";
import { createUpkeep, maxOpenBytes } from "./upkeep.ts";

/** The pause between two slices of upkeep, times what the slice took: nine tenths of the time belong to others. */
const restShare = 9;
/** Samples in memory, twice what is packed early: only a disk that takes nothing lets it come to that. */
const mostOpenBytes = 2 * maxOpenBytes;
const sayEveryMs = 60_000;
/** Time that several origins are read for at once, in milliseconds; then others have their turn. */
const turnMs = 8;

export type SeriesWorld = {
  readonly clock: Clock;
  readonly retention: SeriesRetention;
  readonly warn: (message: string) => void;
};

/** Opens `metrics.db` below `folder`. Rejects with a Fault `failed` when it can't be opened. */
export async function openSeriesStore(folder: string, world: SeriesWorld): Promise<SeriesStore> {
  const { clock, retention } = world;
  const { database } = await openDatabase(join(folder, "metrics.db"), seriesMigrations, world.warn);
  // a kill loses nothing that was committed; only a loss of power can lose the last seconds, which is fine for a chart
  database.run("PRAGMA synchronous = NORMAL");
  // the journal goes by once, and blocks are read rarely
  database.run("PRAGMA cache_size = -4000");
  const statements = prepareStatements(database);
  const lanes = createLanes();
  const shapeOf = createShapes();
  const journal = new Journal();
  const ids = new Map(statements.origins.all().map(({ id, name }) => [name, id]));
  const shouldSay = createSeldom(clock, sayEveryMs);
  let samples = 0;
  let refused = 0;
  let cancelTick: Cancel | undefined;
  let cancelSlice: Cancel | undefined;

  function warn(message: string): void {
    if (shouldSay(message)) world.warn(message);
  }

  const blocks = createBlocks(statements, ({ id }, error) =>
    warn(`block ${id} of metrics.db is damaged, its metrics are left out: ${reasonOf(error)}`),
  );
  const read = createReader(statements, blocks, lanes);
  const upkeep = createUpkeep({ database, statements, blocks, lanes, retention, clock, trim });

  function trim(): void {
    statements.trimJournal.run(lanes.oldest()?.journalId ?? journal.nextId);
  }

  function openJournal(): void {
    const known = new Set(ids.values());
    const rows = statements.journal.all();
    const replayed = replay(rows, lanes, clock.monotonic(), (origin) => known.has(origin));
    // what follows in the journal begins new segments, so that nothing builds on a row that could not be read
    lanes.seal();
    journal.goOn(replayed);
    const { damaged } = replayed;
    if (damaged > 0) warn(`${damaged} rows of the journal of metrics.db are damaged: some seconds of metrics are lost`);
  }

  function originId(name: string): number {
    const known = ids.get(name);
    if (known !== undefined) return known;
    const id = Number(statements.addOrigin.run(name).lastInsertRowid);
    ids.set(name, id);
    return id;
  }

  function writeJournal(): void {
    if (journal.waiting === 0) return;
    try {
      statements.addJournal.run(journal.nextId, journal.row());
      journal.written();
    } catch (error) {
      if (journal.failed()) lanes.seal();
      warn(`can't write metrics to the disk, they are kept in memory: ${reasonOf(error)}`);
    }
  }

  /** Upkeep goes on in slices until there is nothing to do, and looks again with the next tick. */
  function work(): void {
    cancelSlice = undefined;
    const started = clock.monotonic();
    try {
      if (!upkeep.slice()) return;
      cancelSlice = clock.after(Math.ceil(restShare * (clock.monotonic() - started)) + 1, work);
    } catch (error) {
      warn(`can't pack metrics, it is tried again: ${reasonOf(error)}`);
    }
  }

  function tick(): void {
    writeJournal();
    if (cancelSlice === undefined) work();
    cancelTick = clock.after(journalEveryMs, tick);
  }

  function readNow(name: string, query: SeriesQuery): readonly Series[] {
    const origin = ids.get(name);
    return origin === undefined ? [] : read(origin, query);
  }

  const store: SeriesStore = {
    append(name, atMs, subjects, values) {
      const atS = Math.floor(atMs / 1000);
      const nowS = Math.floor(clock.now() / 1000);
      if (lanes.memory() > mostOpenBytes) {
        refused++;
        warn("metrics can't be written to the disk for so long that no more of them fit into memory");
        return false;
      }
      if (!isTaken(atS, nowS, retention)) {
        refused++;
        return false;
      }
      try {
        const origin = originId(name);
        let lane = lanes.open(origin, journal.nextId, clock.monotonic());
        let segment = segmentFor(lane, subjects, atS);
        if (segment === undefined) {
          if (lane.segments.length >= maxSegments) {
            upkeep.pack(lane);
            lane = lanes.open(origin, journal.nextId, clock.monotonic());
          }
          const shape = shapeOf(subjects);
          segment = lanes.begin(lane, shape, journal.begin(origin, shape));
        }
        journal.add(segment.number, segment.append(atS, values));
        lanes.grown(lane);
        samples++;
        return true;
      } catch (error) {
        refused++;
        warn(`can't keep metrics: ${reasonOf(error)}`);
        return false;
      }
    },
    async read(name, query) {
      return readNow(name, query);
    },
    async readMany(names, query) {
      const found = new Map<string, readonly Series[]>();
      let began = performance.now();
      for (const name of names) {
        const series = readNow(name, query);
        if (series.length > 0) found.set(name, series);
        if (performance.now() - began < turnMs) continue;
        await new Promise<void>((resolve) => void setImmediate(resolve));
        began = performance.now();
      }
      return found;
    },
    drop(name) {
      const origin = ids.get(name);
      if (origin === undefined) return;
      ids.delete(name);
      lanes.drop(origin);
      statements.dropBlocksOf.run(origin);
      statements.dropDueOf.run(origin);
      statements.dropOrigin.run(origin);
    },
    figures: () => ({
      samples,
      refused,
      openBytes: lanes.memory(),
      due: statements.countDue.get()?.count ?? 0,
      sending: null,
    }),
    async close() {
      cancelTick?.();
      cancelSlice?.();
      writeJournal();
      database.close(true);
    },
  };

  openJournal();
  tick();
  return store;
}
