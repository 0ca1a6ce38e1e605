/** The connection to PostgreSQL: opened once a hub, shared by everything that is kept there. */
import { type Kysely, sql } from "kysely";

import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import { faultOf, isAway, sqlstateOf } from "./faults.ts";
import { type Listen, createListen } from "./listen.ts";
import { createLock } from "./lock.ts";
import { createPool } from "./pool.ts";
import { checkAuthority, encryptionRefusal, poolerRefusal } from "./refusals.ts";

export { faultOf, isAway, isCollision, isMakingTwice, sqlstateOf } from "./faults.ts";

/** How long is waited; for tests, each may be another. Milliseconds. */
const usualTimes = {
  /** for a database that is starting when the hub starts */
  start: 30_000,
  /** for a connection that is in use by others, or for a database that restarts */
  connection: 5000,
  /** the server gives a statement up first … */
  statement: 20_000,
  /** … and the hub a server that hangs */
  answer: 25_000,
  /** a hub that hangs within a transaction must not keep its locks from the others */
  idleInTransaction: 10_000,
  /** for what tells other hubs that this one lives */
  control: 3000,
  /** whether a hub that stops is answered shows by then */
  leaving: 2500,
};
/** For a database that refuses connections to a hub that stops: it may be starting at that moment. Milliseconds. */
const refusingMs = 500;
const retryMs = 250;
/** Connections for queries and searches, unless the URL says `max`. */
const usualMax = 10;
/** Of these, for searches: however many people search, and however long that takes, writes have the others. */
const searchShare = 0.3;
/** So that telling that the hub lives never waits behind the other three: changes, duties, signals. */
const controlMax = 4;
/** For what takes long. */
const patientMax = 3;
const oldestSupported = 13;

export type PostgresKind = "postgres" | "cockroachdb" | "yugabytedb";

export type Postgres = {
  /**
   * Queries with a bounded wait: 5 s for a connection, also while the database is away, and 25 s for an answer. int8 and
   * numeric come as numbers, bytea as Uint8Array. They throw what the database says: see `faultOf`, `isCollision`.
   */
  queries<Tables>(): Kysely<Tables>;
  /** The same for what people search for, which may read a great deal: on connections of their own, a few of all. */
  searches<Tables>(): Kysely<Tables>;
  /** Four connections of their own for what must not wait behind other queries; given up after 3 s, without a retry. */
  control<Tables>(): Kysely<Tables>;
  /** Queries that may take any time: migrations, snapshots. Three connections. */
  patient<Tables>(): Kysely<Tables>;
  readonly kind: PostgresKind;
  /** as the server names it */
  readonly version: string;
  /** Hears NOTIFY; where there is none, it hears nothing. */
  readonly listen: Listen;
  /** Whether SELECT pg_notify() works. */
  readonly canNotify: boolean;
  /** Runs `work` (with `patient` queries) while no other hub runs what has the same name. */
  exclusively<T>(name: string, work: (queries: Kysely<unknown>) => Promise<T>): Promise<T>;
  /** Where it is, without who and with which password. */
  readonly address: string;
  /**
   * The hub is about to stop: if the database does not answer now, whoever waits for it is refused, and so is whoever asks
   * from then on. What was not answered was not promised to anybody.
   */
  leave(): void;
  /** Aborted when nobody waits for the database any more; the reason is a Fault. */
  readonly givenUp: AbortSignal;
  close(): Promise<void>;
};

export type PostgresWorld = {
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void };
  /** for tests */
  readonly times?: Partial<typeof usualTimes>;
};

/**
 * Connects, waiting for a database that is starting.
 * @throws {Fault} `invalid`: the URL; `unavailable`: not reached in time; `failed`: refused, or too old
 */
