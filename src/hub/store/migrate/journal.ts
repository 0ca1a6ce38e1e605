/**
 * What a migration has done so far, in the target's database, so that it goes on after any interruption; and for hubs, whether
 * what lies there is a whole hub. Its tables stay: they are the record of where everything came from.
 *
 * | state   | who takes lines | the old hub         | a hub on the target | what `migrate` does next                      |
 * | ------- | --------------- | ------------------- | ------------------- | --------------------------------------------- |
 * | none    | the old hub     | works               | (none yet)          | makes the tables, writes `copying`, copies    |
 * | copying | the old hub     | works, or is stopped| refuses to start    | copies what is new; with the hub stopped and  |
 * |         |                 |                     |                     | `--finish`: the rest, and checks everything   |
 * | checked | nobody          | refuses to start    | refuses to start    | writes `done`                                 |
 * | done    | the new hubs    | refuses to start    | works               | says that it is done                          |
 *
 * `checked` is the mark in the old place (mark.ts), written before `done` is: killed in between, no hub starts, and whoever
 * runs it again finishes it.
 */
import { type Kysely, sql } from "kysely";

import { Fault } from "#src/protocol/fault.ts";
import type { AnyQueries } from "./tables.ts";
import { type Sums, addSums, readSums, writeSums } from "./sums.ts";

type JournalTables = {
  migration: {
    id: number;
    /** whose data it is: the fingerprint of the hub's secret */
    hub: string;
    source: string;
    state: "copying" | "done" | "moved";
    begun_at_ms: number;
    done_at_ms: number | null;
  };
  migration_ranges: {
    part: string;
    last: number;
    first: number;
    insert_id: string;
    arrived_ms: number;
    lines: number;
    sums: string;
    done: number;
  };
};

/** A stretch of numbered things that is copied as one; it is there whole or not at all. */
export type Range = {
  readonly first: number;
  readonly last: number;
  readonly insertId: string;
  /** the time of arrival that all of it has in the target */
  readonly arrivedMs: number;
  readonly lines: number;
  readonly sums: Sums;
};

export type Journal = {
  readonly state: "copying" | "done";
  /** Where the next range of a part begins: after everything that was copied. */
  copiedUpTo(part: string): Promise<number>;
  /** The finished range that ends last. */
  newest(part: string): Promise<Range | null>;
  /** The range that was on its way when the last run ended. */
  open(part: string): Promise<Range | null>;
  /** Notes a range before it is sent. */
  begin(part: string, range: Range): Promise<void>;
  finish(part: string, range: Range): Promise<void>;
  /** What finished ranges of a part hold; `after`: those that begin behind this. */
  sums(part: string, after?: number): Promise<Sums>;
  /** Up to where what is there was compared. */
  comparedUpTo(part: string): Promise<number>;
  /** Notes that everything up to the end of a finished range was compared, and is the same. */
  compared(part: string, upTo: number): Promise<void>;
  lines(part: string): Promise<number>;
  done(atMs: number): Promise<void>;
};

const comparedPart = (part: string): string => `${part} compared`;
/** Ranges that are read at once. */
const rangesAtOnce = 50;

/** The state of what lies in a database; null: no migration has ever filled it. */
export async function migrationIn(queries: AnyQueries): Promise<JournalTables["migration"] | null> {
  const db = queries as unknown as Kysely<JournalTables>;
  const tables = await db.introspection.getTables();
  if (!tables.some(({ name }) => name === "migration")) return null;
  return (await db.selectFrom("migration").selectAll().executeTakeFirst()) ?? null;
}

/**
 * For a hub that is about to work on a database.
 * @throws {Fault} `conflict`: it holds the half of another hub
 */
export async function refuseHalf(queries: AnyQueries): Promise<void> {
  const found = await migrationIn(queries);
  if (found === null || found.state === "done") return;
  if (found.state === "moved") {
    throw new Fault("conflict", `the hubs of the database were moved to ${found.source}`, {
      hint: "Start the hub there; what is here is as it was then",
    });
  }
  throw new Fault("conflict", `the database holds a part of the hub that is being moved to it from ${found.source}`, {
    hint: "Finish that with `orion hub migrate --finish`; the old hub works until then",
  });
}

export type JournalWish = { readonly hub: string; readonly source: string; readonly nowMs: number };

/**
 * Opens the journal of the migration into `queries`, or begins one where nothing is.
 * @param isEmpty whether the target holds nothing yet
 * @throws {Fault} `conflict`: there is something else
 */
