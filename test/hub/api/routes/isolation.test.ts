/** Two organisations on one hub, and what each sees of logs, events and live streams: its own, and nothing else. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import type { EventsPage, LogsPage, Server, StoredEntry, StoredEvent } from "#src/protocol/api.ts";
import type { NewSource, Project } from "#src/protocol/project.ts";
import { crash, entries, entry, readEvents } from "#test/hub/kit/hub.ts";
import { until } from "#test/kit/wait.ts";

import { type Client, type Organisations, startOrganisations } from "../../kit/organisations.ts";

setDefaultTimeout(60_000);

type Following = {
  readonly events: { readonly event: string; readonly data: unknown; readonly id: string | null }[];
  /** Resolves when the hub has ended the stream. */
  readonly ended: Promise<void>;
  /** What has come of one kind. */
  of<T>(event: string): T[];
  [Symbol.dispose](): void;
};

/** Follows a stream until the end of the test; resolves once it has told that it is ready. */
async function follow(who: Client, path: string, headers: Record<string, string> = {}): Promise<Following> {
  const stop = new AbortController();
  const response = await who.open(path, stop.signal, headers);
  expect(response.status).toBe(200);
  const events: Following["events"] = [];
  const read = async () => {
    for await (const one of readEvents(response)) events.push(one);
  };
  const ended = read().catch((error: unknown) => {
    // the test hung up
    if (!stop.signal.aborted) throw error;
  });
  await until(() => events.some((one) => one.event === "ready"), "the beginning of the stream");
  return {
    events,
    ended,
    of: <T>(event: string) => events.filter((one) => one.event === event).map((one) => one.data as T),
    [Symbol.dispose]: () => stop.abort(),
  };
}

const messages = ({ entries: list }: LogsPage) => list.map((one) => one.message);
const tailed = (stream: Following) => stream.of<StoredEntry>("log").map((one) => one.message);

/** A server of each organisation with lines of its own. */
async function twoServers(hub: Organisations) {
  const north = await hub.server("north", "web-1", entries(1, 5, { message: "of north" }));
  const south = await hub.server("south", "web-1", entries(1, 5, { message: "of south" }));
  return { north, south, ann: hub.person("north", "viewer"), bob: hub.person("south", "owner") };
}

describe("a search of logs", () => {
  test("finds an organisation's own entries only, whatever it asks for", async () => {
    await using hub = await startOrganisations();
    const { south, ann, bob } = await twoServers(hub);
    const southern = hub.projects.of("south")[0]?.id;
    expect(messages(await ann.get("/api/logs"))).toEqual(Array.from({ length: 5 }, () => "of north"));
    expect(messages(await bob.get("/api/logs"))).toEqual(Array.from({ length: 5 }, () => "of south"));
    expect(messages(await ann.get(`/api/logs?server=${south.id}`))).toEqual([]);
    expect(messages(await ann.get("/api/logs?q=south"))).toEqual([]);
    expect((await ann.call("GET", `/api/logs?project=${southern}`)).status).toBe(404);
    // a cursor of another organisation is a place in time and nothing more
    const { cursor } = await bob.get<LogsPage>("/api/logs?limit=2");
    expect(messages(await ann.get(`/api/logs?cursor=${cursor}`)).every((text) => text === "of north")).toBeTrue();
  });

  test("is narrowed to the servers and sources of a project", async () => {
    await using hub = await startOrganisations();
    const { ann } = await twoServers(hub);
    const shop = await ann.post<Project>("/api/projects", { name: "shop" });
    const source = await ann.post<NewSource>("/api/projects/shop/sources", { name: "checkout" });
    await hub.log(source.id, [entry(1, { message: "of the source", source: "checkout" })]);
    for (const project of [shop.id, "shop", "SHOP"]) {
      expect(messages(await ann.get(`/api/logs?project=${project}`))).toEqual(["of the source"]);
    }
    expect(messages(await ann.get("/api/logs?project=default"))).not.toContain("of the source");
    expect(messages(await ann.get("/api/logs"))).toContain("of the source");
  });

  test("also finds what deleted servers left, where an organisation has the hub to itself", async () => {
    await using hub = await startOrganisations();
    const { north, ann } = await twoServers(hub);
    await hub.servers.remove(north.id);
    expect(messages(await ann.get("/api/logs?q=north"))).toEqual([]);
    hub.hub.sole = "north";
    expect(messages(await ann.get("/api/logs?q=north"))).toHaveLength(5);
  });
});

describe("a live tail", () => {
  test("follows an organisation's own servers and sources, also those that come later", async () => {
    await using hub = await startOrganisations();
    const { north, south, ann } = await twoServers(hub);
    using tail = await follow(ann, "/api/logs/tail");
    await hub.log(south.id, entries(6, 700, { message: "of south" }));
    await hub.log(north.id, [entry(6, { message: "known" })]);
    await until(() => tailed(tail).includes("known"), "a line of a known server");
    const later = await hub.server("north", "web-2", [entry(1, { message: "new server" })]);
    await until(() => tailed(tail).includes("new server"), "a line of a new server");
    const source = await ann.post<NewSource>("/api/projects/default/sources", { name: "api" });
    await hub.log(source.id, [entry(1, { message: "new source" })]);
    await until(() => tailed(tail).includes("new source"), "a line of a new source");
    await hub.servers.remove(later.id);
    await hub.log(later.id, [entry(2, { message: "of a server that is gone" })]);
    await hub.log(north.id, [entry(7, { message: "last" })]);
    await until(() => tailed(tail).includes("last"), "the last line");
    expect(tailed(tail)).toEqual(["known", "new server", "new source", "last"]);
  });

  test("from the first line on gives nothing of others", async () => {
    await using hub = await startOrganisations();
    const { ann, bob } = await twoServers(hub);
    using tail = await follow(ann, "/api/logs/tail", { "last-event-id": "0" });
    using theirs = await follow(bob, "/api/logs/tail?after=0&project=default");
    await until(() => tailed(tail).length >= 5 && tailed(theirs).length >= 5, "all lines");
    expect([new Set(tailed(tail)), new Set(tailed(theirs))]).toEqual([new Set(["of north"]), new Set(["of south"])]);
  });
});

