/**
 * Tables of metrics.
 *
 * `metric_samples` has a row for each number at each second. Repeats of a row become one, the larger number staying, when
 * parts are merged and when they are read: so a batch that is inserted twice, or a heartbeat that came to two hubs, changes
 * nothing. The order, an hour after the other and within it an origin after the other, is that of what is read most (the
 * last hours of many servers), and of what rolls hours up.
 *
 * `metric_rollups` has five minutes and hours, in one table so that both tiers of an hour are written by one statement. It
 * is not filled by a materialised view over what is inserted: a view sees one batch at a time, would count a repeat twice,
 * and can't make a rate out of two numbers that came in different batches. What a view does instead, is to note in
 * `metric_hours` which hours of which origins were touched; one hub rolls these up, from rows without repeats (see
 * series-rolling.ts), and notes when it did. An hour that was touched since is read from samples. That way the averages are
 * right at every moment, whatever comes late.
 */
import type { SeriesRetention } from "#src/protocol/series.ts";
import { longestGapS } from "../series/rollup.ts";
import type { Clickhouse, Settings } from "./client.ts";
import { expirySetting, expirySql, setExpiry } from "./expiry.ts";
import { quoteList, quoteName, quoteText } from "./series-text.ts";

export type SeriesPlace = {
  /** of the config's remote_servers; null: a single server */
  readonly cluster: string | null;
  readonly database: string;
  readonly retention: SeriesRetention;
};

const dayS = 86_400;
/** What is noted of hours outlives their samples, so that nobody takes an hour of before for one that was never rolled up. */
const hoursOutliveS = 2 * dayS;

type Table = {
  readonly name: string;
  readonly engine: "AggregatingMergeTree" | "ReplacingMergeTree";
  /** of the engine */
  readonly arguments: string;
  readonly columns: readonly string[];
  readonly partition: string;
  readonly order: string;
  /** the expiry of each kind of row, in seconds after `time` */
  readonly time: string;
  readonly kept: (retention: SeriesRetention) => readonly { readonly seconds: number; readonly where?: string }[];
  readonly settings: readonly string[];
};

const name = "LowCardinality(String) CODEC(ZSTD(1))";
const gauge = "Float64 CODEC(ZSTD(1))";
const moment = "DateTime64(3, 'UTC')";

const tables: readonly Table[] = [
  {
    name: "metric_samples",
    engine: "AggregatingMergeTree",
    arguments: "",
    columns: [
      `origin ${name}`,
      `key ${name}`,
      "counter SimpleAggregateFunction(max, UInt8) CODEC(ZSTD(1))",
      "at DateTime('UTC') CODEC(DoubleDelta, ZSTD(1))",
      "value SimpleAggregateFunction(max, Float64) CODEC(Gorilla, ZSTD(1))",
    ],
    partition: "toYYYYMMDD(at)",
    order: "toStartOfHour(at), origin, key, at",
    time: "at",
    kept: ({ raw }) => [{ seconds: raw }],
    // a batch that is sent again need not become a part; a day goes in one piece
    settings: ["non_replicated_deduplication_window = 1000", "ttl_only_drop_parts = 1"],
  },
  {
    name: "metric_hours",
    engine: "AggregatingMergeTree",
    arguments: "",
    columns: [
      "hour DateTime('UTC') CODEC(Delta, ZSTD(1))",
      `origin ${name}`,
      `touched SimpleAggregateFunction(max, ${moment}) CODEC(Delta, ZSTD(1))`,
      `rolled SimpleAggregateFunction(max, ${moment}) CODEC(Delta, ZSTD(1))`,
    ],
    partition: "toYYYYMMDD(hour)",
    order: "hour, origin",
    time: "hour",
    kept: ({ raw }) => [{ seconds: raw + hoursOutliveS }],
    settings: ["ttl_only_drop_parts = 1"],
  },
  {
    name: "metric_rollups",
    engine: "ReplacingMergeTree",
    arguments: "rolled",
    columns: [
      "tier UInt16 CODEC(ZSTD(1))",
      `origin ${name}`,
      `key ${name}`,
      "at DateTime('UTC') CODEC(DoubleDelta, ZSTD(1))",
      `mean ${gauge}`,
      `min ${gauge}`,
      `max ${gauge}`,
      "count UInt32 CODEC(T64, ZSTD(1))",
      `rolled ${moment} CODEC(Delta, ZSTD(1))`,
    ],
    partition: "(tier, toYYYYMM(at))",
    order: "tier, origin, key, at",
    time: "at",
    kept: ({ minutes, hours }) => [
      { seconds: minutes, where: "tier = 300" },
      { seconds: hours, where: "tier = 3600" },
    ],
    settings: ["ttl_only_drop_parts = 1"],
  },
];

/** The name by which a table's own rows are reached on each server: beside it, with a cluster, stands one over all. */
function localName({ name: table }: Pick<Table, "name">, { cluster }: SeriesPlace): string {
  return cluster === null ? table : `${table}_local`;
}