export async function openJournal(
  queries: AnyQueries,
  { hub, source, nowMs }: JournalWish,
  isEmpty: () => Promise<boolean>,
): Promise<Journal> {
  const db = queries as unknown as Kysely<JournalTables>;
  let found = await migrationIn(queries);
  if (found === null && !(await isEmpty())) {
    throw new Fault("conflict", "the target holds a hub's data already, and not of this migration", {
      hint: "Name an empty database; nothing was changed",
    });
  }
  if (found?.state === "moved") {
    throw new Fault("conflict", `the target holds what was moved from there to ${found.source}`, {
      hint: "Name an empty database; nothing was changed",
    });
  }
  if (found !== null && found.hub !== hub) {
    throw new Fault("conflict", `the target holds the data of another hub, which came from ${found.source}`, {
      hint: "Name an empty database; nothing was changed",
    });
  }
  if (found === null) {
    await makeTables(db);
    found = { id: 1, hub, source, state: "copying", begun_at_ms: nowMs, done_at_ms: null };
    await db.insertInto("migration").values(found).execute();
  }
  const state = found.state === "done" ? "done" : "copying";

  /** Finished ranges from one end to another, some at a time: of a large fleet each has thousands of sums. */
  async function* finished(
    part: string,
    after: number,
    upTo: number,
  ): AsyncGenerator<JournalTables["migration_ranges"]> {
    for (let last = after; ;) {
      const rows = await db
        .selectFrom("migration_ranges")
        .selectAll()
        .where("part", "=", part)
        .where("done", "=", 1)
        .where("last", ">", last)
        .where("last", "<=", upTo)
        .orderBy("last")
        .limit(rangesAtOnce)
        .execute();
      yield* rows;
      if (rows.length < rangesAtOnce) return;
      last = rows.at(-1)?.last ?? upTo;
    }
  }

  async function newestOf(part: string): Promise<number> {
    const newest = await db
      .selectFrom("migration_ranges")
      .select((get) => get.fn.max("last").as("last"))
      .where("part", "=", part)
      .where("done", "=", 1)
      .executeTakeFirst();
    return newest?.last ?? 0;
  }

  return {
    state,
    copiedUpTo: newestOf,
    async newest(part) {
      const row = await db
        .selectFrom("migration_ranges")
        .selectAll()
        .where("part", "=", part)
        .where("done", "=", 1)
        .orderBy("last", "desc")
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? null : rangeOf(row);
    },
    async open(part) {
      const row = await db
        .selectFrom("migration_ranges")
        .selectAll()
        .where("part", "=", part)
        .where("done", "=", 0)
        .executeTakeFirst();
      return row === undefined ? null : rangeOf(row);
    },
    async begin(part, range) {
      await db.deleteFrom("migration_ranges").where("part", "=", part).where("done", "=", 0).execute();
      await db
        .insertInto("migration_ranges")
        .values(rowOf(part, range, 0))
        .execute();
    },
    async finish(part, range) {
      await db
        .updateTable("migration_ranges")
        .set({ done: 1 })
        .where("part", "=", part)
        .where("insert_id", "=", range.insertId)
        .execute();
    },
    async sums(part, after = 0) {
      const all: Sums = new Map();
      for await (const row of finished(part, after, Number.MAX_SAFE_INTEGER)) addSums(all, readSums(row.sums));
      return all;
    },
    comparedUpTo: (part) => newestOf(comparedPart(part)),
    async compared(part, upTo) {
      const sums: Sums = new Map();
      let lines = 0;
      for await (const row of finished(part, 0, upTo)) {
        addSums(sums, readSums(row.sums));
        lines += row.lines;
      }
      const one = { first: 1, last: upTo, insertId: crypto.randomUUID(), arrivedMs: 0, lines, sums };
      // ranges that nobody asks for any more become one, so that their list does not grow with the log
      await db.transaction().execute(async (trx) => {
        await trx
          .deleteFrom("migration_ranges")
          .where("part", "in", [part, comparedPart(part)])
          .where("done", "=", 1)
          .where("last", "<=", upTo)
          .execute();
        const mark = { ...one, insertId: crypto.randomUUID(), lines: 0, sums: new Map() };
        await trx
          .insertInto("migration_ranges")
          .values([rowOf(part, one, 1), rowOf(comparedPart(part), mark, 1)])
          .execute();
      });
    },
    async lines(part) {
      const { rows } = await sql<{ lines: number | string | null }>`
        SELECT sum(lines) AS lines FROM migration_ranges WHERE part = ${part} AND done = 1
      `.execute(db);
      return Number(rows[0]?.lines ?? 0);
    },
    async done(atMs) {
      await db.updateTable("migration").set({ state: "done", done_at_ms: atMs }).execute();
    },
  };
}

/** Says that the hubs of a database have moved away from it: none starts on it any more. */
export async function leaveDatabase(queries: AnyQueries, wish: JournalWish): Promise<void> {
  const db = queries as unknown as Kysely<JournalTables>;
  if ((await migrationIn(queries)) === null) await makeTables(db);
  const { hub, source, nowMs } = wish;
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom("migration").execute();
    const row = { id: 1, hub, source, state: "moved" as const, begun_at_ms: nowMs, done_at_ms: nowMs };
    await trx.insertInto("migration").values(row).execute();
  });
}

async function makeTables(db: Kysely<JournalTables>): Promise<void> {
  await db.schema
    .createTable("migration_ranges")
    .ifNotExists()
    .addColumn("part", "text", (column) => column.notNull())
    .addColumn("last", "bigint", (column) => column.notNull())
    .addColumn("first", "bigint", (column) => column.notNull())
    .addColumn("insert_id", "text", (column) => column.notNull())
    .addColumn("arrived_ms", "bigint", (column) => column.notNull())
    .addColumn("lines", "bigint", (column) => column.notNull())
    .addColumn("sums", "text", (column) => column.notNull())
    .addColumn("done", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("migration_ranges_key", ["part", "last", "insert_id"])
    .execute();
  // last: whoever finds it finds the others
  await db.schema
    .createTable("migration")
    .ifNotExists()
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("hub", "text", (column) => column.notNull())
    .addColumn("source", "text", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("begun_at_ms", "bigint", (column) => column.notNull())
    .addColumn("done_at_ms", "bigint")
    .execute();
}

function rowOf(part: string, range: Range, done: 0 | 1): JournalTables["migration_ranges"] {
  const { first, last, insertId, arrivedMs, lines, sums } = range;
  return { part, first, last, insert_id: insertId, arrived_ms: arrivedMs, lines, sums: writeSums(sums), done };
}

function rangeOf(row: JournalTables["migration_ranges"]): Range {
  return {
    first: row.first,
    last: row.last,
    insertId: row.insert_id,
    arrivedMs: row.arrived_ms,
    lines: row.lines,
    sums: readSums(row.sums),
  };
}
