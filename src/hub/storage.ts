/**
 * Where the hub keeps what it must not forget, by its settings: in its data folder, or in Postgres and ClickHouse, which
 * it may share with other hubs.
 */
import { createBatch } from "#src/lib/batch.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { agreeOnSecret, openSecret, type HubSecret } from "./auth/secret.ts";
import type { AuthDatabase } from "./auth/ports.ts";
import type { HubSettings } from "./settings.ts";
import type { HubWorld } from "./world.ts";
import { openAuthDatabase } from "./store/auth-database.ts";
import { type Clickhouse, openClickhouse } from "./store/clickhouse/client.ts";
import { type PlaceAgreement, agreeOnPlace } from "./store/clickhouse/identity.ts";
import { agreeOn, agreedOn, announceChanges, createSoleHub, openCluster } from "./store/cluster/cluster.ts";
import type { Cluster } from "./store/cluster/port.ts";
import { storageFault } from "./store/commits.ts";
import { refuseHalf } from "./store/migrate/journal.ts";
import { refuseMoved } from "./store/migrate/mark.ts";
import { openPostgresAuth } from "./store/postgres/auth.ts";
import { type Postgres, openPostgres } from "./store/postgres/connection.ts";
import { openPostgresState } from "./store/postgres/state.ts";
import { type OpenedState, openStateStore } from "./store/state.ts";

/** What the hubs of a database agree on by this name: the fingerprint of their secret. */
export const secretAgreement = "secret";
/** … and by this one, from the first hub with ClickHouse on: where the logs are. */
const logsAgreement = "logs";
/** … and by this one: which ClickHouse that is. */
const placeName = "clickhouse";
/** The duty of a hub that keeps logs in its own data folder: it can only be alone. */
const aloneDuty = "logs in a data folder";
/** How long a hub waits for its own earlier life to count as gone, in milliseconds. */
const aloneWithinMs = 15_000;
/** What has changed of people is told to the other hubs within this time, in milliseconds. */
const tellWithinMs = 50;
const retryMs = 1000;

export type Storage = {
  readonly secret: HubSecret;
  readonly state: OpenedState;
  readonly auth: AuthDatabase;
  /** the hubs of the same database; this one alone without Postgres */
  readonly cluster: Cluster;
  /** null: state is in the data folder, and no other hub is on it */
  readonly postgres: Postgres | null;
  /** Tells the other hubs that something of people has changed: an organization's id, "" for any. */
  readonly tellPeople: (organizationId: string) => void;
};

/**
 * Opens what holds state and accounts; what closes it again goes to `ends`, the last first. `surprised` hears that what is
 * kept in memory may be wrong. Rejects with a Fault.
 */
export async function openStorage(
  settings: Pick<HubSettings, "dataDir" | "databaseUrl" | "clickhouseUrl" | "secretFile">,
  { clock, log }: HubWorld,
  ends: (() => void | Promise<void>)[],
  surprised: () => void,
): Promise<Storage> {
  const { dataDir, databaseUrl, secretFile } = settings;
  const secret = openSecret(dataDir, secretFile);
  const tell = (message: string) => log.info(message);
  if (databaseUrl === null) {
    refuseMoved(dataDir);
    const state = await openStateStore(dataDir, clock, tell);
    ends.push(() => state.close());
    const auth = await openAuthDatabase(dataDir, tell);
    ends.push(() => auth.close());
    const cluster = createSoleHub({ clock, log });
    ends.push(() => cluster.close());
    return {
      secret,
      state,
      auth: { ...auth, faultOf: storageFault },
      cluster,
      postgres: null,
      tellPeople: () => undefined,
    };
  }
  const postgres = await openPostgres(databaseUrl, { clock, log });
  ends.push(() => postgres.close());
  await refuseHalf(postgres.patient());
  await agreeOnSecret(secret, (value) => agreeOn(postgres, secretAgreement, value));
  const cluster = await openCluster({ postgres, clock, log });
  ends.push(() => cluster.close());
  await stayApart(postgres, cluster, settings.clickhouseUrl === null);
  const warn = (message: string) => log.warn(message);
  const state = await openPostgresState(postgres, { clock, cluster, surprised, warn });
  ends.push(() => state.close());
  let isOpen = true;
  const people = createBatch({
    clock,
    withinMs: tellWithinMs,
    async write(ids) {
      const changes = [...ids].map((id) => ({ kind: "person" as const, id }));
      try {
        await announceChanges(postgres, cluster.hubId(), changes);
      } catch (error) {
        if (isOpen) clock.after(retryMs, () => ids.forEach(people.add));
        throw error;
      }
    },
    failed: (error) => warn(`the other hubs don't know yet what has changed of people: ${reasonOf(error)}`),
  });
  ends.push(async () => {
    isOpen = false;
    await people.flush();
  });
  return {
    secret,
    state,
    auth: openPostgresAuth(postgres),
    cluster,
    postgres,
    tellPeople: (organizationId) => people.add(organizationId),
  };
}

