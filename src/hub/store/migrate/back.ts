/**
 * Hubs on Postgres and ClickHouse into a data folder: the way back. Log lines are copied beside hubs that work; the rest
 * once they stand still.
 *
 * | state   | the folder says       | the database says | who takes lines |
 * | ------- | --------------------- | ----------------- | --------------- |
 * | copying | half: no hub starts   | nothing           | the hubs        |
 * | left    | half: no hub starts   | moved: none starts| nobody          |
 * | done    | nothing               | moved: none starts| the new hub     |
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

import { Database } from "bun:sqlite";

import { type Clock, timestamp } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import { openAuthDatabase } from "../auth-database.ts";
import { readArrivals } from "../clickhouse/arrivals-reading.ts";
import type { Clickhouse } from "../clickhouse/client.ts";
import type { LedgerTables } from "../clickhouse/ledger-tables.ts";
import { isEntry, logsTable } from "../clickhouse/logs-tables.ts";
import { createSoleHub } from "../cluster/sole.ts";
import { openDatabase } from "../database.ts";
import { openSharedErrorStore } from "../errors/shared.ts";
import { lockFolder } from "../lock.ts";
import type { Postgres } from "../postgres/connection.ts";
import { openStateStore } from "../state.ts";
import { countLines } from "./clickhouse-logs.ts";
import { openEmbeddedLogTarget, openEmbeddedLogs } from "./embedded-logs.ts";
import { bringSeriesBack } from "./embedded-series-target.ts";
import { type Journal, leaveDatabase, openJournal, refuseHalf } from "./journal.ts";
import { readLedger, sumRemembered } from "./ledger.ts";
import { type LogCopy, type LogSource, copyLogs, countLogs, logsPart } from "./logs.ts";
import { leaveMark, readMark, refuseMoved, removeMark } from "./mark.ts";
import { copyPeople } from "./people.ts";
import { type MigrationProgress, type MigrationReport, type Teller, createTeller } from "./progress.ts";
import { faultOfEither, isFolderEmpty, refuseWithoutRoomIn } from "./source.ts";
import { compareNew } from "./out.ts";
import { openSqliteSide } from "./sqlite-side.ts";
import { copyState, keepPositions, sumState } from "./state.ts";
import { type Difference, type Sums, differencesOf } from "./sums.ts";
import { type Side, activityOf, refuseLiveHubs } from "./target.ts";
import type { AnyQueries } from "./tables.ts";

const journalName = "migrate.db";

export type MoveBack = {
  readonly folder: string;
  readonly hub: string;
  readonly postgres: Postgres;
  /** null: logs and metrics are not there, but in a folder already */
  readonly clickhouse: Clickhouse | null;
  /** Puts the secret into the folder, and makes the tables of sign-in there. */
  readonly prepare: () => Promise<void>;
  readonly people: Side;
  readonly finish: boolean;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly tell: (progress: MigrationProgress) => void;
};

/** One run. Rejects with a Fault that says why it can't go on; what was copied stays, and the next run goes on from there. */
export async function moveBack(move: MoveBack): Promise<MigrationReport> {
  try {
    return await run(move);
  } catch (error) {
    throw error instanceof Fault || move.signal.aborted ? error : faultOfEither(error);
  }
}

