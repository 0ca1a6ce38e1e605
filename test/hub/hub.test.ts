import { statSync } from "node:fs";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { createHub } from "#src/hub/hub.ts";
import { type HubSettings, readHubSettings } from "#src/hub/settings.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { LogsPage, RegisteredServer, Server, ServersPage } from "#src/protocol/api.ts";
import { Fault } from "#src/protocol/fault.ts";
import { allEntries, entries, heartbeat, metricsDays, startHub, type TestHub } from "#test/hub/kit/hub.ts";
import { password, signIn } from "#test/hub/kit/people.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const hubWith = (settings: Partial<HubSettings> & { readonly dataDir: string }) =>
  createHub({ ...readHubSettings({ port: 0 }, {}), ...settings }, { clock: systemClock, log: quiet });

async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof Fault) return error;
  throw new Error(`no fault but ${String(error)}`);
}

describe("starting and stopping", () => {
  test("says where it listens, and answers there", async () => {
    await using hub = await startHub();
    expect(hub.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    for (const path of ["/healthz", "/readyz", "/"]) expect((await hub.get(path)).status).toBe(200);
    expect(hub.said.join("\n")).toContain("on this machine only; data in");
  });

  test("listens on IPv6 as well, when told to", async () => {
    await using hub = await startHub({ settings: { host: "::1" } });
    expect(hub.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await hub.get("/healthz")).status).toBe(200);
  });

  for (const host of ["0.0.0.0", "::", "10.0.0.1", "example.com"]) {
    test(`refuses to listen on ${host} without TLS, and says the three ways out`, async () => {
      await using folder = temporaryFolder();
      const fault = await faultOf(hubWith({ dataDir: folder.path, host }).start());
      expect([fault.code, fault.message]).toEqual([
        "denied",
        `the hub can't listen on ${host} without TLS: passwords and tokens would travel in the open`,
      ]);
      for (const way of ["--tls-cert", "--trust-proxy", "--insecure-http"]) expect(fault.hint).toContain(way);
    });
  }

  const openAir: readonly (readonly [name: string, settings: Partial<HubSettings>])[] = [
    ["behind a proxy", { trustProxy: 1 }],
    ["behind proxies of these addresses", { trustProxy: ["10.0.0.0/8"] }],
    ["when told that the network is safe", { insecureHttp: true }],
  ];
  for (const [name, settings] of openAir) {
    test(`listens everywhere ${name}`, async () => {
      await using hub = await startHub({ settings: { host: "0.0.0.0", ...settings } });
      const { port } = new URL(hub.url);
      const response = await fetch(`http://127.0.0.1:${port}/healthz`, { headers: { host: "any.name.example" } });
      expect(response.status).toBe(200);
    });
  }

  // Before, two hubs shared a port, because Bun sets SO_REUSEPORT outside of development mode
  test("a port that is taken is an error that says what to do, and lets go of the data folder", async () => {
    await using first = await startHub();
    await using folder = temporaryFolder();
    const port = Number(new URL(first.url).port);
    const second = hubWith({ dataDir: folder.path, port });
    const fault = await faultOf(second.start());
    expect(fault.message).toStartWith(`can't listen on 127.0.0.1 port ${port}`);
    expect(fault.hint).toContain("--port");
    await second.stop();
    await using again = await startHub({ folder: folder.path });
    expect((await again.get("/readyz")).status).toBe(200);
  });

  test("a second hub on the same data folder is an error that names the first one's pid", async () => {
    await using first = await startHub();
    const fault = await faultOf(hubWith({ dataDir: first.folder }).start());
    expect([fault.code, fault.message]).toEqual([
      "conflict",
      `a hub already uses ${first.folder} (pid ${process.pid})`,
    ]);
    expect((await (await first.agent()).logs(entries(1, 3))).status).toBe(202);
  });

  test("a data folder that can't be made is an error that names it", async () => {
    const fault = await faultOf(hubWith({ dataDir: "/proc/nowhere/data" }).start());
    expect(fault.message).toStartWith("can't use the data folder /proc/nowhere/data");
  });

  test("a damaged database is an error that names the file, and the file is left as it is", async () => {
    await using folder = temporaryFolder();
    await Bun.write(
      folder.at("logs.db"),
      "this is no database, but text that is longer than a header would be ".repeat(20),
    );
    const fault = await faultOf(hubWith({ dataDir: folder.path }).start());
    expect(fault.message).toStartWith(`can't open the hub's database ${folder.at("logs.db")}`);
    expect(await Bun.file(folder.at("logs.db")).text()).toStartWith("this is no database");
  });

  test("stops twice, and before it was started", async () => {
    await using folder = temporaryFolder();
    const hub = hubWith({ dataDir: folder.path });
    await hub.stop();
    await hub.start();
    await hub.stop();
    await hub.stop();
    expect((await faultOf(hub.register("x"))).message).toContain("the hub is not running");
  });

  test("answers open requests before it stops, and has stored what it answered", async () => {
    await using first = await startHub();
    const agent = await first.agent();
    const sent = Array.from({ length: 20 }, async (_, i) => await agent.logs(entries(i * 10 + 1, i * 10 + 10)));
    await sent[0];
    await first.hub.stop();
    const stored = (await Promise.allSettled(sent)).filter(
      (one) => one.status === "fulfilled" && one.value.status === 202,
    );
    await using second = await startHub({ folder: first.folder });
    expect((await allEntries(second)).length).toBeGreaterThanOrEqual(stored.length * 10);
  });

  test("keeps its data from other users", async () => {
    await using hub = await startHub();
    expect(statSync(hub.folder).mode & 0o777).toBe(0o700);
  });
});

