/** Events: stored once whatever is repeated, read by time or in order of arrival. */
import { sql } from "kysely";

import type { EventsPage, StoredEvent } from "#src/protocol/api.ts";
import type { HubEvent, ServerEvent } from "#src/protocol/event.ts";
import type { Staged } from "./commits.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import {
  type Sender,
  type SenderRow,
  batchKey,
  createSenders,
  readSender,
  rememberBatch,
  writeSender,
} from "./deliveries.ts";
import { createListeners } from "./listeners.ts";
import { manyRows } from "./many-rows.ts";
import type { Appended, EventBatch, EventSearch, StateStore } from "./port.ts";
import { admit } from "./seen.ts";
import type { StateDatabase, Writing } from "./state-database.ts";
import type { StateTables } from "./state-tables.ts";
import { type Work, asGiven, rowsOf, statement } from "./statement.ts";

/** null: the database counts by itself. */
type NewEvent = Omit<StateTables["events"], "position"> & { readonly position: number | null };
type EventRow = { position: number; server: string; hostname: string | null; body: string };

/** Servers whose old events are deleted in one go, and of each so many events, so that others may write in between. */
const [serversAtOnce, eventsAtOnce] = [200, 5000];

export type EventsTable = Pick<
  StateStore,
  "appendEvents" | "events" | "eventsAfter" | "eventsHead" | "refreshEvents" | "onEvent" | "newestOf"
> & {
  /** What of it is in memory, and follows the transaction. */
  readonly staged: Staged;
  /** Deletes all of a server's, and what is known of its deliveries. */
  readonly forget: (serverId: string) => Work<void>;
  /** Deletes what is older than `since` says of its server. @returns how many */
  readonly prune: (since: (serverId: string) => number) => Promise<number>;
};

/** @param head the newest position that there was when it was opened */
export function createEventsTable(database: StateDatabase, openedAt: number): EventsTable {
  const { queries, read, search: find, write, look, isOneOf } = database;
  const { sender, putSender, add, addTogether, later, prune, drops } = statementsOf(queries);
  // whoever is alone with the database need not read what it has written itself
  const known = look === null ? null : createSenders((server) => look(sender.with({ server }))[0] ?? null);
  const listeners = createListeners();
  let head = openedAt;
  let stagedHead = head;

  function* senderOf(server: string): Work<Sender> {
    if (known !== null) return known.get(server);
    const [row] = yield* rowsOf(sender.with({ server }));
    return readSender(server, row ?? null);
  }

  function* append({ next }: Writing, { serverId, batchId, events }: EventBatch): Work<Appended> {
    const count = events.length;
    const before = yield* senderOf(serverId);
    const key = batchId === null ? null : batchKey(batchId);
    if (key !== null && before.batches.includes(key)) return { accepted: 0, duplicates: count };
    let { ranges } = before;
    const fresh: NewEvent[] = [];
    for (const { seq, ...event } of events) {
      if (seq !== undefined) {
        const admission = admit(ranges, [seq]);
        if (admission.fresh !== "all") continue;
        ({ ranges } = admission);
      }
      fresh.push({
        position: next("events"),
        server: serverId,
        at_ms: Date.parse(event.at),
        type: event.type,
        body: JSON.stringify(event),
      });
    }
    yield* store(fresh);
    const after = { ranges, batches: key === null ? before.batches : rememberBatch(before.batches, key) };
    known?.set(serverId, after);
    const row = writeSender(serverId, after);
    yield putSender.with({ server: serverId, ranges: row.ranges, batches: row.batches });
    return { accepted: fresh.length, duplicates: count - fresh.length };
  }

  function* store(fresh: readonly NewEvent[]): Work<void> {
    if (look === null) {
      for (const call of addTogether(fresh)) yield call;
      stagedHead = fresh.at(-1)?.position ?? stagedHead;
      return;
    }
    for (const one of fresh) stagedHead = (yield add.with(one)).lastRow ?? stagedHead;
  }

  function* forget(server: string): Work<void> {
    for (const drop of drops) yield drop.with({ server });
    known?.set(server, { ranges: [], batches: [] });
  }

  /** There are events up to this one. */
  function reach(position: number): void {
    if (position <= head) return;
    head = position;
    listeners.tell();
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
    if (search.scope !== null) query = query.where(isOneOf("events.server", [...search.scope]));
    if (search.before !== null) {
      const before = readCursor(search.before);
      query = query.where((where) =>
        where(where.refTuple("events.at_ms", "events.position"), "<", where.tuple(before.ms, before.position)),
      );
    }
    const rows = await find(query);
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
        known?.commit();
        reach(stagedHead);
      },
      rollback() {
        known?.rollback();
        stagedHead = head;
      },
    },
    appendEvents: (batch) => write((writing) => append(writing, batch), { counts: true }),
    forget,
    async prune(since) {
      const oldest = queries
        .selectFrom("events")
        .select(({ fn }) => ["server", fn.min("at_ms").as("at_ms")])
        .groupBy("server");
      let old = (await read(oldest)).flatMap(({ server, at_ms }) => {
        const beforeMs = since(server);
        return at_ms < beforeMs ? [{ server, beforeMs, most: eventsAtOnce }] : [];
      });
      let deleted = 0;
      while (old.length > 0) {
        const some = old.slice(0, serversAtOnce);
        const counts = await write(function* () {
          const each: number[] = [];
          for (const one of some) each.push((yield prune.with(one)).changes);
          return each;
        });
        for (const count of counts) deleted += count;
        // there is more of those of which so many were deleted
        const left = some.filter((_, at) => (counts[at] ?? 0) >= eventsAtOnce);
        old = [...left, ...old.slice(serversAtOnce)];
      }
      return deleted;
    },
    events,
    async eventsAfter(position, limit) {
      return (await read(later.with({ position, limit }))).map(storedEvent);
    },
    eventsHead: () => head,
    async refreshEvents() {
      reach(await database.head("events"));
      return head;
    },
    async newestOf(types) {
      if (types.length === 0) return [];
      const newest = queries
        .selectFrom("events")
        .select(({ fn }) => fn.max("position").as("position"))
        .where("type", "in", types)
        .groupBy("server");
      const rows = await read(queries.selectFrom("events").select(["server", "body"]).where("position", "in", newest));
      return rows.map(({ server, body }) => ({ serverId: server, event: JSON.parse(body) as HubEvent }));
    },
    onEvent: listeners.add,
  };
}

