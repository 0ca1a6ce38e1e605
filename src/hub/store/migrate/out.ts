/**
 * A hub's data folder into Postgres and ClickHouse. What is large and only grows (log lines, metrics, events, the audit
 * trail) is copied beside the hub that works; the rest, which is small and changes all the time, once it stands still. Who
 * may take lines when, journal.ts draws.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { type Clock, timestamp } from "#src/lib/clock.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { SeriesRetention } from "#src/protocol/series.ts";
import type { Clickhouse } from "../clickhouse/client.ts";
import type { LedgerTables } from "../clickhouse/ledger-tables.ts";
import { lockFolder } from "../lock.ts";
import type { Postgres } from "../postgres/connection.ts";
import { migratePostgres } from "../postgres/migrations.ts";
import { openClickhouseLogTarget } from "./clickhouse-logs.ts";
import { openEmbeddedLogs } from "./embedded-logs.ts";
import { openEmbeddedSeries } from "./embedded-series.ts";
import { copyErrors } from "./errors.ts";
import { type Journal, openJournal } from "./journal.ts";
import { putLedger, readLedger, sumRemembered } from "./ledger.ts";
import { type LogCopy, compareLogs, copyLogs, countLogs, logsPart } from "./logs.ts";
import { lockMigration } from "./lock.ts";
import { leaveMark, readMark } from "./mark.ts";
import { copyPeople } from "./people.ts";
import { type MigrationProgress, type MigrationReport, type Teller, createTeller } from "./progress.ts";
import { copySeriesBlocks, finishSeries } from "./series.ts";
import { compareSeries } from "./series-sums.ts";
import { faultOfEither, refuseOtherVersion, refuseWithoutRoom } from "./source.ts";
import { openSqliteSide } from "./sqlite-side.ts";
import { copyNumbered, copyState, setPositions, sumState } from "./state.ts";
import { type Difference, type Sums, differencesOf } from "./sums.ts";
import { type Side, isTargetEmpty, refuseLiveHubs } from "./target.ts";

export type MoveOut = {
  readonly dataDir: string;
  /** tells the hub from others: what its secret's fingerprint is */
  readonly hub: string;
  readonly postgres: Postgres;
  /** null: logs and metrics stay where they are */
  readonly clickhouse: Clickhouse | null;
  readonly seriesRetention: SeriesRetention;
  /** Makes the tables of sign-in, and has the secret agreed on. */
  readonly prepare: () => Promise<void>;
  /** where the tables of sign-in are */
  readonly people: Side;
  readonly finish: boolean;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly tell: (progress: MigrationProgress) => void;
};

/** One run. Rejects with a Fault that says why it can't go on; what was copied stays, and the next run goes on from there. */
export async function moveOut(move: MoveOut): Promise<MigrationReport> {
  try {
    return await run(move);
  } catch (error) {
    throw error instanceof Fault || move.signal.aborted ? error : faultOfEither(error);
  }
}

