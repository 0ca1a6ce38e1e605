import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";

import type { Kysely } from "kysely";

import { openAuthDatabase } from "#src/hub/store/auth-database.ts";
import { openDatabase } from "#src/hub/store/database.ts";
import type { DeviceRow, EventSearch, SourceRow, TokenRow } from "#src/hub/store/port.ts";
import { openStateStore } from "#src/hub/store/state.ts";
import { stateMigrations } from "#src/hub/store/state-tables.ts";
import { systemClock, timestamp } from "#src/lib/clock.ts";
import type { AuditEntry } from "#src/protocol/audit.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { crash } from "#test/hub/kit/hub.ts";
import { openTestStore, project, server } from "./open.ts";

const digest = new Uint8Array(32).fill(7);

const anyEvent = { types: null, source: null, fromMs: null, toMs: null };

describe("the state store", () => {
  test("gives back what it was given, after a restart too", async () => {
    await using opened = await openTestStore();
    const { store } = opened;
    const source: SourceRow = { id: "s", projectId: "p1", name: "api", createdAtMs: 2, digest, lastUsedAtMs: null };
    const token: TokenRow = {
      id: "t",
      kind: "enrolment",
      organizationId: "o",
      projectId: "p1",
      name: "cloud-init",
      hint: "oet_abcdef",
      digest,
      scopes: [],
      createdAtMs: 3,
      createdBy: "a@b.c",
      expiresAtMs: 4,
      maxUses: 5,
      uses: 1,
      lastUsedAtMs: null,
    };
    const key: TokenRow = { ...token, id: "k", kind: "key", projectId: null, scopes: ["view:servers", "logs:write"] };
    const web = server("a", { machine: "f".repeat(32), replacedAtMs: 9, tokenUsedAtMs: 8, digest });
    await Promise.all([
      store.putProject(project("p1", { organizationId: "o", name: "Default" })),
      store.putServer(web),
      store.putSource(source),
      store.putToken(token),
      store.putToken(key),
    ]);
    await store.putBeats([{ id: "a", version: "1.2.3", lastSeenMs: 10, heartbeat: "{}", tokenUsedAtMs: 11 }]);
    await store.putUses([
      { id: "s", kind: "source", atMs: 20 },
      { id: "t", kind: "token", atMs: 21 },
    ]);
    await store.putToken({ ...token, uses: 2, lastUsedAtMs: 21 });
    const again = await opened.reopen();
    expect(await again.projects()).toEqual([project("p1", { organizationId: "o", name: "Default" })]);
    expect(await again.servers()).toEqual([
      { ...web, version: "1.2.3", lastSeenMs: 10, heartbeat: "{}", tokenUsedAtMs: 11 },
    ]);
    expect(await again.sources()).toEqual([{ ...source, lastUsedAtMs: 20 }]);
    expect(await again.tokens()).toEqual([{ ...token, uses: 2, lastUsedAtMs: 21 }, key]);
  });

  test("takes one host name once a project, and any number of times over several", async () => {
    await using opened = await openTestStore();
    const { store } = opened;
    await store.putProject(project("p1"));
    await store.putProject(project("p2"));
    await store.putServer(server("a", { hostname: "web-1" }));
    await store.putServer(server("b", { hostname: "web-1", projectId: "p2" }));
    expect(await failureOf(store.putServer(server("c", { hostname: "web-1" })))).toMatchObject({ code: "failed" });
    expect((await store.servers()).map((one) => one.id)).toEqual(["a", "b"]);
  });

  test("deletes a project with its sources and enrolment tokens, but none that servers are in", async () => {
    await using opened = await openTestStore();
    const { store } = opened;
    await store.putProject(project("p1"));
    await store.putServer(server("a"));
    await store.putSource({ id: "s", projectId: "p1", name: "api", createdAtMs: 2, digest, lastUsedAtMs: null });
    expect(await failureOf(store.deleteProject("p1"))).toMatchObject({ code: "conflict" });
    await store.deleteServer("a");
    await store.deleteProject("p1");
    expect([await store.projects(), await store.sources(), await store.servers()]).toEqual([[], [], []]);
  });

  test("forgets a server with its events, and takes nothing from others", async () => {
    await using opened = await openTestStore();
    const { store } = opened;
    await store.putProject(project("p1"));
    for (const id of ["a", "b"]) {
      await store.putServer(server(id));
      await store.appendEvents({ serverId: id, batchId: null, events: [started(1)] });
    }
    await store.deleteServer("a");
    const { events } = await store.events({ scope: null, serverId: null, ...anyEvent, limit: 10, before: null });
    expect(events.map((event) => event.serverId)).toEqual(["b"]);
  });

  test("shows the events of a scope only, page by page", async () => {
    await using opened = await openTestStore();
    const { store } = opened;
    const ids = ["a", "b", "c"];
    for (let n = 0; n < 30; n++) {
      await store.appendEvents({ serverId: ids[n % 3] ?? "", batchId: null, events: [started(n)] });
    }
    const seen: string[] = [];
    for (let before: string | null | undefined; before !== null;) {
      const page = await store.events({
        scope: new Set(["a", "c"]),
        serverId: null,
        ...anyEvent,
        limit: 7,
        before: before ?? null,
      });
      seen.push(...page.events.map((event) => `${event.serverId}${event.id}`));
      before = page.cursor;
    }
    const wanted = Array.from({ length: 30 }, (_, n) => `${ids[n % 3]}${n + 1}`).filter((one) => !one.startsWith("b"));
    expect(seen).toEqual(wanted.toReversed());
    const none = await store.events({ scope: new Set(), serverId: null, ...anyEvent, limit: 7, before: null });
    expect(none).toEqual({ events: [], cursor: null });
  });

  test("shows the events of types, of a source, and of a time", async () => {
    await using opened = await openTestStore();
    const { store } = opened;
    const at = (n: number) => new Date(n * 1000).toISOString();
    const dropped = { source: "api", count: 3, from: at(1), to: at(2) };
    await store.appendEvents({
      serverId: "a",
      batchId: null,
      events: [
        { type: "agent.started", at: at(1), version: "1.0.0", reason: "boot" },
        { type: "logs.dropped", at: at(2), total: 3, sources: [{ ...dropped, source: "worker" }, dropped] },
        crash({ at: at(3), script: "api" }),
        crash({ at: at(4), script: "worker" }),
      ],
    });
    const find = async (more: Partial<EventSearch>) => {
      const search = { scope: null, serverId: null, ...anyEvent, limit: 10, before: null, ...more };
      return (await store.events(search)).events.map(({ id }) => id);
    };
    expect(await find({})).toEqual(["4", "3", "2", "1"]);
    expect(await find({ source: "api" })).toEqual(["3", "2"]);
    expect(await find({ types: ["agent.started", "logs.dropped"] })).toEqual(["2", "1"]);
    expect(await find({ fromMs: 2000, toMs: 4000 })).toEqual(["3", "2"]);
    expect(await find({ types: ["script.crashed"], source: "worker", toMs: 4000 })).toEqual([]);
  });

  test("knows a device until its request expires, and forgets it then", async () => {
    await using folder = temporaryFolder();
    let now = 1000;
    const store = await openStateStore(folder.path, { ...systemClock, now: () => now });
    const device = (userCode: string, expiresAtMs: number): DeviceRow => ({
      userCode,
      hostname: "web-1",
      address: "192.0.2.1",
      purpose: "login",
      createdAtMs: now,
      expiresAtMs,
    });
    await store.putDevice(device("ABCD-EFGH", 2000));
    expect(await store.device("ABCD-EFGH")).toEqual(device("ABCD-EFGH", 2000));
    expect(await store.device("NONE-NONE")).toBeUndefined();
    now = 2000;
    expect(await store.device("ABCD-EFGH")).toBeUndefined();
    await store.putDevice(device("WXYZ-WXYZ", 3000));
    store.close();
    using database = new Database(folder.at("state.db"), { readonly: true });
    expect(database.query("SELECT user_code FROM devices").values()).toEqual([["WXYZ-WXYZ"]]);
  });

  test("a failed write leaves the store as it was", async () => {
    await using opened = await openTestStore();
    const { store } = opened;
    expect(await failureOf(store.putServer(server("a", { projectId: "none" })))).toMatchObject({ code: "failed" });
    expect(await store.servers()).toEqual([]);
  });
});