describe("events", () => {
  test("are an organisation's own, in lists and live", async () => {
    await using hub = await startOrganisations();
    const { north, south, ann, bob } = await twoServers(hub);
    using live = await follow(ann, "/api/live");
    const post = (serverId: string, script: string) =>
      hub.state.appendEvents({ serverId, batchId: null, events: [crash({ script })] });
    for (let i = 0; i < 250; i++) await post(south.id, "theirs");
    await post(north.id, "ours");
    const scripts = (list: readonly StoredEvent[]) =>
      list.map(({ event }) => (event.type === "script.crashed" ? event.script : ""));
    await until(() => live.of("event").length > 0, "an event");
    expect(scripts(live.of<StoredEvent>("event"))).toEqual(["ours"]);
    expect(scripts((await ann.get<EventsPage>("/api/events")).events)).toEqual(["ours"]);
    expect(scripts((await ann.get<EventsPage>(`/api/events?server=${south.id}`)).events)).toEqual([]);
    expect(scripts((await ann.get<EventsPage>("/api/events?project=default")).events)).toEqual(["ours"]);
    expect(new Set(scripts((await bob.get<EventsPage>("/api/events")).events))).toEqual(new Set(["theirs"]));
    expect((await ann.call("GET", "/api/events?project=nowhere")).status).toBe(404);
  });
});

describe("the live feed of servers", () => {
  test("tells of an organisation's own: those there are, those that come, and those that go", async () => {
    await using hub = await startOrganisations();
    const { north, south, ann } = await twoServers(hub);
    using live = await follow(ann, "/api/live");
    expect(live.of<Server>("server").map((one) => one.id)).toEqual([north.id]);
    const beat = { version: "1", heartbeat: "{}", hostname: "web-1", startedAt: "2026-01-01T00:00:00.000Z" };
    hub.servers.beat(south.id, beat);
    hub.servers.beat(north.id, beat);
    await until(() => live.of<Server>("server").length === 2, "a change");
    const later = await hub.server("north", "web-2");
    await until(() => live.of<Server>("server").some((one) => one.id === later.id), "a new server");
    await hub.servers.remove(south.id);
    await hub.servers.remove(later.id);
    await until(() => live.of("gone").length > 0, "the end of a server");
    expect(live.of<unknown>("gone")).toEqual([{ id: later.id }]);
    expect(new Set(live.of<Server>("server").map((one) => one.id))).toEqual(new Set([north.id, later.id]));
  });

  test("can be narrowed to a project", async () => {
    await using hub = await startOrganisations();
    const { ann } = await twoServers(hub);
    const shop = await ann.post<Project>("/api/projects", { name: "shop" });
    const { server } = await hub.servers.register({ projectId: shop.id, hostname: "till" });
    using live = await follow(ann, "/api/live?project=shop");
    expect(live.of<Server>("server").map((one) => one.id)).toEqual([server.id]);
  });
});

describe("a stream", () => {
  test.each(["/api/logs/tail", "/api/live"])("%s ends when its reader is signed out or removed", async (path) => {
    await using hub = await startOrganisations();
    const { north, ann } = await twoServers(hub);
    const other = hub.person("north", "viewer");
    using stays = await follow(other, path);
    using stream = await follow(ann, path);
    ann.leave();
    await stream.ended;
    await hub.log(north.id, [entry(6, { message: "after the end" })]);
    expect(tailed(stream)).toEqual([]);
    expect((await ann.call("GET", path)).status).toBe(401);
    expect(hub.streams.count()).toBe(1);
    if (path === "/api/logs/tail") await until(() => tailed(stays).length > 0, "the other reader's line");
  });

  test("ends when its reader goes over to another organisation", async () => {
    await using hub = await startOrganisations();
    const { ann } = await twoServers(hub);
    using stream = await follow(ann, "/api/live");
    Object.assign(ann.who, { organizationId: "south" });
    await stream.ended;
  });

  test("ends when the key that opened it is revoked, and goes on while it is not", async () => {
    await using hub = await startOrganisations();
    const { north } = await twoServers(hub);
    const { view, token } = await hub.tokens.createKey({
      organizationId: "north",
      name: "k",
      scopes: ["manage:servers"],
      createdBy: null,
      expiresAtMs: null,
    });
    using stream = await follow(hub.client(token), "/api/logs/tail");
    await hub.log(north.id, [entry(6, { message: "before" })]);
    await until(() => tailed(stream).length === 1, "a line");
    await hub.tokens.revoke("north", view.id);
    await stream.ended;
  });

  test("frees its place when its reader hangs up", async () => {
    await using hub = await startOrganisations();
    const { ann } = await twoServers(hub);
    {
      using stream = await follow(ann, "/api/live");
      expect(stream.events.length).toBeGreaterThan(0);
      expect(hub.streams.count()).toBe(1);
    }
    await until(() => hub.streams.count() === 0, "the end of the stream");
  });
});