function statementsOf(queries: StateDatabase["queries"]) {
  return {
    sender: statement<{ readonly server: string }, SenderRow>((value) =>
      queries
        .selectFrom("senders")
        .select(["ranges", "batches"])
        // this table has none
        .select(sql<null>`NULL`.as("crc"))
        .where("server", "=", value("server")),
    ),
    putSender: statement<StateTables["senders"]>((value) =>
      queries
        .insertInto("senders")
        .values({ server: value("server"), ranges: value("ranges"), batches: value("batches") })
        .onConflict((on) => on.column("server").doUpdateSet(asGiven("ranges", "batches"))),
    ),
    add: statement<NewEvent>((value) =>
      queries.insertInto("events").values({
        // SQLite gives one itself when there is none
        position: value("position") as number,
        server: value("server"),
        at_ms: value("at_ms"),
        type: value("type"),
        body: value("body"),
      }),
    ),
    addTogether: manyRows<NewEvent>(["position", "server", "at_ms", "type", "body"], (rows) =>
      queries.insertInto("events").values(rows as readonly StateTables["events"][]),
    ),
    later: statement<{ readonly position: number; readonly limit: number }, EventRow>((value) =>
      queries
        .selectFrom("events")
        .leftJoin("servers", "servers.id", "events.server")
        .select(["events.position", "events.server", "servers.hostname", "events.body"])
        .where("events.position", ">", value("position"))
        .orderBy("events.position")
        .limit(value("limit")),
    ),
    drops: [
      statement<{ readonly server: string }>((value) =>
        queries.deleteFrom("events").where("server", "=", value("server")),
      ),
      statement<{ readonly server: string }>((value) =>
        queries.deleteFrom("senders").where("server", "=", value("server")),
      ),
    ],
    prune: statement<{ readonly server: string; readonly beforeMs: number; readonly most: number }>((value) =>
      queries
        .deleteFrom("events")
        .where("position", "in", (some) =>
          some
            .selectFrom("events")
            .select("position")
            .where("server", "=", value("server"))
            .where("at_ms", "<", value("beforeMs"))
            .orderBy("at_ms")
            .orderBy("position")
            .limit(value("most")),
        ),
    ),
  };
}

/**
 * Whether an event is about a script or container: it happened to it, or its lines were dropped. Bodies are what
 * JSON.stringify writes, where a quote within a text never stands alone: so this is a member and its whole value.
 */
function isAbout(source: string) {
  const [script, name] = ["script", "source"].map((key) => `"${key}":${JSON.stringify(source)}`);
  return sql<boolean>`(replace(events.body, ${script}, '') <> events.body OR replace(events.body, ${name}, '') <> events.body)`;
}

function storedEvent(row: EventRow): StoredEvent {
  const event = JSON.parse(row.body) as ServerEvent;
  return { id: String(row.position), serverId: row.server, hostname: row.hostname ?? row.server, event };
}
