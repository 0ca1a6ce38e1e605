/** The embedded state store: `state.db`. Servers with their tokens' digests and latest heartbeats, and events. */
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import type { EventsPage, StoredEvent } from "#src/protocol/api.ts";
import type { AgentEvent } from "#src/protocol/event.ts";
import { createCommits, storageFault } from "./commits.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import { type Opened, openDatabase } from "./database.ts";
import { batchKey, createSenders, rememberBatch, writeSender } from "./deliveries.ts";
import { createListeners } from "./listeners.ts";
import type { Appended, BeatRow, EventBatch, EventSearch, ServerRow, StateStore } from "./port.ts";
import { admit } from "./seen.ts";
import { type StateTables, stateMigrations } from "./state-tables.ts";

type EventRow = { position: number; server: string; hostname: string | null; body: string };

/** Opens `state.db` below `folder`. Rejects with a Fault `failed` when it can't be opened. */
export async function openStateStore(folder: string, clock: Clock): Promise<StateStore> {
  const opened = await openDatabase<StateTables>(join(folder, "state.db"), stateMigrations);
  const { database, queries } = opened;
  const statements = prepare(opened);
  const senders = createSenders((id) => statements.sender.get(id));
  const listeners = createListeners();
  let head = statements.head.get()?.seq ?? 0;
  let stagedHead = head;
  const commits = createCommits(
    database,
    {
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
    clock,
  );

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
      const { lastInsertRowid } = statements.addEvent.run(
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
    const row = writeSender(next);
    statements.putSender.run(batch.serverId, row.ranges, row.batches);
    return { accepted, duplicates: count - accepted };
  }

  const putBeats = database.transaction((rows: readonly BeatRow[]) => {
    for (const row of rows) statements.putBeat.run(row.version, row.lastSeenMs, row.heartbeat, row.id);
  });

  async function events(search: EventSearch): Promise<EventsPage> {
    let query = queries
      .selectFrom("events")
      .leftJoin("servers", "servers.id", "events.server")
      .select(["events.position", "events.server", "servers.hostname", "events.body", "events.at_ms"])
      .orderBy("events.at_ms", "desc")
      .orderBy("events.position", "desc")
      .limit(search.limit + 1);
    if (search.serverId !== null) query = query.where("events.server", "=", search.serverId);
    if (search.type !== null) query = query.where("events.type", "=", search.type);
    if (search.before !== null) {
      const before = readCursor(search.before);
      query = query.where((where) =>
        where(where.refTuple("events.at_ms", "events.position"), "<", where.tuple(before.ms, before.position)),
      );
    }
    const rows = await query.execute();
    const page = rows.slice(0, search.limit);
    const last = page.at(-1);
    return {
      events: page.map(storedEvent),
      cursor:
        rows.length > search.limit && last !== undefined
          ? writeCursor({ ms: last.at_ms, position: last.position })
          : null,
    };
  }

  return {
    async servers() {
      const rows = await queries.selectFrom("servers").selectAll().execute();
      return rows.map((row) => ({
        id: row.id,
        hostname: row.hostname,
        createdAtMs: row.created_at_ms,
        digest: row.digest,
        version: row.version,
        lastSeenMs: row.last_seen_ms,
        heartbeat: row.heartbeat,
      }));
    },
    putServer: (row: ServerRow) =>
      commits.write(0, () => {
        const { id, hostname, createdAtMs, digest, version, lastSeenMs, heartbeat } = row;
        statements.putServer.run(id, hostname, createdAtMs, digest, version, lastSeenMs, heartbeat);
      }),
    async putBeats(rows: readonly BeatRow[]) {
      // what is open first: the setting can't change within a transaction
      commits.flush();
      // the next beat carries everything again, so these need not wait for the disk, nor make others wait for it
      database.run("PRAGMA synchronous = NORMAL");
      try {
        putBeats(rows);
      } catch (error) {
        throw storageFault(error);
      } finally {
        database.run("PRAGMA synchronous = FULL");
      }
    },
    appendEvents: (batch) => commits.write(0, () => append(batch)),
    events,
    eventsAfter: (position, limit) => statements.after.all(position, limit).map(storedEvent),
    eventsHead: () => head,
    onEvent: listeners.add,
    prune: (beforeMs) => commits.write(0, () => statements.prune.run(beforeMs).changes),
    ready: () => statements.ping.get()?.one === 1,
    close() {
      commits.flush();
      database.close(true);
    },
  };
}

function storedEvent(row: EventRow): StoredEvent {
  const event = JSON.parse(row.body) as AgentEvent;
  return { id: String(row.position), serverId: row.server, hostname: row.hostname ?? row.server, event };
}

type Text = string | null;

function prepare({ database }: Opened<StateTables>) {
  return {
    head: database.prepare<{ seq: number }, []>("SELECT seq FROM sqlite_sequence WHERE name = 'events'"),
    ping: database.prepare<{ one: number }, []>("SELECT 1 AS one"),
    sender: database.prepare<{ ranges: string; batches: string }, [string]>(
      "SELECT ranges, batches FROM senders WHERE server = ?",
    ),
    putSender: database.prepare<unknown, [string, string, string]>(
      "INSERT INTO senders (server, ranges, batches) VALUES (?, ?, ?) ON CONFLICT (server) DO UPDATE SET ranges = excluded.ranges, batches = excluded.batches",
    ),
    putServer: database.prepare<unknown, [string, string, number, Uint8Array | null, Text, number | null, Text]>(
      "INSERT INTO servers (id, hostname, created_at_ms, digest, version, last_seen_ms, heartbeat) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET hostname = excluded.hostname, digest = excluded.digest, version = excluded.version, last_seen_ms = excluded.last_seen_ms, heartbeat = excluded.heartbeat",
    ),
    putBeat: database.prepare<unknown, [Text, number | null, Text, string]>(
      "UPDATE servers SET version = ?, last_seen_ms = ?, heartbeat = ? WHERE id = ?",
    ),
    addEvent: database.prepare<unknown, [string, number, string, string]>(
      "INSERT INTO events (server, at_ms, type, body) VALUES (?, ?, ?, ?)",
    ),
    after: database.prepare<EventRow, [number, number]>(
      "SELECT position, server, hostname, body FROM events LEFT JOIN servers ON servers.id = events.server WHERE position > ? ORDER BY position LIMIT ?",
    ),
    prune: database.prepare<unknown, [number]>("DELETE FROM events WHERE at_ms < ?"),
  };
}