function onCluster({ cluster }: SeriesPlace): string {
  return cluster === null ? "" : ` ON CLUSTER ${quoteName(cluster)}`;
}

/** As ClickHouse writes it back, so that the two can be compared. */
function expiry({ time, kept }: Table, { retention }: SeriesPlace): string {
  return expirySql(kept(retention).map((kind) => ({ time, ...kind })));
}

function engineOf(table: Table, place: SeriesPlace): string {
  if (place.cluster === null) return `${table.engine}(${table.arguments})`;
  const path = `/clickhouse/tables/{shard}/${place.database}/${localName(table, place)}`;
  const rest = table.arguments === "" ? "" : `, ${table.arguments}`;
  return `Replicated${table.engine}(${quoteText(path)}, '{replica}'${rest})`;
}

function createTable(table: Table, place: SeriesPlace): string[] {
  const local = localName(table, place);
  const forgets = expiry(table, place);
  const own =
    `CREATE TABLE IF NOT EXISTS ${local}${onCluster(place)} (${table.columns.join(", ")}) ` +
    `ENGINE = ${engineOf(table, place)} PARTITION BY ${table.partition} ORDER BY (${table.order}) ` +
    `${forgets === "" ? "" : `TTL ${forgets} `}SETTINGS ${settingsOf(table, place).join(", ")}`;
  if (place.cluster === null) return [own];
  const over =
    `CREATE TABLE IF NOT EXISTS ${table.name}${onCluster(place)} AS ${local} ENGINE = ` +
    `Distributed(${quoteText(place.cluster)}, ${quoteText(place.database)}, ${quoteText(local)}, cityHash64(origin))`;
  return [own, over];
}

/** Replicated tables know repeated batches by themselves. */
function settingsOf({ settings }: Table, { cluster }: SeriesPlace): readonly string[] {
  const own = cluster === null ? settings : settings.filter((setting) => !setting.startsWith("non_replicated"));
  return [...own, expirySetting];
}

/**
 * A number counts for the hour that it is in, and, because the rate of a counter reaches back to the number before, for
 * the one that begins within the longest gap after it.
 */
function createNotes(place: SeriesPlace): string {
  const [from, to] = [localName({ name: "metric_samples" }, place), localName({ name: "metric_hours" }, place)];
  return (
    `CREATE MATERIALIZED VIEW IF NOT EXISTS metric_touched${onCluster(place)} TO ${to} AS ` +
    `SELECT arrayJoin(arrayDistinct([toStartOfHour(at), toStartOfHour(at + ${longestGapS})])) AS hour, origin, ` +
    `now64(3, 'UTC') AS touched, toDateTime64(0, 3, 'UTC') AS rolled FROM ${from} GROUP BY hour, origin`
  );
}

/** Statements that make the tables; each does nothing when it was done before, so that hubs may start together. */
export function createSeriesTables(place: SeriesPlace): readonly string[] {
  return [...tables.flatMap((table) => createTable(table, place)), createNotes(place)];
}

/** Statements that delete the rows of origins. Only what is marked goes at once; the rest when parts are merged. */
export function forgetOrigins(origins: readonly string[], place: SeriesPlace): readonly string[] {
  return tables.map(
    (table) => `DELETE FROM ${localName(table, place)}${onCluster(place)} WHERE origin IN ${quoteList(origins)}`,
  );
}

/** Rows of origins. */
export function countOrigins(origins: readonly string[]): string {
  const where = `WHERE origin IN ${quoteList(origins)}`;
  return (
    `SELECT (SELECT count() FROM metric_samples ${where}) + (SELECT count() FROM metric_rollups ${where}) + ` +
    `(SELECT count() FROM metric_hours ${where}) AS count`
  );
}

/** Makes tables that are not there, and the expiry of those that are there what it should be. Rejects with a Fault. */
export async function makeSeriesTables(client: Pick<Clickhouse, "rows" | "run">, place: SeriesPlace): Promise<void> {
  for (const statement of createSeriesTables(place)) await client.run(statement);
  for (const table of tables) {
    const local = localName(table, place);
    await setExpiry(client, local, `${local}${onCluster(place)}`, expiry(table, place));
  }
}

/** With so many replicas, what most of them have is safe while one is away; two would both have to be there. */
const fewestForQuorum = 3;

/** Settings of inserts by which one counts as done only when most replicas have it. Rejects with a Fault. */
export async function readQuorum(client: Pick<Clickhouse, "cluster" | "rows">): Promise<Settings> {
  if (client.cluster === null) return {};
  const [row] = await client.rows<{ fewest: number }>(
    "SELECT min(replicas) AS fewest FROM (SELECT count() AS replicas FROM system.clusters " +
      `WHERE cluster = ${quoteText(client.cluster)} GROUP BY shard_num)`,
  );
  return (row?.fewest ?? 0) < fewestForQuorum ? {} : { insert_quorum: "auto", insert_quorum_parallel: 1 };
}