/** A hub with logs of its own would show half of them to everybody, and so would the others beside it. */
async function stayApart(postgres: Postgres, cluster: Cluster, ownLogs: boolean): Promise<void> {
  const hint = "Give all hubs of the database the same clickhouseUrl; `orion hub migrate` takes what is there along";
  // each says what it is and then looks for the other kind, so that of two at once one sees the other
  if (!ownLogs) {
    await agreeOn(postgres, logsAgreement, "clickhouse");
    const held = (await cluster.duties()).find(({ name }) => name === aloneDuty);
    if (held === undefined || held.hubId === null || (await cluster.isGone(held.hubId))) return;
    throw new Fault("conflict", "another hub of this database keeps its logs in its own data folder", { hint });
  }
  const taken = Promise.withResolvers<boolean>();
  cluster.take(aloneDuty, { begin: () => taken.resolve(true), end: () => undefined });
  const timer = setTimeout(() => taken.resolve(false), aloneWithinMs);
  const isAlone = await taken.promise;
  clearTimeout(timer);
  if (!isAlone) {
    throw new Fault("conflict", "another hub without ClickHouse is on this database", { hint });
  }
  if ((await agreedOn(postgres, logsAgreement)) === null) return;
  throw new Fault(
    "conflict",
    "the hubs of this database keep their logs in ClickHouse, and this one has no clickhouseUrl",
    {
      hint: "Give it the clickhouseUrl that they have",
    },
  );
}

/** Where the hubs of a database note which ClickHouse they have. */
export const placeAgreement = (postgres: Postgres): PlaceAgreement => ({
  postgres: postgres.address,
  name: placeName,
  read: () => agreedOn(postgres, placeName),
  agree: (value) => agreeOn(postgres, placeName, value),
});

/**
 * Where logs and metrics are; null: in the data folder. Rejects with a Fault, also when the other hubs of `postgres` have
 * theirs elsewhere; null for that: nobody is to compare.
 */
export async function openTelemetry(
  { clickhouseUrl, clickhouseCluster }: Pick<HubSettings, "clickhouseUrl" | "clickhouseCluster">,
  { clock, log }: HubWorld,
  postgres: Postgres | null,
): Promise<Clickhouse | null> {
  if (clickhouseUrl === null) {
    if (clickhouseCluster === null) return null;
    throw new Fault("invalid", "the hub's settings are not valid: clickhouseCluster is set, but clickhouseUrl is not", {
      hint: "Set both or neither",
    });
  }
  const clickhouse = await openClickhouse(clickhouseUrl, { clock, log, cluster: clickhouseCluster });
  try {
    if (postgres !== null) await agreeOnPlace(clickhouse, placeAgreement(postgres));
    return clickhouse;
  } catch (error) {
    await clickhouse.close();
    throw error;
  }
}
