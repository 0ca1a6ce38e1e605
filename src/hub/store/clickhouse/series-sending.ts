/**
 * Samples on their way into ClickHouse: gathered for two seconds or until there is a mebibyte of them, kept on the disk
 * (series-waiting.ts), and brought from there (series-courier.ts).
 *
 * While ClickHouse is away, the newest batch goes on growing: it is written to the disk every two seconds, each time in the
 * place of its shorter self, so that a long absence leaves few files. What of it is sent twice all the same changes nothing.
 */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { createSeldom } from "#src/lib/seldom.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Subject } from "#src/protocol/series.ts";
import { type SendingFigures, journalEveryMs } from "../series/port.ts";
import type { Clickhouse, Settings } from "./client.ts";
import { createCourier } from "./series-courier.ts";
import { SeriesRows } from "./series-rows.ts";
import { type WaitingBatch, openWaiting } from "./series-waiting.ts";

/** A batch is closed when its rows take so much. */
const batchBytes = 1024 * 1024;
const sayEveryMs = 60_000;

const full = "so many metrics wait for ClickHouse that there is no room for more: they are not taken until there is";

export type SendingWorld = {
  readonly client: Pick<Clickhouse, "insert">;
  /** the folder of what waits */
  readonly folder: string;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  /** of inserts, for a cluster: when one counts as done */
  readonly settings: Settings;
  /** what may wait on the disk; a usual amount unless told */
  readonly mostBytes?: number;
};

export type Sending = {
  /** False: no room. */
  readonly add: (origin: string, atS: number, subjects: readonly Subject[], values: ArrayLike<number>) => boolean;
  /** Bytes that are gathered and on no disk yet. */
  readonly openBytes: () => number;
  readonly figures: () => SendingFigures;
  /** Resolves when ClickHouse has all of it. Rejects with a Fault `unavailable` when it does not take it. */
  readonly flush: () => Promise<void>;
  /** What is gathered is on the disk then; what is under way may arrive or not, and is sent again by the next hub here. */
  readonly close: () => Promise<void>;
};

/** A batch that is on the disk and still gathered. */
type Growing = { readonly batch: WaitingBatch; readonly bytes: number };

/** Begins with what waits since before. Throws the system's error when the folder can't be used. */
export function startSending(world: SendingWorld): Sending {
  const { client, folder, settings, clock, warn, mostBytes } = world;
  const shouldSay = createSeldom(clock, sayEveryMs);
  const say = (message: string): void => {
    if (shouldSay(message)) warn(message);
  };
  const rows = new SeriesRows();
  let lostRows = 0;
  const lost = (count: number): void => void (lostRows += count);
  const waiting = openWaiting(folder, { warn: say, lost, ...(mostBytes === undefined ? {} : { mostBytes }) });
  const courier = createCourier({ client, waiting, settings, clock, say, lost });
  let growing: Growing | undefined;
  let isFull = false;
  let isClosed = false;
  let cancelTick: Cancel | undefined;

  /** Writes what is gathered to the disk; while there is no room for it, no more is taken. */
  function seal(): void {
    const bytes = rows.length;
    if (bytes === 0 || bytes === growing?.bytes) return;
    const body = Uint8Array.from(Bun.zstdCompressSync(rows.view(), { level: 1 }));
    const batch = waiting.add(body, rows.count, clock.now(), growing?.batch);
    isFull = batch === undefined;
    if (batch === undefined) {
      say(full);
      return;
    }
    growing = courier.problem() !== null && bytes < batchBytes ? { batch, bytes } : undefined;
    if (growing === undefined) rows.clear();
  }

  /** What is gathered does not grow any more. */
  function end(): void {
    seal();
    if (isFull) return;
    growing = undefined;
    rows.clear();
  }

  function tick(): void {
    seal();
    courier.wake();
    // ClickHouse is back: what was sent as it was need not be sent again
    if (growing !== undefined && courier.problem() === null) end();
    cancelTick = clock.after(journalEveryMs, tick);
  }

  tick();
  return {
    add(origin, atS, subjects, values) {
      if (isClosed || isFull) return false;
      rows.add(origin, atS, subjects, values);
      if (rows.length >= batchBytes) {
        seal();
        courier.wake();
      }
      return true;
    },
    openBytes: () => rows.length - (growing?.bytes ?? 0),
    figures() {
      const { batches, bytes, mostBytes: most, oldestAtMs } = waiting.figures();
      const oldestMs = oldestAtMs === null ? null : Math.max(0, clock.now() - oldestAtMs);
      return {
        batches,
        bytes,
        mostBytes: most,
        oldestMs,
        lost: lostRows,
        problem: courier.problem(),
        latencies: courier.latencies(),
      };
    },
    async flush() {
      for (let isLeft = true; isLeft;) {
        end();
        // what found no room is put on the disk when the rest is gone
        isLeft = isFull;
        if ((!isFull || waiting.first() !== undefined) && (await courier.hurry())) continue;
        throw new Fault("unavailable", `metrics still wait for ClickHouse: ${courier.problem() ?? "it was closed"}`);
      }
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      cancelTick?.();
      end();
      const unkept = rows.count + waiting.inMemory();
      if (unkept > 0) warn(`${unkept} numbers of metrics could not be written to the disk, they are lost`);
      await courier.close();
    },
  };
}