async function run(move: MoveBack): Promise<MigrationReport> {
  const { folder, hub, postgres, clickhouse, clock, finish } = move;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ends: (() => void | Promise<void>)[] = [lockFolder(folder)];
  try {
    const empty = isFolderEmpty(folder);
    if (!empty && !existsSync(join(folder, journalName))) {
      throw new Fault("conflict", `there is a hub's data in ${folder} already`, { hint: "Name another folder" });
    }
    const { queries: journalQueries, database } = await openDatabase<Record<string, Record<string, unknown>>>(
      join(folder, journalName),
      {},
    );
    ends.push(() => database.close());
    const source = addressOf(postgres, clickhouse);
    const journal = await openJournal(journalQueries, { hub, source, nowMs: clock.now() }, async () => empty);
    if (journal.state === "done") {
      refuseOther(folder, source);
      return await report(journal, "done", 0);
    }
    if (clickhouse !== null) await refuseWithoutRoomIn(folder, clickhouse);
    leaveMark(folder, { movedTo: source, at: timestamp(clock.now()), half: true });
    await move.prepare();
    const queries = postgres.patient<Record<string, Record<string, unknown>>>();
    const from: Side = { queries, engine: "postgres" };
    if (!(await isLeft(queries))) await refuseHalf(queries);
    if (finish) await refuseLiveHubs(from);
    const activity = await activityOf(from);
    const teller = createTeller(move.tell);
    const none = { compared: 0, differences: [], linesLeft: 0 };
    const lines = clickhouse === null ? none : await copyLines(move, clickhouse, journal, teller);
    const { linesLeft } = lines;
    const metrics = clickhouse === null ? none : await copyMetrics(move, clickhouse, journal, teller);
    const copied = {
      compared: lines.compared + metrics.compared,
      differences: [...lines.differences, ...metrics.differences],
    };
    if (copied.differences.length > 0) return { ...(await report(journal, "different", linesLeft)), ...copied };
    if (!finish) return { ...(await report(journal, "copying", linesLeft)), ...copied };
    const rest = await finishBack(move, from, teller);
    const checked = { compared: copied.compared + rest.compared, differences: rest.differences };
    if (checked.differences.length > 0) return { ...(await report(journal, "different", 0)), ...checked };
    await refuseLiveHubs(from);
    if ((await activityOf(from)) !== activity) {
      throw new Fault("conflict", "a hub has worked on the database meanwhile", {
        hint: "Stop it, and run this again",
      });
    }
    // first none starts there any more, then one here: killed in between, nobody does, and the next run ends it
    await leaveDatabase(queries, { hub, source: folder, nowMs: clock.now() });
    await journal.done(clock.now());
    removeMark(folder);
    return { ...(await report(journal, "done", 0)), ...checked };
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}

/**
 * The folder has had a hub since: this one, when the last run was killed just before its end or is said again.
 * @throws {Fault} `conflict`: another one, or it has moved on
 */
function refuseOther(folder: string, source: string): void {
  const mark = readMark(folder);
  if (mark?.half === true && mark.movedTo === source) removeMark(folder);
  else if (mark !== null) refuseMoved(folder);
}

/** A run before was killed after the hubs had left, and before one could start here. */
async function isLeft(queries: AnyQueries): Promise<boolean> {
  try {
    await refuseHalf(queries);
    return false;
  } catch (error) {
    if (error instanceof Fault && error.message.includes("were moved to")) return true;
    throw error;
  }
}

/** Log lines, and what is remembered of their senders. */
async function copyLines(move: MoveBack, client: Clickhouse, journal: Journal, teller: Teller) {
  const { folder, postgres, clock, signal } = move;
  const ledger = postgres.patient<LedgerTables>();
  const source: LogSource = {
    async head() {
      const { head } = await readLedger(ledger);
      const pending = await ledger
        .selectFrom("log_inserts")
        .select((get) => get.fn.min("first_position").as("first"))
        .executeTakeFirst();
      return pending?.first == null ? head : Math.min(head, pending.first - 1);
    },
    async linesAfter(position) {
      const [row] = await client.rows<{ lines: number }>(
        `SELECT count() AS lines FROM ${logsTable} WHERE position > ${position} AND ${isEntry}`,
      );
      return row?.lines ?? 0;
    },
    arrivalsAfter: (position, upTo) => readArrivals(client, position, upTo, signal),
    counts: () => countLines(client),
    // what ClickHouse can't read it does not leave out: it fails
    unreadable: async () => new Map(),
  };
  const target = await openEmbeddedLogTarget(folder);
  try {
    const copy: LogCopy = {
      source,
      target,
      journal,
      signal,
      arrivals: { oldestMs: 0, nowMs: clock.now() },
      copied: teller.add,
    };
    const before = await journal.lines(logsPart);
    teller.begin("logs", before + (await source.linesAfter(await journal.copiedUpTo(logsPart))), before);
    const head = await source.head();
    await copyLogs(copy, head);
    teller.complete();
    const { head: given, senders } = await readLedger(ledger);
    if (move.finish && given !== head) {
      throw new Fault("conflict", "a hub was ended while lines were on their way, and nobody has settled them yet", {
        hint: "Start a hub for half a minute and stop it, then run this again",
      });
    }
    target.finish(given, senders);
    const checked = await compareNew(copy, head, teller);
    if (!move.finish) return { ...checked, linesLeft: await source.linesAfter(head) };
    // what is left of a million lines
    await target.compact();
    const counted = await countLogs(copy, () => undefined);
    const stored = openEmbeddedLogs(folder, (error) => {
      throw error;
    });
    const remembered = differencesOf(
      sumRemembered({ head: given, senders }),
      sumRemembered({ head: await stored.head(), senders: stored.senders() }),
      (key) => key,
    );
    stored.close();
    return {
      compared: (await journal.lines(logsPart)) + senders.length,
      differences: [...checked.differences, ...counted, ...remembered],
      linesLeft: 0,
    };
  } finally {
    target.close();
  }
}

async function copyMetrics({ folder, signal, finish }: MoveBack, client: Clickhouse, journal: Journal, teller: Teller) {
  teller.begin("metrics", null);
  return await bringSeriesBack({ client, folder, journal, signal, copied: teller.add }, { last: finish });
}

async function finishBack(move: MoveBack, from: Side, teller: Teller) {
  const { folder, clock, postgres } = move;
  const differences: Difference[] = [];
  let compared = 0;
  const compare = (wanted: Sums, found: Sums): void => {
    for (const { count } of wanted.values()) compared += count;
    differences.push(...differencesOf(wanted, found, (key) => key));
  };

  teller.begin("state", null);
  // makes the tables
  (await openStateStore(folder, clock)).close();
  const state = openSqliteSide(join(folder, "state.db"));
  try {
    const wanted = await copyState({ from, to: state, copied: teller.add });
    await keepPositions(from, state.database);
    compare(wanted, await sumState(from, state));
  } finally {
    state.close();
  }

  teller.begin("people", null);
  const auth = await openAuthDatabase(folder);
  auth.close();
  const people = openSqliteSide(join(folder, "auth.db"));
  try {
    const both = await copyPeople(move.people, people, teller.add);
    compare(both.wanted, both.found);
  } finally {
    people.close();
  }

  teller.begin("errors", null);
  await bringErrorsBack(folder, postgres, clock);
  return { compared, differences };
}

/** What hubs have in common of error groups, as the file that one hub alone has. */
async function bringErrorsBack(folder: string, postgres: Postgres, clock: Clock): Promise<void> {
  const scratch = join(folder, "migrate.partial");
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { mode: 0o700 });
  const cluster = createSoleHub();
  try {
    const warn = (message: string): void => {
      throw new Fault("failed", message);
    };
    const store = await openSharedErrorStore({ dataDir: scratch, postgres, cluster, clock, warn });
    await store.close();
    const copy = join(scratch, "errors-copy.db");
    const database = new Database(copy, { strict: true });
    database.run("DROP TABLE IF EXISTS copy_mark");
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    database.close(true);
    renameSync(copy, join(folder, "errors.db"));
  } finally {
    await cluster.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function report(journal: Journal, state: MigrationReport["state"], linesLeft: number): Promise<MigrationReport> {
  const lines = await journal.lines(logsPart);
  return { state, lines, linesLeft, compared: 0, differences: [], damaged: [] };
}

const addressOf = (postgres: Postgres, clickhouse: Clickhouse | null): string =>
  clickhouse === null ? postgres.address : `${postgres.address} and ${clickhouse.address}`;
