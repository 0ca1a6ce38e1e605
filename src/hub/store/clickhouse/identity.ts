/**
 * Which ClickHouse the hubs of a Postgres keep their logs and metrics in: one given another would put lines where the
 * others don't look. Each place has a name of its own, a random one in a table there; the first hub notes it in Postgres,
 * and every other compares.
 *
 * Hubs that start together on a new place may each put a name there, so that it has several: which of them is noted is
 * all the same, it is right for every hub that finds it there.
 */
import { Fault } from "#src/protocol/fault.ts";
import type { Clickhouse } from "./client.ts";
import { clickhouseErrorOf } from "./faults.ts";
import { onCluster } from "./logs-tables.ts";

const table = "hub_identity";
/** What one server of a cluster has got the others have after a moment, in milliseconds. */
const copiedWithinMs = 5000;
const retryMs = 250;

/** What the hubs of a database agree on, by one name: store/cluster/agreement.ts. */
export type PlaceAgreement = {
  /** where Postgres is, for messages */
  readonly postgres: string;
  /** the name in it, for messages */
  readonly name: string;
  readonly read: () => Promise<string | null>;
  /** Notes `value` unless another is noted, and gives what is noted. */
  readonly agree: (value: string) => Promise<string>;
};

type Place = Pick<Clickhouse, "rows" | "run" | "address" | "database" | "cluster">;

/**
 * Makes sure that `client` is where the hubs of the database keep their logs; the first hub says where that is.
 * @throws {Fault} `conflict`: it is another one, or it is empty; `unavailable`
 */
export async function agreeOnPlace(client: Place, agreement: PlaceAgreement): Promise<void> {
  const noted = await agreement.read();
  if (noted !== null) return await refuseOther(client, noted, agreement);
  const [known] = await namesOf(client);
  const agreed = await agreement.agree(`${known ?? (await makeName(client))} ${whereOf(client)}`);
  await refuseOther(client, agreed, agreement);
}

/**
 * The same for who only reads: nothing is noted.
 * @throws {Fault} `conflict`, `unavailable`
 */
export async function comparePlace(client: Place, agreement: PlaceAgreement): Promise<void> {
  const noted = await agreement.read();
  if (noted !== null) await refuseOther(client, noted, agreement);
}

/** Statements that make the table; all servers of a cluster are replicas of one, whatever shard they are of. */
export function identityDdl({ database, cluster }: Pick<Clickhouse, "database" | "cluster">): string {
  const engine =
    cluster === null
      ? "MergeTree"
      : `ReplicatedMergeTree('/clickhouse/tables/all/${database}/${table}', '{shard}-{replica}')`;
  // what Postgres has noted outlives a loss of power, and so must this
  const safe = cluster === null ? " SETTINGS fsync_after_insert = 1, fsync_part_directory = 1" : "";
  const columns = "id String, made DateTime('UTC') DEFAULT now()";
  return `CREATE TABLE IF NOT EXISTS ${table}${onCluster({ cluster })} (${columns}) ENGINE = ${engine} ORDER BY id${safe}`;
}

const whereOf = ({ address, database }: Place): string => `${address}/${database}`;

async function makeName(client: Place): Promise<string> {
  const id = crypto.randomUUID();
  await client.run(identityDdl(client));
  await client.run(`INSERT INTO ${table} (id) SELECT '${id}'`);
  return id;
}

async function namesOf(client: Place): Promise<readonly string[]> {
  try {
    return (await client.rows<{ id: string }>(`SELECT id FROM ${table} ORDER BY made, id`)).map(({ id }) => id);
  } catch (error) {
    if (clickhouseErrorOf(error) === "UNKNOWN_TABLE") return [];
    throw error;
  }
}

async function refuseOther(client: Place, noted: string, agreement: PlaceAgreement): Promise<void> {
  const [id = "", where = "an unknown address"] = noted.split(" ");
  const waitMs = client.cluster === null ? 0 : copiedWithinMs;
  let names = await namesOf(client);
  for (let waited = 0; !names.includes(id) && waited < waitMs; waited += retryMs) {
    await Bun.sleep(retryMs);
    names = await namesOf(client);
  }
  if (names.includes(id)) return;
  const { postgres, name } = agreement;
  const here = whereOf(client);
  const seen = names.length > 0 ? "is of other hubs" : "was never theirs, or was emptied since";
  throw new Fault(
    "conflict",
    `the hubs of the database ${postgres} keep their logs in ClickHouse at ${where}, and this one is given ${here}, which ${seen}`,
    {
      hint:
        "Give all hubs the same clickhouseUrl. If what was there is gone for good, or has moved here by hand: stop all hubs, run " +
        `DELETE FROM hub_agreements WHERE name = '${name}' in the Postgres database, and start them; they go on with what is here`,
    },
  );
}