export async function openPostgres(url: string, world: PostgresWorld): Promise<Postgres> {
  const { clock, log } = world;
  const { address, max } = readUrl(url);
  checkAuthority(url);
  let kind: PostgresKind = "postgres";
  const advisoryLocks = () => kind === "postgres";
  const times = { ...usualTimes, ...world.times };
  const session = (statement: number, idle: number) => ({
    application_name: "orion-hub",
    statement_timeout: String(statement),
    idle_in_transaction_session_timeout: String(idle),
  });
  const hurried = { session: session(times.statement, times.idleInTransaction), advisoryLocks };
  const waits = { waitMs: times.connection, patient: true };
  const once = { waitMs: times.control, patient: false, answerMs: times.control };
  const slow = { session: session(0, 0), advisoryLocks, answerMs: null };
  const forSearches = Math.max(1, Math.floor((max ?? usualMax) * searchShare));
  const forQueries = Math.max(1, (max ?? usualMax) - forSearches);
  const usual = { ...hurried, ...waits, answerMs: times.answer };
  const { queries, searches, control, patient } = poolsOf(() => ({
    queries: createPool(url, { ...usual, max: forQueries }, clock),
    searches: createPool(url, { ...usual, max: forSearches }, clock),
    control: createPool(url, { ...hurried, ...once, max: controlMax }, clock),
    patient: createPool(url, { ...slow, ...waits, max: patientMax }, clock),
  }));
  const close = async () => {
    await Promise.all([queries, searches, control, patient].map((pool) => pool.close()));
  };

  let version: string;
  try {
    version = await greet();
    kind = kindOf(version);
    refuseOld(version, kind, address);
  } catch (error) {
    await close();
    throw error;
  }
  const lock = createLock(patient.db);
  const subscriptions = new Set<() => Promise<void>>();
  const listen = createListen({ sql: patient.sql, clock, log });
  const ending = new AbortController();

  /** Rejects when there is no answer. */
  async function ask(): Promise<void> {
    const end = clock.monotonic() + refusingMs;
    for (;;) {
      try {
        await sql`SELECT 1`.execute(control.db);
        return;
      } catch (error) {
        if (!isAway(error) || clock.monotonic() >= end) throw error;
        await new Promise<void>((resolve) => clock.after(retryMs, resolve));
      }
    }
  }

  function giveUp(): void {
    if (ending.signal.aborted) return;
    const why = new Fault("unavailable", "the database does not answer, and the hub stops");
    for (const pool of [queries, searches, control, patient]) pool.giveUp(why);
    ending.abort(why);
  }

  return {
    queries: <Tables>() => queries.db as Kysely<Tables>,
    searches: <Tables>() => searches.db as Kysely<Tables>,
    control: <Tables>() => control.db as Kysely<Tables>,
    patient: <Tables>() => patient.db as Kysely<Tables>,
    kind,
    version,
    canNotify: kind === "postgres",
    address,
    listen(channel, hear) {
      if (kind === "cockroachdb") return async () => undefined;
      const end = listen(channel, hear);
      const once = async () => {
        subscriptions.delete(once);
        await end();
      };
      subscriptions.add(once);
      return once;
    },
    exclusively: (name, work) => lock(name, () => work(patient.db)),
    leave() {
      const cancel = clock.after(times.leaving, giveUp);
      keep(ask().then(cancel), () => {
        cancel();
        giveUp();
      });
    },
    givenUp: ending.signal,
    async close() {
      await Promise.all([...subscriptions].map((end) => end()));
      await close();
    },
  };

  /** What the server says that it is. */
  async function greet(): Promise<string> {
    const end = clock.monotonic() + times.start;
    let told = false;
    for (;;) {
      try {
        const { rows } = await sql<{ version: string }>`SELECT version() AS version`.execute(control.db);
        await tryTwo(control.db);
        return rows[0]?.version ?? "";
      } catch (error) {
        const passes = isAway(error) || (error instanceof Fault && error.code === "unavailable");
        const waits = passes && poolerRefusal(error) === undefined;
        if (!waits || clock.monotonic() >= end) throw startFault(error, address);
        if (!told) log.info(`waiting for the database at ${address}`);
        told = true;
        await new Promise<void>((resolve) => clock.after(retryMs, resolve));
      }
    }
  }
}