describe("the first owner", () => {
  test("comes by the link that the hub prints, until there is one", async () => {
    await using hub = await startHub({ untouched: true });
    const link = /make the first owner at (\S+)$/m.exec(hub.said.join("\n"))?.[1] ?? "";
    expect(link).toStartWith(`${hub.url}/setup#`);
    expect((await hub.nobody.get("/api/servers")).status).toBe(401);
    const order = { token: link.split("#")[1], email: "first@example.com", password };
    const wrong = await hub.nobody.send("POST", "/api/auth/setup", { ...order, token: "x".repeat(43) });
    expect(wrong.status).toBe(403);
    expect((await hub.nobody.send("POST", "/api/auth/setup", order)).status).toBe(200);
    const owner = await signIn(hub.url, "first@example.com");
    // what was there before anybody is theirs
    const { projects } = await owner.json<{ projects: { name: string }[] }>("/api/projects");
    expect(projects.map((project) => project.name)).toEqual(["default"]);
    expect((await hub.nobody.send("POST", "/api/auth/setup", order)).status).toBe(409);
  });

  test("is made by the settings at the first start, and left alone at the next", async () => {
    await using folder = temporaryFolder();
    await Bun.write(folder.at("password"), `${password}\n`);
    const settings = { adminEmail: "boss@example.com", adminPasswordFile: folder.at("password") };
    const data = folder.at("data");
    for (let i = 0; i < 2; i++) {
      await using hub = await startHub({ untouched: true, folder: data, settings });
      expect((await signIn(hub.url, "boss@example.com")).email).toBe("boss@example.com");
      expect(hub.said.join("\n")).not.toContain("/setup#");
    }
  });

  test("of the settings must have a password that can be read and is long enough", async () => {
    await using folder = temporaryFolder();
    const start = (file: string) => {
      const settings = { adminEmail: "boss@example.com", adminPasswordFile: file, dataDir: folder.at("data") };
      return faultOf(hubWith(settings).start());
    };
    expect((await start(folder.at("none"))).message).toStartWith("can't read the password of the first owner from");
    await Bun.write(folder.at("short"), "short\n");
    expect((await start(folder.at("short"))).message).toContain("must have at least 12 characters");
  });
});