async function run(move: MoveOut): Promise<MigrationReport> {
  const { dataDir, postgres, clickhouse, hub, clock, finish } = move;
  // the hub can't start while this has the folder; without --finish it may, and goes on working
  const unlock = finish ? lockFolder(dataDir) : () => undefined;
  const ends: (() => void | Promise<void>)[] = [unlock];
  try {
    ends.push(lockMigration(dataDir));
    refuseOtherVersion(dataDir);
    const queries = postgres.patient<Record<string, Record<string, unknown>>>();
    const to: Side = { queries, engine: "postgres" };
    await refuseLiveHubs(to);
    const wish = { hub, source: dataDir, nowMs: clock.now() };
    const journal = await openJournal(queries, wish, () => isTargetEmpty(to, move.people, clickhouse));
    refuseMovedElsewhere(move);
    if (journal.state === "done") {
      if (readMark(dataDir) !== null) return await report(move, journal, "done");
      throw new Fault(
        "conflict",
        `the target holds the hub as it was when it moved, and it works in ${dataDir} again`,
        {
          hint: "Name empty databases; nothing was changed",
        },
      );
    }
    await refuseWithoutRoom(dataDir, clickhouse);
    await migratePostgres(postgres);
    await move.prepare();
    const opened = await openSource(move, journal, ends);
    await copyGrowing(move, opened, to);
    if (!finish) return await compareGrown(move, opened, journal);
    return await finishMove(move, opened, journal, to);
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}

/** Compares the lines that were copied since the last time. */
export async function compareNew(copy: LogCopy, upTo: number, teller: Teller) {
  const { journal } = copy;
  let lines = 0;
  for (const { count } of (await journal.sums(logsPart, await journal.comparedUpTo(logsPart))).values()) lines += count;
  if (lines > 0) teller.begin("check", lines);
  return await compareLogs(copy, upTo, teller.add);
}

type Opened = Awaited<ReturnType<typeof openSource>>;

async function openSource(move: MoveOut, journal: Journal, ends: (() => void | Promise<void>)[]) {
  const { dataDir, clickhouse, clock, signal } = move;
  const damaged: string[] = [];
  const onDamage = (error: unknown) => void damaged.push(reasonOf(error));
  const teller = createTeller(move.tell);
  const state = openSqliteSide(join(dataDir, "state.db"), { readonly: true });
  ends.push(() => state.close());
  if (clickhouse === null) return { state, teller, damaged, logs: null, series: null };
  const logs = openEmbeddedLogs(dataDir, onDamage);
  ends.push(() => logs.close());
  const target = await openClickhouseLogTarget(clickhouse);
  const nowMs = clock.now();
  const logCopy: LogCopy = {
    source: logs,
    target,
    journal,
    signal,
    // what is too old for the hub goes when that starts there
    arrivals: { oldestMs: 0, nowMs },
    copied: teller.add,
  };
  const source = openEmbeddedSeries(dataDir, onDamage);
  if (source !== null) ends.push(() => source.close());
  const place = { cluster: clickhouse.cluster, database: clickhouse.database, retention: move.seriesRetention };
  const series =
    source === null ? null : { source, client: clickhouse, place, journal, signal, nowMs, copied: teller.add };
  return { state, teller, damaged, logs: { source: logs, target, copy: logCopy }, series };
}

/** What only grows: from where the last run was, to what there is now. */
async function copyGrowing(
  { signal, finish }: MoveOut,
  { state, teller, logs, series }: Opened,
  to: Side,
): Promise<void> {
  teller.begin("events", null);
  await copyNumbered({ from: state, to, copied: teller.add });
  signal.throwIfAborted();
  if (logs !== null) {
    const copied = await logs.copy.journal.copiedUpTo(logsPart);
    const before = await logs.copy.journal.lines(logsPart);
    teller.begin("logs", before + (await logs.source.linesAfter(copied)), before);
    await copyLogs(logs.copy, await logs.source.head());
    teller.complete();
  }
  signal.throwIfAborted();
  if (series !== null) {
    teller.begin("metrics", null);
    // what is copied is what is compared afterwards
    if (!finish) series.source.hold();
    await copySeriesBlocks(series);
  }
}

/** Compares what was copied while the hub works, so that little of it is left for when it stands still. */
async function compareGrown(move: MoveOut, opened: Opened, journal: Journal): Promise<MigrationReport> {
  const { logs, series, teller } = opened;
  const differences: Difference[] = [];
  let compared = 0;
  if (series !== null) {
    teller.begin("check", null);
    const both = await compareSeries(series, { everything: false });
    series.source.release();
    differences.push(...both.differences);
    compared += both.compared;
  }
  if (logs !== null) {
    const both = await compareNew(logs.copy, await journal.copiedUpTo(logsPart), teller);
    differences.push(...both.differences);
    compared += both.compared;
  }
  const state = differences.length > 0 ? "different" : "copying";
  return { ...(await report(move, journal, state, opened)), compared, differences };
}

/** The rest, of a hub that stands still; and a look at everything. */
async function finishMove(move: MoveOut, opened: Opened, journal: Journal, to: Side): Promise<MigrationReport> {
  const { dataDir, postgres, clock } = move;
  const { state, teller, logs, series } = opened;
  const differences: Difference[] = [];
  let compared = 0;
  const compare = (wanted: Sums, found: Sums): void => {
    for (const { count } of wanted.values()) compared += count;
    differences.push(...differencesOf(wanted, found, (key) => key));
  };

  teller.begin("state", null);
  const wanted = await copyState({ from: state, to, copied: teller.add });
  await setPositions(to, state.database);
  compare(wanted, await sumState(state, to));

  teller.begin("people", null);
  const people = openSqliteSide(join(dataDir, "auth.db"), { readonly: true });
  try {
    const both = await copyPeople(people, move.people, teller.add);
    compare(both.wanted, both.found);
  } finally {
    people.close();
  }

  teller.begin("errors", null);
  const scratch = join(dataDir, "migrate.partial");
  try {
    rmSync(scratch, { recursive: true, force: true });
    mkdirSync(scratch, { mode: 0o700 });
    const both = await copyErrors({ dataDir, postgres, clock, scratch });
    compare(both.wanted, both.found);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }

  if (logs !== null) {
    const ledger = postgres.patient<LedgerTables>();
    const remembered = { head: await logs.source.head(), senders: logs.source.senders() };
    await putLedger(ledger, remembered);
    compare(sumRemembered(remembered), sumRemembered(await readLedger(ledger)));
    const both = await compareNew(logs.copy, remembered.head, teller);
    // each by its checksum, in this run or in one before, and all of them counted now
    compared += await journal.lines(logsPart);
    differences.push(...both.differences);
    differences.push(...(await countLogs(logs.copy, (problem) => opened.damaged.push(problem))));
  }
  if (series !== null) {
    teller.begin("metrics", null);
    await finishSeries(series);
    teller.begin("check", null);
    const both = await compareSeries(series, { everything: true });
    compared += both.compared;
    differences.push(...both.differences);
  }

  const verdict = differences.length === 0 ? "done" : "different";
  if (verdict === "done") {
    // first nobody works here any more, then others there: killed in between, nobody does, and the next run ends it
    leaveMark(dataDir, { movedTo: addressOf(move), at: timestamp(clock.now()) });
    await journal.done(clock.now());
  }
  return { ...(await report(move, journal, verdict, opened)), compared, differences };
}

async function report(
  { clickhouse }: MoveOut,
  journal: Journal,
  state: MigrationReport["state"],
  opened?: Opened,
): Promise<MigrationReport> {
  const lines = clickhouse === null ? 0 : await journal.lines(logsPart);
  const copied = await journal.copiedUpTo(logsPart);
  const linesLeft = (await opened?.logs?.source.linesAfter(copied)) ?? 0;
  return { state, lines, linesLeft, compared: 0, differences: [], damaged: opened?.damaged ?? [] };
}

const addressOf = ({ postgres, clickhouse }: MoveOut): string =>
  clickhouse === null ? postgres.address : `${postgres.address} and ${clickhouse.address}`;

/** A mark of this very migration is there when it has come to its end, or nearly. */
function refuseMovedElsewhere(move: MoveOut): void {
  const mark = readMark(move.dataDir);
  if (mark === null || mark.movedTo === addressOf(move)) return;
  const isWithout = move.clickhouse !== null && mark.movedTo === move.postgres.address;
  throw new Fault("conflict", `the hub of ${move.dataDir} was moved to ${mark.movedTo} at ${mark.at}`, {
    hint: isWithout
      ? "Its logs and metrics are still in the folder: go back first, then move everything at once (see docs/migrate.md)"
      : "What lies there is older than what is there now: move that instead",
  });
}
