/** What people, agents and applications see of two hubs on one Postgres and one ClickHouse. */
import { writeFileSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { AuditPage } from "#src/protocol/audit.ts";
import type { EventsPage, ServersPage, StoredEntry } from "#src/protocol/api.ts";
import type { ErrorDetail, ErrorGroup, ErrorsPage } from "#src/protocol/error-group.ts";
import type { HubSettings } from "#src/hub/settings.ts";
import type { MetricsAnswer } from "#src/protocol/metrics.ts";
import { haveClickhouse } from "#test/kit/clickhouse.ts";
import { havePostgres, startPostgres } from "#test/kit/postgres.ts";
import { failureOf } from "#test/kit/failure.ts";
import { until } from "#test/kit/wait.ts";

import { type Sent, type TestHub, allEntries, crash, createAgent, entries, entry, heartbeat } from "./kit/hub.ts";
import { type Client, createClient, createMember, password, signIn } from "./kit/people.ts";
import { type Followed, type SharedPlace, follow, keptAsUsual, sharedPlace, startShared } from "./shared-hubs.ts";

setDefaultTimeout(60_000);

const bodyOf = async <T>(response: Response): Promise<T> => (await response.json()) as T;

async function made<T>(client: Client, method: string, path: string, body?: unknown): Promise<T> {
  const response = await client.send(method, path, body);
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return await bodyOf<T>(response);
}

describe.skipIf(!havePostgres || !haveClickhouse)("two hubs (needs PostgreSQL and ClickHouse)", () => {
  let place: SharedPlace;
  let a: TestHub;
  let b: TestHub;
  let projectId = "";
  let streamOfKey: Followed | undefined;
  let names = 0;
  const newName = (kind = "host") => `${kind}-${++names}`;
  /** An agent registered at one hub that speaks to the other. */
  const agentOfBoth = async (hostname = newName()) => {
    const there = await a.agent(hostname);
    return { there, here: createAgent(b.url, there) };
  };

  beforeAll(async () => {
    place = await sharedPlace();
    a = await startShared(place, { settings: { retention: keptAsUsual } });
    b = await startShared(place, { settings: { retention: keptAsUsual } });
    projectId = (await a.json<{ projects: { id: string }[] }>("/api/projects")).projects[0]?.id ?? "";
  });
  afterAll(async () => {
    await a[Symbol.asyncDispose]();
    await b[Symbol.asyncDispose]();
    await place[Symbol.asyncDispose]();
  });

  describe("know at once", () => {
    test("an agent that was registered at the other", async () => {
      const { here } = await agentOfBoth();
      expect((await here.beat()).status).toBe(200);
      const stream = await fetch(`${b.url}/api/servers/${here.id}`, { headers: b.headers });
      expect(stream.status).toBe(200);
    });

    test("the stream of an agent that was registered at the other", async () => {
      const { there } = await agentOfBoth();
      const socket = new WebSocket(`${b.url.replace("http", "ws")}/api/v1/agent/stream`, {
        headers: { ...there.headers },
      } as unknown as string[]);
      const opened = Promise.withResolvers<string>();
      socket.addEventListener("open", () => opened.resolve("open"));
      socket.addEventListener("error", () => opened.resolve("refused"));
      expect(await opened.promise).toBe("open");
      socket.close();
    });

    test("a server, a project, a source and a token that were made at the other", async () => {
      const project = await made<{ id: string }>(a, "POST", "/api/projects", { name: newName("project") });
      expect((await b.get(`/api/projects/${project.id}`)).status).toBe(200);
      const { token } = await made<{ token: string }>(a, "POST", `/api/projects/${project.id}/sources`, {
        name: "mailer",
      });
      const source = createClient(b.url, { authorization: `Bearer ${token}` });
      expect((await source.send("POST", "/api/logs", { message: "sent" })).status).toBe(202);
      const enrolment = await made<{ token: string }>(a, "POST", `/api/projects/${project.id}/enrolment-tokens`, {});
      const host = createClient(b.url, { authorization: `Bearer ${enrolment.token}` });
      expect((await host.send("POST", "/api/enrol", { hostname: newName() })).status).toBe(201);
    });

    test("a person who signed in at the other, and no longer once that one has signed out there", async () => {
      const owner = await a.owner();
      const person = await createMember(a.url, owner, "viewer", "vera@example.com");
      const there = createClient(b.url, person.headers);
      expect(await there.json("/api/auth/session")).toMatchObject({ person: { email: "vera@example.com" } });
      expect((await signIn(b.url, "vera@example.com")).email).toBe("vera@example.com");
      expect((await person.send("POST", "/api/auth/sign-out")).status).toBe(204);
      await until(async () => (await there.get("/api/auth/session")).status === 401, "the session's end");
    });

    test("an API key of the other, until it is revoked there", async () => {
      const owner = await a.owner();
      const asked = { name: newName("key"), scopes: ["view:servers"] };
      const key = await made<{ id: string; token: string }>(owner, "POST", "/api/auth/keys", asked);
      const there = createClient(b.url, { authorization: `Bearer ${key.token}` });
      expect((await there.get("/api/servers")).status).toBe(200);
      // streams are asked every ten seconds whether they are still good: the last test looks
      streamOfKey = await follow(there, "/api/live");
      expect((await owner.send("DELETE", `/api/auth/keys/${key.id}`)).status).toBe(204);
      await until(async () => (await there.get("/api/servers")).status === 401, "the key's end");
    });
  });

  describe("agree", () => {
    test("on what a project is called, and how long its logs are kept", async () => {
      const project = await made<{ id: string }>(a, "POST", "/api/projects", { name: newName("project") });
      const name = newName("renamed");
      await made(a, "PATCH", `/api/projects/${project.id}`, { name, retention: { days: 30 } });
      await until(async () => {
        const seen = await b.json<{ name: string; retention: { days: number } }>(`/api/projects/${project.id}`);
        return seen.name === name && seen.retention.days === 30;
      }, "the project's new name");
    });

    test("that an enrolment token for one host is used up by one", async () => {
      const { token } = await made<{ token: string }>(a, "POST", `/api/projects/${projectId}/enrolment-tokens`, {});
      const enrol = async (hub: TestHub) =>
        (
          await createClient(hub.url, { authorization: `Bearer ${token}` }).send("POST", "/api/enrol", {
            hostname: newName(),
          })
        ).status;
      const answers = await Promise.all([a, b, a, b].map(enrol));
      expect(answers.toSorted((one, other) => one - other)).toEqual([201, 403, 403, 403]);
    });

    test("that one host that is registered at both is one server", async () => {
      const hostname = newName();
      const ids = await Promise.all(
        [a, b, b, a].map(
          async (hub) => (await made<{ id: string }>(hub, "POST", "/api/servers", { hostname, project: projectId })).id,
        ),
      );
      expect(new Set(ids).size).toBe(1);
      for (const hub of [a, b]) {
        const { servers } = await hub.json<ServersPage>("/api/servers?limit=1000");
        expect(servers.filter((one) => one.hostname === hostname)).toHaveLength(1);
      }
    });

    test("on how a server is reached over SSH", async () => {
      const { id } = await a.agent(newName());
      const ssh = { host: "127.0.0.1", port: 1, user: "nobody", auth: { kind: "password", password: "swordfish" } };
      await made(a, "PUT", `/api/servers/${id}/ssh`, ssh);
      await until(async () => (await b.get(`/api/servers/${id}/ssh`)).status === 200, "the SSH details");
      expect(await b.json(`/api/servers/${id}/ssh`)).toMatchObject({ host: "127.0.0.1", port: 1, auth: "password" });
      await made(b, "PUT", `/api/servers/${id}/ssh`, { ...ssh, port: 2 });
      await until(
        async () => (await a.json<{ port: number }>(`/api/servers/${id}/ssh`)).port === 2,
        "what the other has changed",
      );
      const { entries: trail } = await b.json<AuditPage>("/api/audit");
      expect(trail.filter((one) => one.action === "server.ssh-changed" && one.target?.id === id)).toHaveLength(2);
    });
  });

  describe("show each other's servers", () => {
    test("with what they report, in lists and live", async () => {
      const { there } = await agentOfBoth();
      await using feed = await follow(b, "/api/live");
      await feed.sees(({ event }) => event === "ready", "the feed");
      const system = { ...heartbeat().system, cpu: { usage: 77.5, cores: 8 } };
      expect((await there.beat({ system })).status).toBe(200);
      await feed.sees(
        ({ event, data }) =>
          event === "server" && (data as { id: string }).id === there.id && JSON.stringify(data).includes("77.5"),
        "the heartbeat",
      );
      const { servers } = await b.json<ServersPage>("/api/servers?limit=1000");
      expect(servers.find(({ id }) => id === there.id)?.agent.status).toBe("connected");
    });

    test("with their events, in lists and live, and none is lost on the way from one feed to the other", async () => {
      const { there, here } = await agentOfBoth();
      await using feed = await follow(b, "/api/live");
      await feed.sees(({ event }) => event === "ready", "the feed");
      expect((await there.event({ ...crash(), seq: 1 })).status).toBe(202);
      const seen = await feed.sees(
        ({ event, data }) => event === "event" && (data as { serverId: string }).serverId === there.id,
        "the event",
      );
      expect((await here.event({ ...crash({ restarts: 2 }), seq: 2 })).status).toBe(202);
      // read on at the other hub, from where this one was
      await using next = await follow(a, "/api/live", { "last-event-id": seen.id ?? "" });
      const second = await next.sees(
        ({ event, data }) => event === "event" && (data as { serverId: string }).serverId === there.id,
        "the second event",
      );
      expect(second.data).toMatchObject({ event: { restarts: 2 } });
      for (const hub of [a, b]) {
        const page = await hub.json<EventsPage>(`/api/events?server=${there.id}`);
        expect(page.events).toHaveLength(2);
      }
    });

    test("with what they measured", async () => {
      const { there, here } = await agentOfBoth();
      const system = (usage: number) => ({ ...heartbeat().system, cpu: { usage, cores: 8 } });
      expect((await there.beat({ at: new Date().toISOString(), system: system(42) })).status).toBe(200);
      for (const hub of [a, b]) {
        await until(async () => {
          const { series } = await hub.json<MetricsAnswer>(`/api/servers/${here.id}/metrics?series=host.cpu`);
          return series[0]?.values.includes(42);
        }, "the chart");
      }
    });
  });

  describe("share their lines", () => {
    const linesOf = (serverId: string) => `&server=${serverId}`;
    const numbers = (all: readonly StoredEntry[]) => all.map(({ seq }) => seq);

    test("which are there once, whichever has been sent them, and found on both", async () => {
      const { there, here } = await agentOfBoth();
      const answers = await Promise.all([
        there.logs(entries(1, 300)),
        here.logs(entries(1, 300)),
        there.logs(entries(200, 400)),
        here.logs(entries(301, 500)),
      ]);
      // one that repeats what the other hub has on its way is asked to come again
      for (const { status } of answers) expect([202, 503]).toContain(status);
      await until(async () => (await there.logs(entries(1, 500))).status === 202, "the last of them");
      for (const hub of [a, b]) {
        expect(numbers(await allEntries(hub, linesOf(here.id)))).toEqual(numbers(entries(1, 500) as StoredEntry[]));
        const found = await hub.json<{ entries: StoredEntry[] }>(
          `/api/logs?q=${encodeURIComponent('"line 499"')}&server=${here.id}`,
        );
        expect(numbers(found.entries)).toEqual([499]);
      }
    });

    test("of applications, over HTTP and OTLP, each once", async () => {
      const { id, token } = await a.source(newName("app"));
      const clients = [a, b].map((hub) => createClient(hub.url, { authorization: `Bearer ${token}` }));
      const batch = (name: string) => Array.from({ length: 50 }, (_, i) => ({ message: `${name} ${i}` }));
      const otlp = (name: string) => ({
        resourceLogs: [
          { scopeLogs: [{ logRecords: batch(name).map(({ message }) => ({ body: { stringValue: message } })) }] },
        ],
      });
      await Promise.all(
        clients.flatMap((client, i) => [
          until(async () => (await client.send("POST", "/api/logs", batch(`http ${i}`))).ok, "lines over HTTP"),
          until(async () => (await client.send("POST", "/v1/logs", otlp(`otlp ${i}`))).ok, "lines over OTLP"),
        ]),
      );
      const wanted = ["http 0", "http 1", "otlp 0", "otlp 1"].flatMap((name) => batch(name).map((one) => one.message));
      for (const hub of [a, b]) {
        const messages = (await allEntries(hub, linesOf(id))).map(({ message }) => message);
        expect(messages.toSorted()).toEqual(wanted.toSorted());
      }
    });

    test("of one batch of an application that is sent to both, once", async () => {
      const { id, token } = await a.source(newName("app"));
      const send = async (hub: TestHub) =>
        await until(async () => {
          const headers = { authorization: `Bearer ${token}`, "x-batch-id": "b-1", "content-type": "application/json" };
          const response = await hub.nobody.fetch("/api/logs", {
            method: "POST",
            headers,
            body: JSON.stringify([{ message: "one" }, { message: "two" }]),
          });
          return response.ok;
        }, "the batch");
      await Promise.all([a, b, a, b].map(send));
      expect((await allEntries(b, linesOf(id))).map(({ message }) => message)).toEqual(["one", "two"]);
    });

    test("live within a second, and a tail that goes over to the other has each line once, in order", async () => {
      const { there, here } = await agentOfBoth();
      const path = `/api/logs/tail?server=${there.id}`;
      const lineOf = (seq: number) => (one: { event: string; data: unknown }) =>
        one.event === "log" && (one.data as StoredEntry).seq === seq;
      const got: number[] = [];
      let last = "";
      let next = 1;
      for (const [reader, writer] of [
        [b, there],
        [a, here],
        [b, here],
        [a, there],
      ] as const) {
        await using tail = await follow(reader, path, last === "" ? {} : { "last-event-id": last });
        if (last === "") expect(tail.status).toBe(200);
        expect((await writer.logs(entries(next, next + 9))).status).toBe(202);
        const seen = await tail.sees(lineOf(next + 9), `line ${next + 9}`);
        got.push(...tail.sent.filter(({ event }) => event === "log").map(({ data }) => (data as StoredEntry).seq));
        last = seen.id ?? "";
        next += 10;
        // while nobody reads
        expect((await writer.logs([entry(next)])).status).toBe(202);
        next += 1;
      }
      expect(got).toEqual(Array.from({ length: got.length }, (_, i) => i + 1));
      expect(got.length).toBe(43);
    });
  });

  describe("group errors together", () => {
    const traceback = (name: string, line: number) => [
      "Traceback (most recent call last):",
      `  File "/srv/app/shop/cart.py", line ${line}, in checkout`,
      "    total(cart)",
      `  File "/srv/app/shop/cart.py", line ${line + 30}, in ${name}`,
      "    raise ValueError(amount)",
      `ValueError: bad amount ${line}`,
    ];
    let seq = 0;
    const printed = (name: string) =>
      traceback(name, 7).map((message) =>
        entry(++seq, { at: new Date().toISOString(), stream: "stderr", level: "error", message }),
      );
    const groupOn = async (hub: TestHub, name: string, isSo: (group: ErrorGroup) => boolean = () => true) =>
      await until(async () => {
        const { groups } = await hub.json<ErrorsPage>(`/api/errors?q=${name}`);
        return groups.find(isSo);
      }, `errors of ${name}`);
    /** The hub with the duty, and the other. */
    const inTurn = async () => {
      const duties = await (await a.get("/metrics")).text();
      return /orion_hub_duty\{duty="errors"\} 1/.test(duties) ? [a, b] : [b, a];
    };

    test("and take decisions of people on either", async () => {
      const { there, here } = await agentOfBoth();
      expect((await there.logs(printed("spread"))).status).toBe(202);
      expect((await here.logs(printed("spread"))).status).toBe(202);
      const group = await groupOn(a, "spread", ({ count }) => count === 2);
      expect((await groupOn(b, "spread", ({ count }) => count === 2)).fingerprint).toBe(group.fingerprint);
      const [holder, other] = await inTurn();
      if (holder === undefined || other === undefined) throw new Error("there are two");
      const path = `/api/errors/${group.fingerprint}`;
      expect((await made<ErrorGroup>(other, "PATCH", path, { action: "resolve" })).state).toBe("resolved");
      expect((await other.json<ErrorDetail>(path)).state).toBe("resolved");
      await groupOn(holder, "spread", ({ state }) => state === "resolved");
      await made(holder, "PATCH", path, { action: "reopen" });
      await groupOn(other, "spread", ({ state }) => state === "unresolved");
    });
  });

  test("end the streams of a key that was revoked at the other", async () => {
    expect(streamOfKey?.status).toBe(200);
    await streamOfKey?.over;
  });

  test("leave everything to the other when one is stopped, and nobody is told as gone", async () => {
    const { there, here } = await agentOfBoth();
    // whoever looks after retention next deletes what is old
    const rest = { at: new Date().toISOString() };
    expect((await there.beat()).status).toBe(200);
    expect((await there.logs(entries(1, 10, rest))).status).toBe(202);
    await using feed = await follow(b, "/api/live");
    const isOf = ({ data }: Sent, status: string) =>
      (data as { id: string }).id === here.id && JSON.stringify(data).includes(`"${status}"`);
    const seen = await feed.sees((sent) => isOf(sent, "connected"), "the agent");
    await a.hub.stop();
    const duties = ["errors", "metrics", "retention", "watching"];
    await until(
      async () => {
        const told = await (await b.get("/metrics")).text();
        return duties.every((duty) => told.includes(`orion_hub_duty{duty="${duty}"} 1`));
      },
      "the duties of the hub that was stopped",
      // before anybody could find its lease run out
      7000,
    );
    expect((await here.logs(entries(1, 20, rest))).status).toBe(202);
    expect((await here.beat()).status).toBe(200);
    expect((await allEntries(b, `&server=${here.id}`)).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    const later = feed.sent.slice(feed.sent.indexOf(seen));
    expect(later.filter((sent) => isOf(sent, "disconnected"))).toEqual([]);
    const { events } = await b.json<EventsPage>("/api/events?type=agent.silent&limit=1000");
    expect(events).toEqual([]);
  });
});

describe.skipIf(!havePostgres || !haveClickhouse)("a hub beside others (needs PostgreSQL and ClickHouse)", () => {
  let place: SharedPlace;
  beforeAll(async () => void (place = await sharedPlace()));
  afterAll(async () => await place[Symbol.asyncDispose]());

  const refusal = async (settings: Partial<HubSettings>) =>
    await failureOf(startShared(place, { settings, untouched: true }));

  test("starts at the same moment as another on empty databases, with the owner that both were told of", async () => {
    await using other = await sharedPlace();
    const adminPasswordFile = other.folder.at("password");
    writeFileSync(adminPasswordFile, password);
    const settings = { adminEmail: "first@example.com", adminPasswordFile };
    const started = [1, 2, 3].map(async () => await startShared(other, { settings, untouched: true }));
    const hubs = await Promise.all(started);
    try {
      for (const hub of hubs) expect((await signIn(hub.url, "first@example.com")).email).toBe("first@example.com");
      const { people } = await (hubs[0] as TestHub).hub.operator.people({});
      expect(people).toHaveLength(1);
    } finally {
      for (const hub of hubs) await hub[Symbol.asyncDispose]();
    }
  });

  test("is refused with another secret, and without their ClickHouse", async () => {
    await using first = await startShared(place);
    expect((await first.get("/readyz")).status).toBe(200);
    expect(await refusal({ secretFile: null })).toMatchObject({
      message: expect.stringContaining("this hub's secret is not the one that the hubs of its database have"),
    });
    expect(await refusal({ clickhouseUrl: null })).toMatchObject({
      code: "conflict",
      message: expect.stringContaining("clickhouseUrl"),
    });
  });

  test("says that another one keeps its logs to itself", async () => {
    await using other = await sharedPlace();
    await using first = await startShared(other, { settings: { clickhouseUrl: null } });
    expect((await first.get("/readyz")).status).toBe(200);
    const why = await failureOf(startShared(other, { untouched: true }));
    expect(why).toMatchObject({ code: "conflict", hint: expect.stringContaining("the same clickhouseUrl") });
  });

  test("says what is wrong with the way to the databases, and no password", async () => {
    const url = new URL(place.settings.databaseUrl ?? "");
    url.password = "swordfish";
    const wrong = await refusal({ databaseUrl: url.href });
    expect(wrong).toMatchObject({ code: "failed", hint: "Check user and password in databaseUrl" });
    url.pathname = "/nowhere";
    const missing = await refusal({ databaseUrl: url.href });
    expect(missing).toMatchObject({ message: expect.stringContaining("can't use the database at 127.0.0.1") });
    const half = await refusal({ databaseUrl: null, clickhouseUrl: null, clickhouseCluster: "c" });
    expect(half).toMatchObject({ code: "invalid" });
    expect(JSON.stringify([wrong, missing].map(String))).not.toContain("swordfish");
  });

  test("waits for a Postgres that starts after it, and says so", async () => {
    await using postgres = await startPostgres();
    await using database = await postgres.freshDatabase();
    await postgres.stop();
    const said: string[] = [];
    const starting = startShared(place, { settings: { databaseUrl: database.url }, said });
    await until(() => said.some((line) => line.startsWith("info waiting for the database at ")), "the word of it");
    await postgres.start();
    await using hub = await starting;
    expect((await hub.get("/readyz")).status).toBe(200);
    await hub[Symbol.asyncDispose]();
  });
});