describe("the audit trail", () => {
  const entry = (n: number, rest: Partial<AuditEntry> = {}): Omit<AuditEntry, "id"> => ({
    at: timestamp(1_700_000_000_000 + n),
    action: "server.registered",
    actor: { kind: "person", id: "u1", name: "a@b.c" },
    target: { kind: "server", id: `s${n}`, name: `web-${n}` },
    address: "192.0.2.1",
    userAgent: null,
    requestId: null,
    ...rest,
  });
  const all = {
    organizationId: "o",
    unowned: false,
    action: null,
    target: null,
    actor: null,
    limit: 100,
    before: null,
  };

  test("shows an organisation its own entries, newest first, page by page", async () => {
    await using opened = await openTestStore();
    const { store } = opened;
    for (let n = 0; n < 10; n++) await store.addAudit(n % 2 === 0 ? "o" : "other", entry(n));
    const seen: (string | undefined)[] = [];
    let before: string | null = null;
    do {
      const page = await store.audit({ ...all, limit: 2, before });
      seen.push(...page.entries.map((one) => one.target?.name));
      before = page.cursor;
    } while (before !== null);
    expect(seen).toEqual(["web-8", "web-6", "web-4", "web-2", "web-0"]);
    const [first] = (await store.audit({ ...all, limit: 1 })).entries;
    expect(first).toEqual({ id: "9", ...entry(8) });
  });

  test("shows what is nobody's when asked to", async () => {
    await using opened = await openTestStore();
    const { store } = opened;
    await store.addAudit(null, entry(1, { action: "person.sign-in-failed", target: null }));
    await store.addAudit("o", entry(2));
    const actions = async (unowned: boolean) =>
      (await store.audit({ ...all, unowned })).entries.map((one) => one.action);
    expect(await actions(false)).toEqual(["server.registered"]);
    expect(await actions(true)).toEqual(["server.registered", "person.sign-in-failed"]);
  });

  test("is searched by action, by what it was done to, and by who did it", async () => {
    await using opened = await openTestStore();
    const { store } = opened;
    await store.addAudit("o", entry(1));
    await store.addAudit("o", entry(2, { action: "key.created", actor: { kind: "person", id: "u2", name: "b" } }));
    const names = async (rest: object) =>
      (await store.audit({ ...all, ...rest })).entries.map((one) => one.target?.name);
    expect(await names({ action: "key.created" })).toEqual(["web-2"]);
    expect(await names({ target: "s1" })).toEqual(["web-1"]);
    expect(await names({ actor: "u2" })).toEqual(["web-2"]);
    expect(await names({ actor: "u2", target: "s1" })).toEqual([]);
  });

  test("keeps all but strangers' failed sign-ins when old data goes", async () => {
    await using opened = await openTestStore();
    const { store } = opened;
    const failed = { action: "person.sign-in-failed" as const };
    await store.addAudit(null, entry(1, failed));
    await store.addAudit("o", entry(2, failed));
    await store.addAudit(null, entry(3, { action: "hub.backed-up" }));
    await store.addAudit(null, entry(5000, failed));
    await store.prune(() => -Infinity, 1_700_000_004_000);
    const { entries } = await store.audit({ ...all, unowned: true });
    expect(entries.map((one) => one.id)).toEqual(["4", "3", "2"]);
  });
});

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
