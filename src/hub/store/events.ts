/** Events in `state.db`: stored once whatever is repeated, read by time or in order of arrival. */
import { sql } from "kysely";

import type { EventsPage, StoredEvent } from "#src/protocol/api.ts";
import type { HubEvent, ServerEvent } from "#src/protocol/event.ts";
import type { Staged } from "./commits.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import type { Opened } from "./database.ts";
import { type SenderRow, batchKey, createSenders, rememberBatch, writeSender } from "./deliveries.ts";
import { createListeners } from "./listeners.ts";
import type { Appended, EventBatch, EventSearch, StateStore } from "./port.ts";
import { admit } from "./seen.ts";
import type { StateTables } from "./state-tables.ts";

type EventRow = { position: number; server: string; hostname: string | null; body: string };

export type EventsTable = Pick<StateStore, "events" | "eventsAfter" | "eventsHead" | "onEvent" | "newestOf"> & {
  /** What of it is in memory, and follows the transaction. */
  readonly staged: Staged;
  /** Stores what is new of a delivery; within a transaction. */
  readonly append: (batch: EventBatch) => Appended;
  /** Deletes what is older than `since` says of its server; within a transaction. @returns how many */
  readonly prune: (since: (serverId: string) => number) => number;
};

export function createEventsTable({ database, queries }: Opened<StateTables>): EventsTable {
  const statements = {
    head: database.prepare<{ seq: number }, []>("SELECT seq FROM sqlite_sequence WHERE name = 'events'"),
    sender: database.prepare<SenderRow, [string]>("SELECT ranges, batches, NULL AS crc FROM senders WHERE server = ?"),
    putSender: database.prepare<unknown, [string, string, string]>(
      "INSERT INTO senders (server, ranges, batches) VALUES (?, ?, ?) ON CONFLICT (server) DO UPDATE SET ranges = excluded.ranges, batches = excluded.batches",
    ),
    add: database.prepare<unknown, [string, number, string, string]>(
      "INSERT INTO events (server, at_ms, type, body) VALUES (?, ?, ?, ?)",
    ),
    after: database.prepare<EventRow, [number, number]>(
      "SELECT position, server, hostname, body FROM events LEFT JOIN servers ON servers.id = events.server WHERE position > ? ORDER BY position LIMIT ?",
    ),
    newest: database.prepare<{ server: string; body: string; position: number }, [string]>(
      "SELECT server, body, max(position) AS position FROM events WHERE type IN (SELECT value FROM json_each(?)) GROUP BY server",
    ),
    servers: database.prepare<{ server: string }, []>("SELECT DISTINCT server FROM events"),
    prune: database.prepare<unknown, [string, number]>("DELETE FROM events WHERE server = ? AND at_ms < ?"),
  };
  const senders = createSenders((id) => statements.sender.get(id));
  const listeners = createListeners();
  let head = statements.head.get()?.seq ?? 0;
  let stagedHead = head;

  function append(batch: EventBatch): Appended {
    const count = batch.events.length;
    const sender = senders.get(batch.serverId);
    const key = batch.batchId === null ? null : batchKey(batch.batchId);
    if (key !== null && sender.batches.includes(key)) return { accepted: 0, duplicates: count };
    let { ranges } = sender;
    let accepted = 0;
    for (const { seq, ...event } of batch.events) {
      if (seq !== undefined) {
        const admission = admit(ranges, [seq]);
        if (admission.fresh !== "all") continue;
        ({ ranges } = admission);
      }
      const { lastInsertRowid } = statements.add.run(
        batch.serverId,
        Date.parse(event.at),
        event.type,
        JSON.stringify(event),
      );
      stagedHead = Number(lastInsertRowid);
      accepted++;
    }
    const next = { ranges, batches: key === null ? sender.batches : rememberBatch(sender.batches, key) };
    senders.set(batch.serverId, next);
    const row = writeSender(batch.serverId, next);
    statements.putSender.run(batch.serverId, row.ranges, row.batches);
    return { accepted, duplicates: count - accepted };
  }

  async function events(search: EventSearch): Promise<EventsPage> {
    let query = queries
      .selectFrom("events")
      .leftJoin("servers", "servers.id", "events.server")
      .select(["events.position", "events.server", "servers.hostname", "events.body", "events.at_ms"])
      .orderBy("events.at_ms", "desc")
      .orderBy("events.position", "desc")
      .limit(search.limit + 1);
    if (search.serverId !== null) query = query.where("events.server", "=", search.serverId);
    if (search.types !== null) query = query.where("events.type", "in", search.types);
    if (search.source !== null) query = query.where(isAbout(search.source));
    if (search.fromMs !== null) query = query.where("events.at_ms", ">=", search.fromMs);
    if (search.toMs !== null) query = query.where("events.at_ms", "<", search.toMs);
    if (search.scope !== null) {
      const ids = JSON.stringify([...search.scope]);
      // the plus keeps SQLite on the index by time, which has the server in it: no event is sorted or read in vain
      query = query.where(sql<boolean>`+events.server IN (SELECT value FROM json_each(${ids}))`);
    }
    if (search.before !== null) {
      const before = readCursor(search.before);
      query = query.where((where) =>
        where(where.refTuple("events.at_ms", "events.position"), "<", where.tuple(before.ms, before.position)),
      );
    }
    const rows = await query.execute();
    const page = rows.slice(0, search.limit);
    const last = page.at(-1);
    const more = rows.length > search.limit && last !== undefined;
    return {
      events: page.map(storedEvent),
      cursor: more ? writeCursor({ ms: last.at_ms, position: last.position }) : null,
    };
  }

  return {
    staged: {
      commit() {
        senders.commit();
        if (stagedHead === head) return;
        head = stagedHead;
        listeners.tell();
      },
      rollback() {
        senders.rollback();
        stagedHead = head;
      },
    },
    append,
    prune: (since) =>
      statements.servers
        .all()
        .reduce((sum, { server }) => sum + statements.prune.run(server, since(server)).changes, 0),
    events,
    eventsAfter: (position, limit) => statements.after.all(position, limit).map(storedEvent),
    eventsHead: () => head,
    newestOf: (types) =>
      // of a row with max() SQLite takes the other columns from where the maximum is (sqlite.org/lang_select.html, 2.5)
      statements.newest.all(JSON.stringify(types)).map(({ server, body }) => ({
        serverId: server,
        event: JSON.parse(body) as HubEvent,
      })),
    onEvent: listeners.add,
  };
}

/** Whether an event is about a script or container: it happened to it, or its lines were dropped. */
function isAbout(source: string) {
  return sql<boolean>`(${source} IN (json_extract(events.body, '$.script'), json_extract(events.body, '$.source')) OR EXISTS (SELECT 1 FROM json_each(events.body, '$.sources') AS dropped WHERE json_extract(dropped.value, '$.source') = ${source}))`;
}

function storedEvent(row: EventRow): StoredEvent {
  const event = JSON.parse(row.body) as ServerEvent;
  return { id: String(row.position), serverId: row.server, hostname: row.hostname ?? row.server, event };
}
