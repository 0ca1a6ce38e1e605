import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";

import type { Kysely } from "kysely";

import { openAuthDatabase } from "#src/hub/store/auth-database.ts";
import { openDatabase } from "#src/hub/store/database.ts";
import { openStateStore } from "#src/hub/store/state.ts";
import { stateMigrations } from "#src/hub/store/state-migrations.ts";
import { systemClock, timestamp } from "#src/lib/clock.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { server } from "./open.ts";

const digest = new Uint8Array(32).fill(7);

const anyEvent = { types: null, source: null, fromMs: null, toMs: null };

function started(n: number) {
  return { type: "agent.started" as const, at: timestamp(1_700_000_000_000 + n), version: "1.0.0", reason: "boot" };
}

describe("a state.db of the first version", () => {
  const first = Object.fromEntries(Object.entries(stateMigrations).slice(0, 1));

  test("is brought up to date: its servers are in a project that nobody owns yet", async () => {
    await using folder = temporaryFolder();
    const { database } = await openDatabase(folder.at("state.db"), first);
    const add = database.prepare(
      "INSERT INTO servers (id, hostname, created_at_ms, digest, version, last_seen_ms, heartbeat) VALUES (?, ?, ?, ?, ?, ?, ?)",
    );
    add.run("a", "web-1", 50, digest, "1.0.0", 60, "{}");
    add.run("b", "web-2", 40, null, null, null, null);
    database.run("INSERT INTO events (server, at_ms, type, body) VALUES ('a', 1, 'agent.started', ?)", [
      JSON.stringify(started(1)),
    ]);
    database.close(true);
    const store = await openStateStore(folder.path, systemClock);
    const [made] = await store.projects();
    const retention = { days: null, bytes: null };
    expect(made).toEqual({ id: made?.id ?? "", organizationId: null, name: "default", createdAtMs: 40, retention });
    const projectId = made?.id ?? "";
    expect(await store.servers()).toEqual([
      server("a", {
        projectId,
        hostname: "web-1",
        createdAtMs: 50,
        digest,
        version: "1.0.0",
        lastSeenMs: 60,
        heartbeat: "{}",
      }),
      server("b", { projectId, hostname: "web-2", createdAtMs: 40, digest: null }),
    ]);
    const { events } = await store.events({ scope: null, serverId: "a", ...anyEvent, limit: 1, before: null });
    expect(events[0]?.hostname).toBe("web-1");
    store.close();
    // and a second start finds nothing to do
    const again = await openStateStore(folder.path, systemClock);
    expect((await again.projects()).length).toBe(1);
    again.close();
  });

  test("without servers gets no project", async () => {
    await using folder = temporaryFolder();
    (await openDatabase(folder.at("state.db"), first)).database.close(true);
    const store = await openStateStore(folder.path, systemClock);
    expect(await store.projects()).toEqual([]);
    store.close();
  });

  test("stays as it is when a migration fails half-way", async () => {
    await using folder = temporaryFolder();
    (await openDatabase(folder.at("state.db"), first)).database.close(true);
    const failing = {
      ...first,
      "0002-fails": {
        async up(db: Kysely<unknown>) {
          await db.schema.createTable("half").addColumn("n", "integer").execute();
          throw new Error("no");
        },
      },
    };
    expect(await failureOf(openDatabase(folder.at("state.db"), failing))).toMatchObject({ code: "failed" });
    using database = new Database(folder.at("state.db"), { readonly: true });
    expect(database.query("SELECT name FROM sqlite_master WHERE name = 'half'").all()).toEqual([]);
  });
});

describe("the sign-in database", () => {
  test("keeps what is committed, and nothing of an asynchronous transaction that fails", async () => {
    await using folder = temporaryFolder();
    const auth = await openAuthDatabase(folder.path);
    expect(auth.type).toBe("sqlite");
    await auth.db.schema.createTable("people").addColumn("name", "text").execute();
    const people = auth.db as Kysely<{ people: { name: string } }>;
    await people.insertInto("people").values({ name: "ann" }).execute();
    const failing = people.transaction().execute(async (inner) => {
      await inner.insertInto("people").values({ name: "bob" }).execute();
      await Bun.sleep(1);
      throw new Error("no");
    });
    expect(await failureOf(failing)).toMatchObject({ message: "no" });
    auth.close();
    using database = new Database(folder.at("auth.db"));
    expect(database.query("SELECT name FROM people").values()).toEqual([["ann"]]);
    expect(database.query("PRAGMA journal_mode").values()).toEqual([["wal"]]);
  });
});
