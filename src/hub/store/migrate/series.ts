/**
 * Metrics into ClickHouse: the samples and averages that there are, as they are. Of a number that comes twice the larger
 * one stays there, and of averages those of the later block, as in the embedded store: so blocks that the hub makes anew
 * while it is copied are simply copied again, and an interrupted insert is repeated.
 */
import type { Tier } from "#src/protocol/series.ts";
import { type Clickhouse, type Settings } from "../clickhouse/client.ts";
import { forgetOrigins, makeSeriesTables } from "../clickhouse/series-tables.ts";
import type { SeriesPlace } from "../clickhouse/series-tables.ts";
import { quoteName } from "../clickhouse/series-text.ts";
import { ByteWriter } from "../series/bytes.ts";
import type { Column, Rolled } from "../series/column.ts";
import { longestGapS } from "../series/rollup.ts";
import { type EmbeddedSeries, type SeriesPiece, hourKey, readHourKey } from "./embedded-series.ts";
import type { Journal } from "./journal.ts";

const hourS = 3600;
/** Rows of one insert. */
const batchRows = 100_000;
const timeoutMs = 300_000;

export const seriesPart = "metrics";

/** When averages of a block count as made: later blocks later, and all before anything that a hub makes of them. */
const stampOf = (blockId: number): number => 1_000_000_000_000 + Math.min(blockId, 100_000_000_000);

const settings: Settings = { max_partitions_per_insert_block: "0", insert_distributed_sync: 1 };
const samplesSql = "INSERT INTO metric_samples (origin, key, counter, at, value) FORMAT RowBinary";
const rollupsSql = "INSERT INTO metric_rollups (tier, origin, key, at, mean, min, max, count, rolled) FORMAT RowBinary";
const hoursSql = "INSERT INTO metric_hours (hour, origin, touched, rolled) FORMAT RowBinary";

export type SeriesCopy = {
  readonly source: EmbeddedSeries;
  readonly client: Clickhouse;
  readonly place: SeriesPlace;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  readonly nowMs: number;
  readonly copied: (numbers: number, bytes: number) => void;
};

/** Copies what is in blocks and was not copied yet. */
export async function copySeriesBlocks(copy: SeriesCopy): Promise<void> {
  const { source, client, place, journal } = copy;
  await makeSeriesTables(client, forever(place));
  // what is copied is rolled up already: an hour that was noted now would be made of samples again
  const cluster = place.cluster === null ? "" : ` ON CLUSTER ${quoteName(place.cluster)}`;
  await client.run(`DROP VIEW IF EXISTS metric_touched${cluster} SYNC`);
  let first = (await journal.copiedUpTo(seriesPart)) + 1;
  const rows = createRows(copy);
  async function flush(last: number): Promise<void> {
    const lines = await rows.flush();
    const range = { first, last, insertId: crypto.randomUUID(), arrivedMs: copy.nowMs, lines, sums: new Map() };
    await journal.begin(seriesPart, range);
    await journal.finish(seriesPart, range);
    first = last + 1;
  }
  let last = first - 1;
  for (const piece of source.after(last)) {
    copy.signal.throwIfAborted();
    rows.add(piece);
    last = piece.id;
    if (rows.count() >= batchRows) await flush(last);
  }
  if (last >= first) await flush(last);
}

/** Copies the rest, of a hub that stands still, and says which hours are to be rolled up. */
export async function finishSeries(copy: SeriesCopy): Promise<void> {
  const { source, client, place } = copy;
  await copySeriesBlocks(copy);
  const rows = createRows(copy);
  const open = new Set(source.openHours());
  for (const piece of source.open()) {
    copy.signal.throwIfAborted();
    rows.add(piece);
    for (const { times } of piece.columns) {
      for (const time of times)
        for (const at of [time, time + longestGapS]) open.add(hourKey(piece.origin, hourOf(at)));
    }
    if (rows.count() >= batchRows) await rows.flush();
  }
  await rows.flush();
  const origins = new Set(source.origins());
  const known = await client.rows<{ name: string }>(
    "SELECT DISTINCT toString(origin) AS name FROM metric_samples UNION DISTINCT SELECT DISTINCT toString(origin) AS name FROM metric_rollups",
  );
  const gone = known.map(({ name }) => name).filter((name) => !origins.has(name));
  // lightweight deletes wait for nothing unless they are told to
  const wait: Settings = { mutations_sync: "2" };
  if (gone.length > 0)
    for (const statement of forgetOrigins(gone, place)) await client.run(statement, { settings: wait });
  await noteOpenHours(copy, open);
  // with what notes hours from now on
  await makeSeriesTables(client, forever(place));
}

