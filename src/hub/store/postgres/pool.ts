/**
 * A bounded pool of connections with Kysely over it. Every wait has an end: for a connection, for a database that is
 * starting, and for an answer. A connection that gives none is closed.
 */
import { SQL } from "bun";
import { CompiledQuery, type DatabaseConnection, type Dialect, Kysely, PostgresAdapter } from "kysely";
import { PostgresJSDialect } from "kysely-postgres-js";

import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault } from "#src/protocol/fault.ts";
import { isAway } from "./faults.ts";

/** Connections that nothing has asked for this long are closed. */
const idleSeconds = 300;
/** Prepared statements are a connection's own: this bounds what they take in the server. */
const lifetimeSeconds = 1800;
const connectSeconds = 10;
/** Between two attempts to get a connection. */
const retryMs = 100;
/** PostgreSQL's types (pg_type) that come as text: int8 and numeric. Ours are below 2^53. */
const [int8, numeric] = [20, 1700];

export type PoolOptions = {
  readonly max: number;
  /** for a connection that is not in use by others */
  readonly waitMs: number;
  /** whether a database that is away is waited for as long, too */
  readonly patient: boolean;
  /** for an answer; null: any time */
  readonly answerMs: number | null;
  /** settings of the sessions, as PostgreSQL names them */
  readonly session: Readonly<Record<string, string>>;
  /** whether the database has advisory locks; without them, migrations must be under a lock of ours */
  readonly advisoryLocks: () => boolean;
};

export type Pool = {
  readonly sql: SQL;
  readonly db: Kysely<unknown>;
  /** Whoever waits for the database, now or from now on, is told this. */
  giveUp(why: Fault): void;
  close(): Promise<void>;
};

/** Opens no connection yet. */
export function createPool(url: string, options: PoolOptions, clock: Pick<Clock, "after" | "monotonic">): Pool {
  const { max, session } = options;
  const times = { idleTimeout: idleSeconds, maxLifetime: lifetimeSeconds, connectionTimeout: connectSeconds };
  const sql = new SQL(url, { max, ...times, connection: session });

  const sleep = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
  let givenUp: Fault | undefined;
  /** what ends the waits that there are */
  const waits = new Set<(why: Fault) => void>();

  /** A connection of one's own, by `end`. */
  async function reserveOnce(end: number, given: AbortSignal | undefined) {
    const waiting = new AbortController();
    const busy = new Fault("unavailable", `the database gave no connection within ${options.waitMs / 1000} s`, {
      hint: "Try again in a moment; if it stays, it is overloaded or does not answer",
    });
    const cancel = clock.after(Math.max(1, end - clock.monotonic()), () => waiting.abort(busy));
    const signal = given === undefined ? waiting.signal : AbortSignal.any([given, waiting.signal]);
    const leave = (why: Fault): void => waiting.abort(why);
    waits.add(leave);
    try {
      return await sql.reserve({ signal });
    } finally {
      cancel();
      waits.delete(leave);
    }
  }

  async function reserve({ signal }: { signal?: AbortSignal } = {}) {
    const end = clock.monotonic() + options.waitMs;
    for (;;) {
      if (givenUp !== undefined) throw givenUp;
      try {
        return shared(await reserveOnce(end, signal));
      } catch (error) {
        if (!options.patient || !isAway(error) || clock.monotonic() + retryMs >= end) throw error;
        await sleep(retryMs);
      }
    }
  }

  /** What Kysely's driver calls of a connection. */
  function shared(connection: Awaited<ReturnType<SQL["reserve"]>>) {
    const { answerMs } = options;
    return {
      release: () => connection.release(),
      async unsafe(text: string, values: unknown[]) {
        const query = connection.unsafe(text, values);
        let ended: Fault | undefined;
        const end = (why: Fault): void => {
          ended = why;
          // the query then fails, whatever it does
          keep(connection.close({ timeout: 0 }), () => undefined);
        };
        const late = () => new Fault("unavailable", `the database gave no answer within ${(answerMs ?? 0) / 1000} s`);
        const cancel = answerMs === null ? undefined : clock.after(answerMs, () => end(late()));
        waits.add(end);
        try {
          return withNumbers(await query);
        } catch (error) {
          throw ended ?? error;
        } finally {
          cancel?.();
          waits.delete(end);
        }
      },
    };
  }

  // what `PostgresJSDialect` looks at of a Bun.SQL
  const door = Object.assign(() => undefined, {
    reserve,
    options: { adapter: "postgres" },
    end: async () => undefined,
  });
  const dialect: Dialect = new PostgresJSDialect({ postgres: door as never });
  const createAdapter = () => {
    const adapter = new PostgresAdapter();
    if (options.advisoryLocks()) return adapter;
    return Object.assign(adapter, { acquireMigrationLock: async () => undefined });
  };
  const db = new Kysely<unknown>({
    dialect: {
      createAdapter,
      createDriver: () => Object.assign(dialect.createDriver(), { rollbackTransaction }),
      createIntrospector: (of) => dialect.createIntrospector(of),
      createQueryCompiler: () => dialect.createQueryCompiler(),
    },
  });

  return {
    sql,
    db,
    giveUp(why) {
      givenUp = why;
      for (const end of waits) end(why);
    },
    async close() {
      await db.destroy();
      await sql.close({ timeout: 5 });
    },
  };
}

/**
 * A connection that is lost has nothing to roll back, and why it was lost is what is to be told. Kysely's own way asks
 * something of the connection that those of Bun don't have.
 */
async function rollbackTransaction(connection: DatabaseConnection): Promise<void> {
  try {
    await connection.executeQuery(CompiledQuery.raw("rollback"));
  } catch {
    // the server rolls back what its connection leaves behind, and Bun closes one that is given back within a transaction
  }
}

type Rows = Record<string, unknown>[] & { readonly columns: readonly { name: string; type: number }[] | null };

/** `rows` with whole numbers as numbers, as SQLite gives them. */
function withNumbers(rows: Rows): Rows {
  if (rows.length === 0 || rows.columns === null) return rows;
  for (const { name, type } of rows.columns) {
    if (type !== int8 && type !== numeric) continue;
    for (const row of rows) {
      const value = row[name];
      if (typeof value === "string") row[name] = Number(value);
    }
  }
  return rows;
}