describe("servers", () => {
  const register = (hub: TestHub, body: unknown) => hub.send("POST", "/api/servers", body);

  test("are registered once a host name, with a token that is shown once", async () => {
    await using hub = await startHub();
    const first = (await (await register(hub, { hostname: "web-1" })).json()) as RegisteredServer;
    const second = (await (await register(hub, { hostname: "web-1" })).json()) as RegisteredServer;
    expect(first).toMatchObject({ hostname: "web-1", latest: null, agent: { status: "disconnected" } });
    expect(first.token).toMatch(/^oat_/);
    expect(second.id).toBe(first.id);
    expect(second.token).not.toBe(first.token);
    const text = await (await hub.get("/api/servers")).text();
    expect(text).not.toContain("oat_");
    expect((JSON.parse(text) as ServersPage).servers.map((server) => server.id)).toEqual([first.id]);
  });

  for (const body of [
    {},
    { hostname: "" },
    { hostname: "a b" },
    { hostname: 1 },
    { hostname: "x".repeat(254) },
    [],
    null,
  ]) {
    test(`${JSON.stringify(body).slice(0, 40)} is not a registration: 400`, async () => {
      await using hub = await startHub();
      const response = await register(hub, body);
      expect(response.status).toBe(400);
    });
  }

  test("are listed by host name, page by page", async () => {
    await using hub = await startHub();
    const names = ["b", "d", "a", "c", "e"];
    for (const name of names) await hub.agent(name);
    const listed: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const page: ServersPage = await hub.json(`/api/servers?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`);
      listed.push(...page.servers.map((server) => server.hostname));
      ({ cursor } = page);
    }
    expect(listed).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("show their latest heartbeat, scripts and containers, also after a restart", async () => {
    await using first = await startHub();
    const agent = await first.agent();
    const response = await agent.beat();
    expect(await response.json()).toEqual({ receivedAt: expect.any(String), heartbeatInterval: 30 });
    const seen = await first.json<Server>(`/api/servers/${agent.id}`);
    expect(seen.latest).toEqual(heartbeat());
    expect(seen.agent).toMatchObject({ status: "connected", version: "1.2.3", transport: "agent" });
    expect(await first.json<unknown>(`/api/servers/${agent.id}/scripts`)).toEqual({ scripts: heartbeat().scripts });
    expect(await first.json<unknown>(`/api/servers/${agent.id}/containers`)).toEqual({ containers: [] });
    await first.hub.stop();
    await using second = await startHub({ folder: first.folder });
    expect(await second.json<Server>(`/api/servers/${agent.id}`)).toEqual(seen);
  });

  test("the version comes from the User-Agent, of an older agent too", async () => {
    await using hub = await startHub();
    const agent = await hub.agent();
    const version = async () => (await hub.json<Server>(`/api/servers/${agent.id}`)).agent.version;
    await agent.post("heartbeat", JSON.stringify(heartbeat()), { "user-agent": "ocore-agent/0.9.1-rc.2 (linux)" });
    expect(await version()).toBe("0.9.1-rc.2");
    await agent.post("heartbeat", JSON.stringify(heartbeat()), { "user-agent": "curl/8" });
    expect(await version()).toBe("0.9.1-rc.2");
  });
});

describe("retention", () => {
  test("deletes what is too old, whole deliveries at a time, and never gives a number twice", async () => {
    await using first = await startHub();
    const agent = await first.agent();
    await agent.logs(entries(1, 5));
    await agent.logs(entries(6, 10, { at: new Date().toISOString() }));
    await first.hub.stop();
    const settings = { retention: { logs: { days: 14, bytes: 1024 ** 3 }, metrics: metricsDays } };
    await using second = await startHub({ folder: first.folder, settings });
    await until(async () => (await allEntries(second)).length === 5, "the old entries to go");
    const again = await second.agent();
    // forgotten lines are still known as seen
    expect(await (await again.logs(entries(1, 5))).json()).toEqual({ accepted: 0, duplicates: 5 });
    await again.logs(entries(11, 11, { at: new Date().toISOString() }));
    expect((await allEntries(second)).map((one) => one.id)).toEqual(["6", "7", "8", "9", "10", "11"]);
  });

  test("deletes the oldest beyond its bytes", async () => {
    await using first = await startHub();
    const agent = await first.agent();
    // blocks hold up to a MiB of text each, and go whole
    const last = 6000;
    for (let from = 1; from <= last; from += 100) {
      const noise = () => Buffer.from(crypto.getRandomValues(new Uint8Array(1500))).toString("base64");
      await agent.logs(entries(from, from + 99).map((one) => ({ ...one, message: noise() })));
    }
    await first.hub.stop();
    const bytes = 4 * 1024 * 1024;
    await using second = await startHub({
      folder: first.folder,
      settings: { retention: { logs: { days: 36_500, bytes }, metrics: metricsDays } },
    });
    await until(() => second.said.some((line) => line.includes("retention deleted")), "the oldest entries to go");
    const kept = await allEntries(second);
    expect(kept.map((one) => one.seq)).toEqual(
      Array.from({ length: kept.length }, (_, i) => last + 1 - kept.length + i),
    );
    expect(kept.length * 1500).toBeLessThan(bytes);
    expect(kept.length * 1500).toBeGreaterThan(bytes / 2);
    const page = await second.json<LogsPage>("/api/logs?limit=1");
    expect(page.entries[0]?.seq).toBe(last);
  });
});
