/**
 * The tables of log entries in ClickHouse, as SQL: pure functions, each statement harmless when it has been run before or
 * is run by several hubs at once.
 *
 * Rows with an empty `server` are no entries but the marks of inserts that came to nothing (settling.ts): whoever
 * reads leaves them out ({@link isEntry}).
 *
 * On a cluster each shard has a table `logs_local` on all its replicas, and `logs` stands for all of them. An insert goes as
 * a whole to one shard, a different one each time (`insert_shard_id`): split by server it would be several inserts, of
 * which some may be there and others not, and no token says which. So a server's entries lie on all shards, and every shard
 * works at every search.
 */
import { levels, streams } from "#src/protocol/log.ts";
import { expirySetting, expirySql } from "./expiry.ts";
import type { Clickhouse, Settings } from "./client.ts";
import { dearIndexes, searchIndexes } from "./search/indexes.ts";

/** What is an entry among the rows. */
export const isEntry = "server != ''";

/** What is read and inserted into, whatever is behind it. */
export const logsTable = "logs";

export type LogsPlace = {
  readonly database: string;
  /** null: a single server */
  readonly cluster: string | null;
};

/** The table that holds rows: what ALTER, DELETE and OPTIMIZE are for, with {@link onCluster}. */
export function storedTable({ cluster }: Pick<LogsPlace, "cluster">): string {
  return cluster === null ? logsTable : `${logsTable}_local`;
}

/** What stands behind the table's name in DDL; "": a single server. */
export function onCluster({ cluster }: Pick<LogsPlace, "cluster">): string {
  return cluster === null ? "" : ` ON CLUSTER \`${cluster}\``;
}

/**
 * Inserts whose tokens are remembered. One whose outcome is unknown is settled seconds later, and can arrive late only while
 * its connection lives, which ClickHouse ends when nothing comes for half a minute: this is eight minutes of a hundred
 * inserts a second, from all hubs (insert-pace.ts).
 */
const rememberedInserts = 50_000;

/** Columns in the order in which inserts have them (native-insert.ts). */
export const logColumns = [
  "server",
  "source",
  "at",
  "seq",
  "position",
  "level",
  "stream",
  "message",
  "fields",
  "odd",
  "arrived",
] as const;

/** @param days how long the longest kept entries are kept, counted from their arrival */
export function logsExpiry(days: number): string {
  return expirySql([{ time: "toDateTime(arrived)", seconds: Math.ceil(days) * 86_400 }]);
}

/** `days`: see {@link logsExpiry}. */
export function logsDdl(place: LogsPlace, days: number): readonly string[] {
  const stored = storedTable(place);
  const replicated = place.cluster !== null;
  const engine = replicated
    ? `ReplicatedMergeTree('/clickhouse/tables/{shard}/${place.database}/${stored}', '{replica}')`
    : "MergeTree";
  const window = replicated
    ? `replicated_deduplication_window = ${rememberedInserts}, replicated_deduplication_window_seconds = 86400`
    : // what is acknowledged outlives a loss of power; replicas have it from each other
      `non_replicated_deduplication_window = ${rememberedInserts}, fsync_after_insert = 1, fsync_part_directory = 1`;
  const expiry = logsExpiry(days);
  const table = `CREATE TABLE IF NOT EXISTS ${stored}${onCluster(place)} (
  server LowCardinality(String),
  source LowCardinality(String),
  -- milliseconds since the epoch
  at Int64 CODEC(Delta, ZSTD(1)),
  -- the sender's number; with the server unique
  seq Int64 CODEC(Delta, ZSTD(1)),
  -- counts entries of all senders in the order of arrival
  position UInt64 CODEC(Delta, ZSTD(1)),
  -- places in: ${levels.join(", ")}
  level UInt8 CODEC(ZSTD(1)),
  -- places in: ${streams.join(", ")}
  stream UInt8 CODEC(ZSTD(1)),
  message String CODEC(ZSTD(1)),
  -- JSON, or nothing
  fields String CODEC(ZSTD(1)),
  -- what does not fit its column: JSON with at or message, or nothing
  odd String CODEC(ZSTD(1)),
  -- the same for a whole insert, and so is its day: one insert is one part of one partition, there as a whole or not at all
  arrived DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  ${searchIndexes.join(",\n  ")}
) ENGINE = ${engine}
PARTITION BY toYYYYMMDD(arrived)
ORDER BY (server, source, at, position)${expiry === "" ? "" : `\nTTL ${expiry}`}
SETTINGS ${window}, ttl_only_drop_parts = 1, ${expirySetting}`;
  if (place.cluster === null) return [table];
  // the sharding key is for whoever inserts by hand; hubs say which shard
  const spread = `CREATE TABLE IF NOT EXISTS ${logsTable}${onCluster(place)} AS ${stored}
ENGINE = Distributed('${place.cluster}', '${place.database}', '${stored}', cityHash64(server))`;
  return [table, spread];
}

/** With these, an insert costs ClickHouse less; {}: it is too old for that (before 25.9). Rejects with a Fault. */
export async function readInsertSettings(client: Pick<Clickhouse, "rows">): Promise<Settings> {
  const name = "exclude_materialize_skip_indexes_on_insert";
  const found = await client.rows(`SELECT name FROM system.settings WHERE name = '${name}'`);
  return found.length === 0 ? {} : { [name]: dearIndexes.join(", ") };
}
