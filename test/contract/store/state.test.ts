/** What a hub's state does, whichever database it is in. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import type { DeviceRow, EventSearch, SourceRow, TokenRow } from "#src/hub/store/port.ts";
import { systemClock, timestamp } from "#src/lib/clock.ts";
import type { AuditEntry } from "#src/protocol/audit.ts";

import { project, server } from "#test/hub/store/open.ts";
import { failureOf } from "#test/kit/failure.ts";
import { crash } from "./crash.ts";
import { stateEngines, titleOf } from "./engines.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

const digest = new Uint8Array(32).fill(7);

const anyEvent = { types: null, source: null, fromMs: null, toMs: null };
const allAudit = {
  organizationId: "o",
  unowned: false,
  action: null,
  target: null,
  actor: null,
  limit: 100,
  before: null,
};
const anyToken: TokenRow = {
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
  uses: 0,
  lastUsedAtMs: null,
};
const byId = <T extends { readonly id: string }>(rows: readonly T[]) => rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));

function started(n: number) {
  return { type: "agent.started" as const, at: timestamp(1_700_000_000_000 + n), version: "1.0.0", reason: "boot" };
}

for (const engine of stateEngines) {
  describe.skipIf(engine.lacks !== null)(`the state in ${titleOf(engine)}`, () => {
    test("gives back what it was given, after a restart too", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
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
      expect(byId(await again.tokens())).toEqual([key, { ...token, uses: 2, lastUsedAtMs: 21 }]);
    });

    test("takes one host name once a project, and any number of times over several", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      await store.putProject(project("p1"));
      await store.putProject(project("p2"));
      await store.putServer(server("a", { hostname: "web-1" }));
      await store.putServer(server("b", { hostname: "web-1", projectId: "p2" }));
      expect(await failureOf(store.putServer(server("c", { hostname: "web-1" })))).toMatchObject({ code: "conflict" });
      expect((await store.servers()).map((one) => one.id).sort()).toEqual(["a", "b"]);
    });

    test("deletes a project with its sources and enrolment tokens, but none that servers are in", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      await store.putProject(project("p1"));
      await store.putServer(server("a"));
      await store.putSource({ id: "s", projectId: "p1", name: "api", createdAtMs: 2, digest, lastUsedAtMs: null });
      expect(await failureOf(store.deleteProject("p1"))).toMatchObject({ code: "conflict" });
      await store.deleteServer("a");
      await store.deleteProject("p1");
      expect([await store.projects(), await store.sources(), await store.servers()]).toEqual([[], [], []]);
    });

    test("changes of a project what is given, and of a source the token that is known", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      const before = project("p1", { retention: { days: 2, bytes: null } });
      await store.putProject(before);
      await store.putProject(project("p1", { name: "another" }));
      expect(await store.projects()).toEqual([before]);
      expect(await store.changeProject("p1", { name: "shop" })).toBe(true);
      expect(await store.changeProject("p1", { organizationId: "o" })).toBe(true);
      expect(await store.changeProject("gone", { name: "shop" })).toBe(false);
      const changed = { ...before, name: "shop", organizationId: "o" };
      expect(await store.projects()).toEqual([changed]);
      expect(await store.changeProject("p1", { retention: { days: null, bytes: 5 } })).toBe(true);
      expect(await store.projects()).toEqual([{ ...changed, retention: { days: null, bytes: 5 } }]);
      const source = { id: "s", projectId: "p1", name: "api", createdAtMs: 2, digest, lastUsedAtMs: 3 };
      await store.putSource(source);
      const next = new Uint8Array([1, 0]);
      expect(await store.renewSource("s", next, next)).toBe(false);
      expect(await store.renewSource("gone", digest, next)).toBe(false);
      expect(await store.renewSource("s", digest, next)).toBe(true);
      expect(await store.sources()).toEqual([{ ...source, digest: next }]);
    });

    test("forgets a server with its events, and takes nothing from others", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
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
      await using opened = await engine.open();
      const { state: store } = opened;
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
      const wanted = Array.from({ length: 30 }, (_, n) => `${ids[n % 3]}${n + 1}`).filter(
        (one) => !one.startsWith("b"),
      );
      expect(seen).toEqual(wanted.toReversed());
      const none = await store.events({ scope: new Set(), serverId: null, ...anyEvent, limit: 7, before: null });
      expect(none).toEqual({ events: [], cursor: null });
    });

    test("shows the events of types, of a source, and of a time", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
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
      let now = 1000;
      await using opened = await engine.open({ ...systemClock, now: () => now });
      const { state: store } = opened;
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
      // a clock that is set back brings nothing back that was forgotten
      now = 1500;
      expect(await store.device("ABCD-EFGH")).toBeUndefined();
      expect(await store.device("WXYZ-WXYZ")).toBeDefined();
      await store.putDevice({ ...device("WXYZ-WXYZ", 4000), hostname: "web-2" });
      expect(await store.device("WXYZ-WXYZ")).toMatchObject({ hostname: "web-2", expiresAtMs: 4000 });
    });

    test("a failed write leaves the store as it was", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      expect(await failureOf(store.putServer(server("a", { projectId: "none" })))).toMatchObject({ code: "conflict" });
      expect(await store.servers()).toEqual([]);
    });

    test("reads some rows only when it is told which", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      await store.putProject(project("p1"));
      for (const id of ["a", "b", "c"]) {
        await store.putServer(server(id));
        await store.putSource({ id: `s-${id}`, projectId: "p1", name: id, createdAtMs: 2, digest, lastUsedAtMs: null });
        await store.putSsh({ serverId: id, body: "{}", sealed: id }, undefined);
        await store.putPendingToken(id, digest);
      }
      await store.putWatches([
        { serverId: "a", body: "1" },
        { serverId: "b", body: "2" },
        { serverId: "nobody", body: "3" },
      ]);
      const some = ["a", "b", "nobody", "it's"];
      expect((await store.servers(some)).map(({ id }) => id).sort()).toEqual(["a", "b"]);
      expect((await store.sources(["s-a", "s-c"])).map(({ id }) => id).sort()).toEqual(["s-a", "s-c"]);
      expect((await store.sshRows(some)).map(({ sealed }) => sealed).sort()).toEqual(["a", "b"]);
      expect((await store.pendingTokens(some)).map(({ serverId }) => serverId).sort()).toEqual(["a", "b"]);
      expect((await store.watches(["b", "c"])).map(({ body }) => body)).toEqual(["2"]);
      expect((await store.projects(["p1"])).length).toBe(1);
      expect([await store.servers([]), await store.tokens([]), await store.projects(["p2"])]).toEqual([[], [], []]);
      await store.putWatches([{ serverId: "a", body: null }]);
      expect((await store.watches()).map(({ body }) => body)).toEqual(["2"]);
    });

    test("changes a server that is still as it is known, and no other", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      await store.putProject(project("p1"));
      const web = server("a", { hostname: "web-1", machine: null });
      await store.putServer(web);
      await store.putServer(server("b", { hostname: "web-2" }));
      const other = new Uint8Array([9]);
      expect(await store.changeServer("a", web, { digest: other, tokenUsedAtMs: null })).toBe(true);
      expect(await store.changeServer("a", web, { hostname: "web-3" })).toBe(false);
      expect(await store.changeServer("none", web, { hostname: "web-3" })).toBe(false);
      const now = { ...web, digest: other };
      expect(await store.changeServer("a", now, { hostname: "web-3", machine: "m", digest: null })).toBe(true);
      expect(await store.servers(["a"])).toEqual([{ ...web, hostname: "web-3", machine: "m", digest: null }]);
      const known = { ...web, hostname: "web-3", machine: "m", digest: null };
      expect(await failureOf(store.changeServer("a", known, { hostname: "web-2" }))).toMatchObject({
        code: "conflict",
      });
      expect(await store.changeServer("a", known, { replacedAtMs: 7, lastSeenMs: null })).toBe(true);
    });

    test("keeps the first key of an organization, and another only in place of the one that is known", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      await store.putHubKey("a", "first", 1);
      await store.putHubKey("a", "second", 2);
      expect(await store.hubKey("a")).toBe("first");
      await store.putHubKey("a", "third", 3, "second");
      await store.putHubKey("b", "third", 3, "first");
      expect([await store.hubKey("a"), await store.hubKey("b")]).toEqual(["first", undefined]);
      await store.putHubKey("a", "fourth", 4, "first");
      await store.putHubKey("a", "fifth", 5, "first");
      expect(await store.hubKey("a")).toBe("fourth");
    });

    test("counts the uses of an enrolment token, and gives none too many", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      await store.putProject(project("p1"));
      const row: TokenRow = { ...anyToken, id: "t", maxUses: 2 };
      await store.putToken(row);
      await store.putToken({ ...anyToken, id: "endless", maxUses: null });
      await store.putToken({ ...anyToken, id: "k", kind: "key", projectId: null, maxUses: null });
      const spent = await Promise.all(Array.from({ length: 4 }, () => store.spendToken("t")));
      expect(spent).toEqual([1, 2, null, null]);
      expect(await store.refundToken("t")).toBe(1);
      expect([await store.spendToken("t"), await store.spendToken("t")]).toEqual([2, null]);
      expect([await store.spendToken("endless"), await store.spendToken("endless")]).toEqual([1, 2]);
      expect([await store.spendToken("k"), await store.spendToken("none"), await store.refundToken("none")]).toEqual([
        null,
        null,
        null,
      ]);
      expect((await store.tokens(["t"]))[0]?.uses).toBe(2);
    });

    test("keeps the latest use of a token, in whichever order it hears of them", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      await store.putProject(project("p1"));
      await store.putToken({ ...anyToken, id: "t" });
      await store.putUses([{ id: "t", kind: "token", atMs: 30 }]);
      await store.putUses([{ id: "t", kind: "token", atMs: 20 }]);
      expect((await store.tokens())[0]?.lastUsedAtMs).toBe(30);
    });

    test("gives a job to one hub, and takes nothing from others", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      await store.putProject(project("p1"));
      await store.putServer(server("a"));
      const job = { id: "j", serverId: "a", over: false, createdAtMs: 1, body: "{}" };
      await store.putJob(job);
      expect(await store.job("j")).toEqual({ ...job, holder: null, cancelled: false });
      expect(await Promise.all(["one", "two"].map((hub) => store.claimJob("j", hub)))).toEqual([true, false]);
      expect(await store.claimJob("j", "one")).toBe(true);
      await store.putJob({ ...job, body: "{1}", holder: "one" });
      expect(await failureOf(store.putJob({ ...job, body: "{2}", holder: "two" }))).toMatchObject({ code: "conflict" });
      expect(await store.cancelJob("j")).toBe(true);
      expect(await store.job("j")).toEqual({ ...job, body: "{1}", holder: "one", cancelled: true });
      expect(await store.releaseJobs("two")).toEqual([]);
      expect(await store.releaseJobs("one")).toEqual(["j"]);
      expect(await store.claimJob("j", "two")).toBe(true);
      expect(await failureOf(store.putJob({ ...job, holder: "one" }))).toMatchObject({ code: "conflict" });
      await store.putJob({ ...job, over: true, holder: "two" });
      expect([await store.claimJob("j", "two"), await store.cancelJob("j"), await store.openJobs()]).toEqual([
        false,
        false,
        [],
      ]);
      await store.putJob({ ...job, id: "k", createdAtMs: 2, holder: "three" });
      // one job of a server is held at a time
      await store.putJob({ ...job, id: "l", createdAtMs: 3 });
      expect(await store.claimJob("l", "three")).toBe(false);
      expect([await store.endJob({ id: "k", body: "" }), await store.endJob({ id: "l", body: "{3}" })]).toEqual([
        false,
        true,
      ]);
      expect(await store.job("l")).toMatchObject({ over: true, body: "{3}" });
      expect((await store.openJobs()).map(({ id, holder }) => [id, holder])).toEqual([["k", "three"]]);
      expect(await store.openJobs(["j"])).toEqual([]);
      expect((await store.jobsOf("a")).map(({ id }) => id)).toEqual(["l", "k", "j"]);
      await store.deleteServer("a");
      expect(await store.jobsOf("a")).toEqual([]);
      expect(await failureOf(store.putJob(job))).toMatchObject({ code: "conflict" });
    });

    test("tells of events in the order in which they came, and of each once however often it is sent", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      let told = 0;
      store.onEvent(() => void told++);
      const put = (batchId: string, ...numbers: number[]) =>
        store.appendEvents({ serverId: "a", batchId, events: numbers.map((seq) => ({ ...started(seq), seq })) });
      expect(await put("x", 1, 2, 3)).toEqual({ accepted: 3, duplicates: 0 });
      expect([store.eventsHead(), told]).toEqual([3, 1]);
      expect(await put("x", 1, 2, 3)).toEqual({ accepted: 0, duplicates: 3 });
      expect(await put("y", 2, 3, 4)).toEqual({ accepted: 1, duplicates: 2 });
      const again = await opened.reopen();
      expect([again.eventsHead(), await again.refreshEvents()]).toEqual([4, 4]);
      const repeated = { ...started(4), seq: 4 };
      expect(await again.appendEvents({ serverId: "a", batchId: "z", events: [repeated] })).toEqual({
        accepted: 0,
        duplicates: 1,
      });
      const ids = async (after: number, limit: number) => (await again.eventsAfter(after, limit)).map(({ id }) => id);
      expect(await ids(0, 3)).toEqual(["1", "2", "3"]);
      expect(await ids(3, 3)).toEqual(["4"]);
      await again.prune(() => Infinity, 0);
      expect([await ids(0, 3), again.eventsHead(), await again.refreshEvents()]).toEqual([[], 4, 4]);
      // a position is never given twice
      await again.appendEvents({ serverId: "b", batchId: null, events: [started(9)] });
      expect(await ids(0, 3)).toEqual(["5"]);
      expect(await again.ready()).toBe(true);
    });

    test("deletes old events however many there are, and only those", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      const many = Array.from({ length: 6000 }, (_, n) => started(n));
      await store.appendEvents({ serverId: "a", batchId: null, events: many });
      await store.appendEvents({ serverId: "b", batchId: null, events: many.slice(0, 3) });
      const since = (id: string) => 1_700_000_000_000 + (id === "a" ? 5990 : 1);
      expect(await store.prune(since, 0)).toBe(5991);
      const { events } = await store.events({ scope: null, serverId: null, ...anyEvent, limit: 100, before: null });
      expect(events.map(({ id }) => Number(id)).sort((a, b) => a - b)).toEqual([
        ...Array.from({ length: 10 }, (_, n) => 5991 + n),
        6002,
        6003,
      ]);
      expect(await store.prune(since, 0)).toBe(0);
    });

    test("finds the events of a source whatever its name looks like, and none for a part of one", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      const names = ['a"b', "a\\b", "ä/ö%_", "\u0000\ud800", '","script":"x', "api"];
      await store.appendEvents({
        serverId: "a",
        batchId: null,
        events: names.map((script) => ({ ...crash({ at: timestamp(1), script }), tail: ['"script":"api"', "worker"] })),
      });
      const find = async (source: string) => {
        const search = { scope: null, serverId: null, ...anyEvent, source, limit: 10, before: null };
        return (await store.events(search)).events.map(({ event }) => "script" in event && event.script);
      };
      for (const name of names) expect(await find(name)).toEqual([name]);
      for (const none of ["a", "ap", "worker", "API", "x", "%", ""]) expect(await find(none)).toEqual([]);
    });

    test("stands any text in what it is asked", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
      for (const [n, odd] of ["\u0000", "\ud800", "'; DROP TABLE servers; --", "\\", "{}", ""].entries()) {
        const search = { scope: new Set([odd]), serverId: odd, ...anyEvent, types: [odd], source: odd };
        expect(await store.events({ ...search, limit: 1, before: null })).toEqual({ events: [], cursor: null });
        expect(await store.audit({ ...allAudit, organizationId: odd, action: odd, target: odd, actor: odd })).toEqual({
          entries: [],
          cursor: null,
        });
        expect([await store.job(odd), await store.device(odd), await store.hubKey(odd)]).toEqual([
          undefined,
          undefined,
          undefined,
        ]);
        expect(await store.servers([odd])).toEqual([]);
        await store.putProject(project(`p${n}`, { name: `${n}${odd}` }));
      }
      expect((await store.projects()).length).toBe(6);
    });
  });

  describe.skipIf(engine.lacks !== null)(`the audit trail in ${titleOf(engine)}`, () => {
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
      await using opened = await engine.open();
      const { state: store } = opened;
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
      await using opened = await engine.open();
      const { state: store } = opened;
      await store.addAudit(null, entry(1, { action: "person.sign-in-failed", target: null }));
      await store.addAudit("o", entry(2));
      const actions = async (unowned: boolean) =>
        (await store.audit({ ...all, unowned })).entries.map((one) => one.action);
      expect(await actions(false)).toEqual(["server.registered"]);
      expect(await actions(true)).toEqual(["server.registered", "person.sign-in-failed"]);
    });

    test("is searched by action, by what it was done to, and by who did it", async () => {
      await using opened = await engine.open();
      const { state: store } = opened;
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
      await using opened = await engine.open();
      const { state: store } = opened;
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
}
