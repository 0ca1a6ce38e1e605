/** A source, a target and a journal for migrations, in folders of their own. */
import { join } from "node:path";

import type { BlockStore } from "#src/hub/store/log-port.ts";
import { openDatabase } from "#src/hub/store/database.ts";
import {
  type EmbeddedLogTarget,
  openEmbeddedLogTarget,
  openEmbeddedLogs,
} from "#src/hub/store/migrate/embedded-logs.ts";
import { type Journal, openJournal } from "#src/hub/store/migrate/journal.ts";
import { openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { openClickhouseLogTarget } from "#src/hub/store/migrate/clickhouse-logs.ts";
import { nameOfKey } from "#src/hub/store/migrate/log-sums.ts";
import { type LogTarget, copyLogs, logsPart } from "#src/hub/store/migrate/logs.ts";
import { type Difference, differencesOf } from "#src/hub/store/migrate/sums.ts";
import { systemClock } from "#src/lib/clock.ts";

/** A journal in an SQLite file of its own. */
export async function openTestJournal(
  folder: string,
  hub = "hub",
): Promise<{ readonly journal: Journal; readonly close: () => void }> {
  const { queries, database } = await openDatabase<Record<string, Record<string, unknown>>>(
    join(folder, "journal.db"),
    {},
  );
  const wish = { hub, source: "the old place", nowMs: 1 };
  const journal = await openJournal(queries, wish, async () => true);
  return { journal, close: () => database.close() };
}

/** One run of the command: everything opened, copied as far as it goes, and closed. */
export async function run(
  source: string,
  target: string,
  wrap: (to: LogTarget) => LogTarget = (to) => to,
): Promise<{ readonly lines: number }> {
  const from = openEmbeddedLogs(source, (error) => {
    throw error;
  });
  const to: EmbeddedLogTarget = await openEmbeddedLogTarget(target);
  const { journal, close } = await openTestJournal(target);
  let lines = 0;
  try {
    const copy = {
      source: from,
      target: wrap(to),
      journal,
      signal: new AbortController().signal,
      arrivals: { oldestMs: 0, nowMs: Date.now() },
      copied: (more: number) => void (lines += more),
    };
    const head = await from.head();
    await copyLogs(copy, head);
    to.finish(head, from.senders());
    return { lines };
  } finally {
    from.close();
    to.close();
    close();
  }
}

/** The same into ClickHouse. @returns what is not the same there */
export async function runToClickhouse(
  source: string,
  journalFolder: string,
  url: string,
  wrap: (to: LogTarget) => LogTarget = (to) => to,
): Promise<readonly Difference[]> {
  const from = openEmbeddedLogs(source, (error) => {
    throw error;
  });
  const log = { info: () => undefined };
  const client = await openClickhouse(url, { clock: systemClock, log, cluster: null });
  const to = await openClickhouseLogTarget(client);
  const { journal, close } = await openTestJournal(journalFolder);
  try {
    const nowMs = Date.now();
    const copy = {
      source: from,
      target: wrap(to),
      journal,
      signal: new AbortController().signal,
      arrivals: { oldestMs: 0, nowMs },
      copied: () => undefined,
    };
    const head = await from.head();
    await copyLogs(copy, head);
    return differencesOf(await journal.sums(logsPart), await to.sums(0, head, () => undefined), nameOfKey);
  } finally {
    from.close();
    close();
    await client.close();
  }
}

/** Everything of a store in the order of arrival. */
export async function everything(store: BlockStore): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const arrived of store.arrivalsAfter(0, store.head())) {
    for (let i = 0; i < arrived.columns.count; i++) lines.push(store.arrivedText(arrived, i));
  }
  return lines;
}
