/** Over which shards of a cluster inserts are spread. */
import type { Clickhouse } from "./client.ts";

export type Shards = {
  /** The shard of a next insert, from 1; 0: a single server. */
  readonly next: () => number;
  /** Settings of an insert that goes to a shard. */
  readonly settings: (shard: number) => Readonly<Record<string, string>>;
};

/** With so many replicas an insert is there when most of them have it, and one may be away. */
const fewestForQuorum = 3;

type Row = { readonly shard: number; readonly weight: number; readonly replicas: number };

/** Reads what the cluster is made of. Rejects with a Fault. */
export async function readShards(client: Clickhouse): Promise<Shards> {
  if (client.cluster === null) return { next: () => 0, settings: () => ({}) };
  const rows = await client.rows<Row>(
    `SELECT shard_num AS shard, any(shard_weight) AS weight, count() AS replicas FROM system.clusters
     WHERE cluster = {cluster: String} GROUP BY shard_num ORDER BY shard_num`,
    { parameters: { cluster: client.cluster } },
  );
  return spreadOver(rows);
}

/**
 * Takes shards in turn, each as often as its weight says. Two replicas have no quorum: both would have to be there for any
 * line to be taken. What one of them took is seen while it is away only if the other had copied it by then.
 */
export function spreadOver(rows: readonly Row[]): Shards {
  const turns = rows.flatMap(({ shard, weight }) => Array.from({ length: Math.min(weight, 100) }, () => shard));
  // hubs that start together do not all begin at the same shard
  let turn = Math.floor(Math.random() * turns.length);
  return {
    next: () => turns[turn++ % turns.length] ?? 1,
    settings(shard) {
      const replicas = rows.find((row) => row.shard === shard)?.replicas ?? 1;
      return {
        // the whole insert, to this shard, and answered when it is there: not split by server and not put off
        insert_shard_id: String(shard),
        insert_distributed_sync: "1",
        // one that is down is passed over, whichever server is asked
        ...(replicas >= fewestForQuorum ? { insert_quorum: "auto", insert_quorum_parallel: "1" } : {}),
      };
    },
  };
}