/** Where a database is, without who and with which password. Throws a Fault `invalid`. */
export function addressOf(url: string): string {
  return readUrl(url).address;
}

/** @throws {Fault} `invalid`, without any part of the URL: it holds a password */
function readUrl(url: string): { readonly address: string; readonly max: number | undefined } {
  const read = URL.parse(url);
  if (read === null || !/^postgres(?:ql)?:$/.test(read.protocol) || ![read.username, read.password].every(decodes)) {
    throw new Fault("invalid", "databaseUrl is not a URL", {
      hint: "It looks like postgres://user:password@host:5432/database, with what is neither letter nor digit in user and password as %XX",
    });
  }
  const max = Number(read.searchParams.get("max") ?? Number.NaN);
  return { address: read.host, max: Number.isInteger(max) && max > 0 ? max : undefined };
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    // a % without two hexadecimal digits behind it
    return false;
  }
}

/** @throws {Fault} `invalid`: an option in the URL that makes no sense */
function poolsOf<Pools>(make: () => Pools): Pools {
  try {
    return make();
  } catch (error) {
    throw new Fault("invalid", "databaseUrl can't be used", {
      hint: "Check what stands behind its question mark: sslmode, sslrootcert, max, …",
      cause: error,
    });
  }
}

function kindOf(version: string): PostgresKind {
  if (/cockroach/i.test(version)) return "cockroachdb";
  return /-YB-|yugabyte/i.test(version) ? "yugabytedb" : "postgres";
}

function refuseOld(version: string, kind: PostgresKind, address: string): void {
  const major = Number(/PostgreSQL (\d+)/.exec(version)?.[1] ?? Number.NaN);
  // the others count their versions otherwise
  if (kind !== "postgres" || major >= oldestSupported) return;
  throw new Fault("failed", `the database at ${address} is too old: ${version.split(" (")[0] ?? version}`, {
    hint: `The hub needs PostgreSQL ${oldestSupported} or newer`,
  });
}

/**
 * Two connections, each with a statement of its own by the same name: a pooler that lets them share a session can't tell
 * them apart, and says so now rather than in the middle of work.
 */
async function tryTwo(db: Kysely<unknown>): Promise<void> {
  await db.connection().execute(async (first) => {
    await sql`SELECT CAST(${1} AS int) AS first`.execute(first);
    await sql`SELECT CAST(${2} AS int) AS second`.execute(db);
  });
  // which some poolers refuse
  await db.transaction().execute((within) => sql`SELECT 3`.execute(within));
}

/** Why the hub can't start with this database. */
function startFault(error: unknown, address: string): Fault {
  const state = sqlstateOf(error) ?? "";
  const code = errnoOf(error) ?? "";
  const refuse = (why: string, hint: string) =>
    new Fault("failed", `can't use the database at ${address}: ${why}`, { hint, cause: error });
  const refusal = poolerRefusal(error) ?? encryptionRefusal(error, address.replace(/:\d+$/, ""));
  if (refusal !== undefined) return refuse(refusal.why, refusal.hint);
  if (state.startsWith("28")) return refuse(reasonOf(error), "Check user and password in databaseUrl");
  if (state === "3D000") return refuse(reasonOf(error), "Create it, or name another one in databaseUrl");
  if (code === "ERR_POSTGRES_CONNECTION_REFUSED") {
    const why = "nothing answers there, or its name is unknown";
    return new Fault("unavailable", `can't reach the database at ${address}: ${why}`, {
      hint: "Check that it runs, and host and port in databaseUrl",
      cause: error,
    });
  }
  const { code: kind, message, hint } = faultOf(error);
  return new Fault(kind, `can't use the database at ${address}: ${message}`, {
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}
