/** Hubs over one ledger and one ClickHouse, as far as logs go: opened, told of each other, and ended without goodbye. */
import type { Kysely } from "kysely";

import type { Cluster } from "#src/hub/store/cluster/port.ts";
import { type Clickhouse as Client, openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import type { LedgerDatabase } from "#src/hub/store/clickhouse/ledger.ts";
import { openSqliteLedger, postgresLedger } from "#src/hub/store/clickhouse/ledger-databases.ts";
import { type LedgerTables, makeLedgerTables } from "#src/hub/store/clickhouse/ledger-tables.ts";
import { type LogIntake, openClickhouseIntake } from "#src/hub/store/clickhouse/intake.ts";
import type { insertTimes } from "#src/hub/store/clickhouse/inserts.ts";
import { openPostgres } from "#src/hub/store/postgres/connection.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import { entriesOf } from "#test/hub/kit/columns.ts";
import type { Clickhouse } from "#test/kit/clickhouse.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { type TestDatabase, freshDatabase } from "#test/kit/postgres.ts";

/** Shorter than usual, and long enough for a machine that does much else. */
export const shortTimes = { deadline: 5000, retry: 50, gather: 5 };

export type TestHub = {
  readonly id: string;
  readonly logs: LogIntake;
  /** What it has heard of entries, in order. */
  readonly heard: StoredEntry[];
  /** Positions that it has heard of, in order. */
  readonly positions: number[];
  /** It is gone: from now on nothing of it reaches the ledger or ClickHouse, and the others hear that it is. */
  kill(): void;
  /** As `kill`, but the others do not know yet. */
  vanish(): void;
};

export type Faults = {
  /** Called before each; it may throw, wait for ever, or end the hub. */
  beforeAdmit?: () => Promise<void>;
  afterAdmit?: () => Promise<void>;
  beforeInsert?: () => Promise<void>;
  afterInsert?: () => Promise<void>;
  beforeConfirm?: () => Promise<void>;
  afterConfirm?: () => Promise<void>;
};

export type Rig = AsyncDisposable & {
  readonly client: Client;
  readonly database: LedgerDatabase;
  /** what hubs have warned of and told */
  readonly said: string[];
  /** Opens another hub. */
  hub(
    faults?: Faults,
    times?: Partial<typeof insertTimes>,
    odd?: { readonly believesItself?: boolean; readonly isDeaf?: boolean },
  ): Promise<TestHub>;
  died(hub: TestHub): boolean;
  /** Inserts in the ledger that are not known to be stored. */
  pending(): Promise<number>;
  /** Everybody hears that this hub is gone. */
  bury(id: string): void;
  /** All that is stored, by position. */
  stored(): Promise<StoredEntry[]>;
};

/** `fresh` makes the database, where it is not one of the process's own PostgreSQL. */
export async function openRig(
  kind: "sqlite" | "postgres",
  clickhouse: Clickhouse,
  fresh: () => Promise<TestDatabase> = freshDatabase,
): Promise<Rig> {
  const folder = temporaryFolder();
  const said: string[] = [];
  const log = { info: (text: string) => void said.push(text), warn: (text: string) => void said.push(text) };
  const ends: (() => unknown)[] = [() => folder[Symbol.asyncDispose]()];
  const { database, url: databaseUrl } = await openLedgerDatabase(kind, folder.path, ends, fresh);
  const client = await openClickhouse(await clickhouse.freshDatabase(), { clock: systemClock, log, cluster: null });
  ends.push(() => client.close());
  const gone = new Set<string>();
  const signals = new Set<() => void>();
  const mourners = new Set<(id: string) => void>();
  let hubs = 0;

  function bury(id: string): void {
    gone.add(id);
    for (const tell of mourners) tell(id);
  }

  async function hub(
    faults: Faults = {},
    times: Partial<typeof insertTimes> = {},
    { believesItself = false, isDeaf = false } = {},
  ): Promise<TestHub> {
    const id = `hub${++hubs}`;
    const life = { dead: false };
    const own = faulty(databaseUrl === null ? database : await reopen(databaseUrl, ends), faults, life);
    const cluster: Pick<Cluster, "hubId" | "isMember" | "isGone" | "onGone" | "signal" | "onSignal"> = {
      hubId: () => id,
      isMember: () => !life.dead && (believesItself || !gone.has(id)),
      isGone: async (other) => gone.has(other),
      onGone(listener) {
        mourners.add(listener);
        return () => void mourners.delete(listener);
      },
      signal() {
        if (!life.dead) for (const hear of signals) hear();
      },
      onSignal(_signal, listener) {
        signals.add(listener);
        return () => void signals.delete(listener);
      },
    };
    const logs = await openClickhouseIntake({
      client: faultyClient(client, faults, life),
      ledger: own,
      cluster,
      clock: systemClock,
      log,
      days: 30,
      times: { ...shortTimes, ...times },
    });
    const heard: StoredEntry[] = [];
    if (!isDeaf) logs.onArrival((arrived) => heard.push(...storedOf(arrived)));
    ends.push(async () => {
      if (!life.dead) await logs.close();
    });
    const vanish = (): void => {
      life.dead = true;
    };
    return {
      id,
      logs,
      heard,
      get positions() {
        return heard.map((entry) => Number(entry.id));
      },
      vanish,
      kill() {
        vanish();
        bury(id);
      },
    };
  }

  return {
    client,
    database,
    said,
    hub,
    bury,
    died: ({ id }) => gone.has(id),
    async pending() {
      return (await database.queries.selectFrom("log_inserts").select("id").execute()).length;
    },
    async stored() {
      const logs = await hub();
      const all: StoredEntry[] = [];
      for await (const arrived of logs.logs.arrivalsAfter(0, logs.logs.figures().given)) all.push(...storedOf(arrived));
      await logs.logs.close();
      return all;
    },
    async [Symbol.asyncDispose]() {
      for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end();
    },
  };
}

export function storedOf({ serverId, firstPosition, columns }: Arrived): StoredEntry[] {
  return entriesOf(columns).map((entry, i) => ({ ...entry, id: String(firstPosition + i), serverId }));
}

async function openLedgerDatabase(
  kind: "sqlite" | "postgres",
  folder: string,
  ends: (() => unknown)[],
  make: () => Promise<TestDatabase>,
) {
  if (kind === "sqlite") {
    const database = await openSqliteLedger(folder);
    ends.push(database.close);
    return { database, url: null };
  }
  const fresh = await make();
  ends.push(() => fresh[Symbol.asyncDispose]());
  const database = await reopen(fresh, ends);
  await makeLedgerTables(database.queries as unknown as Kysely<unknown>);
  return { database, url: fresh };
}

async function reopen({ url }: TestDatabase, ends: (() => unknown)[]): Promise<LedgerDatabase> {
  const postgres = await openPostgres(url, { clock: systemClock, log: { info: () => {}, warn: () => {} } });
  ends.push(() => postgres.close());
  return postgresLedger(postgres.queries<LedgerTables>());
}

type Life = { dead: boolean };

/** Nothing more comes of it. */
const never = (): Promise<never> => new Promise(() => {});

async function pass(life: Life, check: (() => Promise<void>) | undefined): Promise<void> {
  if (life.dead) await never();
  await check?.();
  if (life.dead) await never();
}

function faultyClient(client: Client, faults: Faults, life: Life): Client {
  return {
    ...client,
    async insert(insert) {
      await pass(life, faults.beforeInsert);
      await client.insert(insert);
      await pass(life, faults.afterInsert);
    },
  };
}

/** A ledger's database in which faults happen around whole transactions: those are what a dying hub leaves behind. */
function faulty(database: LedgerDatabase, faults: Faults, life: Life): LedgerDatabase {
  const { queries } = database;
  const wrapped = new Proxy(queries, {
    get(target, name) {
      if (name === "transaction") {
        return () => ({
          async execute<T>(work: (trx: never) => Promise<T>): Promise<T> {
            await pass(life, faults.beforeAdmit);
            const value = await target.transaction().execute(work as never);
            await pass(life, faults.afterAdmit);
            return value as T;
          },
        });
      }
      if (name === "deleteFrom") {
        return (table: "log_inserts") => confirming(target.deleteFrom(table), faults, life);
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  return { ...database, queries: wrapped };
}

type Deleting = { where(...parts: unknown[]): Deleting; executeTakeFirst(): Promise<unknown> };

function confirming(query: unknown, faults: Faults, life: Life): Deleting {
  const deleting = query as Deleting;
  return {
    where: (...parts) => confirming(deleting.where(...parts), faults, life),
    async executeTakeFirst() {
      await pass(life, faults.beforeConfirm);
      const value = await deleting.executeTakeFirst();
      await pass(life, faults.afterConfirm);
      return value;
    },
  };
}