/** While it is copied nothing is forgotten; the hub that starts there sets the times of its settings. */
const forever = (place: SeriesPlace): SeriesPlace => ({
  ...place,
  retention: { raw: Infinity, minutes: Infinity, hours: Infinity },
});

/** Hours of which averages are to be made. Of all others hubs take those that were copied, as the embedded store does. */
async function noteOpenHours({ client, source, nowMs }: SeriesCopy, open: ReadonlySet<string>): Promise<void> {
  const out = new ByteWriter(64 * 1024);
  const number = createNumberWriter(out);
  const origins = new Set(source.origins());
  for (const key of open) {
    const { hour, origin } = readHourKey(key);
    if (!origins.has(origin)) continue;
    number.uint32(hour);
    out.text(origin);
    number.int64(nowMs);
    number.int64(0);
  }
  await insert(client, hoursSql, out);
}

/** Gathers rows of both tables. */
function createRows({ client, nowMs, place, copied }: SeriesCopy) {
  const samples = new ByteWriter(1024 * 1024);
  const rollups = new ByteWriter(1024 * 1024);
  const [sample, rollup] = [createNumberWriter(samples), createNumberWriter(rollups)];
  let count = 0;

  function addColumn(origin: string, { key, counter, times, values }: Column, sinceS: number): void {
    for (let i = 0; i < times.length; i++) {
      if ((times[i] as number) < sinceS) continue;
      samples.text(origin);
      samples.text(key);
      samples.raw(counter ? one : zero);
      sample.uint32(times[i] as number);
      samples.double((values[i] as number) + 0);
      count++;
    }
  }

  function addRolled(piece: SeriesPiece, { key, times, values, min, max, count: points }: Rolled, sinceS: number) {
    const stamp = stampOf(piece.id);
    for (let i = 0; i < times.length; i++) {
      if ((times[i] as number) < sinceS) continue;
      rollup.uint16(piece.tier);
      rollups.text(piece.origin);
      rollups.text(key);
      rollup.uint32(times[i] as number);
      for (const value of [values[i], min[i], max[i]]) rollups.double((value as number) + 0);
      rollup.uint32(points[i] as number);
      rollup.int64(stamp);
      count++;
    }
  }

  return {
    count: () => count,
    add(piece: SeriesPiece) {
      // what is too old to be kept goes there as it would here
      const sinceS = keptSince(place, piece.tier, nowMs);
      for (const column of piece.columns) addColumn(piece.origin, column, sinceS);
      for (const rolled of piece.rolled) addRolled(piece, rolled, sinceS);
    },
    async flush() {
      const [rows, bytes] = [count, samples.length + rollups.length];
      await insert(client, samplesSql, samples);
      await insert(client, rollupsSql, rollups);
      copied(rows, bytes);
      count = 0;
      return rows;
    },
  };
}

const [zero, one] = [Uint8Array.of(0), Uint8Array.of(1)];

function createNumberWriter(out: ByteWriter) {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  return {
    uint16(value: number) {
      view.setUint16(0, value, true);
      out.raw(bytes.subarray(0, 2));
    },
    uint32(value: number) {
      view.setUint32(0, value, true);
      out.raw(bytes.subarray(0, 4));
    },
    int64(value: number) {
      view.setBigInt64(0, BigInt(value), true);
      out.raw(bytes);
    },
  };
}

async function insert(client: Clickhouse, sql: string, rows: ByteWriter): Promise<void> {
  if (rows.length === 0) return;
  const body = Uint8Array.from(await Bun.zstdCompress(rows.view(), { level: 1 }));
  rows.clear();
  await client.insert({ sql, body, token: crypto.randomUUID(), settings, timeoutMs });
}

const hourOf = (seconds: number): number => Math.floor(seconds / hourS) * hourS;

/** Seconds since the epoch from which on a tier is kept. */
export function keptSince({ retention }: SeriesPlace, tier: Tier, nowMs: number): number {
  const kept = tier === 0 ? retention.raw : tier === 300 ? retention.minutes : retention.hours;
  return Math.floor(nowMs / 1000) - kept;
}
