import { describe, expect, setDefaultTimeout, test } from "bun:test";

import {
  type NewAgentToken,
  type RegisteredServer,
  type ServersPage,
  registeredServer,
  server as serverSchema,
  serversPage,
} from "#src/protocol/api.ts";
import type { AuditPage } from "#src/protocol/audit.ts";
import type { Project } from "#src/protocol/project.ts";
import { startOrganisations } from "../../kit/organisations.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const hostnames = (page: ServersPage) => page.servers.map((one) => one.hostname);

describe("servers", () => {
  test("are registered once for each name of a project, with a new token each time", async () => {
    await using hub = await startOrganisations();
    const admin = hub.person("north", "admin");
    const first = await admin.post<RegisteredServer>("/api/servers", { hostname: "web-1" });
    const again = await admin.post<RegisteredServer>("/api/servers", { hostname: "web-1" });
    expect(registeredServer.parse(again)).toEqual(again);
    expect(again.id).toBe(first.id);
    expect(again.token).not.toBe(first.token);
    expect(again.token).toStartWith("oat_");
    expect(hub.servers.authenticate(first.id, first.token)).toBeFalse();
    expect(hub.servers.authenticate(first.id, again.token)).toBeTrue();
    expect(hostnames(await admin.get("/api/servers"))).toEqual(["web-1"]);
  });

  test("go to the project that is named by id or name; without one, an error names those there are", async () => {
    await using hub = await startOrganisations();
    const admin = hub.person("north", "admin");
    const shop = await admin.post<Project>("/api/projects", { name: "Shop" });
    const byId = await admin.post<RegisteredServer>("/api/servers", { hostname: "a", project: shop.id });
    const byName = await admin.post<RegisteredServer>("/api/servers", { hostname: "b", project: "shop" });
    expect([byId.projectId, byName.projectId]).toEqual([shop.id, shop.id]);
    const unsaid = await admin.call<{ detail: string }>("POST", "/api/servers", { hostname: "c" });
    expect(unsaid.status).toBe(400);
    expect(unsaid.body.detail).toContain('"default", "Shop"');
    const unknown = await admin.call("POST", "/api/servers", { hostname: "c", project: "nowhere" });
    expect(unknown.status).toBe(404);
    // the project of another organisation, by id and by a name that only it has
    const south = hub.person("south", "owner");
    const theirs = await south.post<Project>("/api/projects", { name: "Secret" });
    for (const project of [theirs.id, "Secret"]) {
      expect((await admin.call("POST", "/api/servers", { hostname: "c", project })).status).toBe(404);
    }
  });

  test.each([
    [{}, "hostname"],
    [{ hostname: "" }, "hostname"],
    [{ hostname: "two words" }, "hostname"],
    [{ hostname: "x".repeat(254) }, "hostname"],
    [{ hostname: "a", machine: "not hex" }, "machine"],
    [{ hostname: "a", replace: "yes" }, "replace"],
    [{ hostname: "a", renamedFrom: "../../x" }, "renamedFrom"],
    [[], "object"],
  ])("a registration of %j is refused by name", async (body, named) => {
    await using hub = await startOrganisations();
    const { status, body: problem } = await hub
      .person("north", "owner")
      .call<{ detail: string }>("POST", "/api/servers", body);
    expect(status).toBe(400);
    expect(problem.detail).toContain(named);
  });

  test("are told with all that the schema promises, before and after the first report", async () => {
    await using hub = await startOrganisations();
    const viewer = hub.person("north", "viewer");
    const { id } = await hub.server("north", "web-1");
    const before = await viewer.get<unknown>(`/api/servers/${id}`);
    expect(serverSchema.parse(before)).toMatchObject({ hostname: "web-1", latest: null, tokenLastUsedAt: null });
    // whether the hub can reach it over SSH is said where a single server was asked for
    const { hasSsh, ...listed } = serverSchema.parse(before);
    expect(hasSsh).toBe(false);
    expect(serversPage.parse(await viewer.get("/api/servers"))).toEqual({ servers: [listed], cursor: null });
    expect(await viewer.get<unknown>(`/api/servers/${id}/scripts`)).toEqual({ scripts: [] });
    expect(await viewer.get<unknown>(`/api/servers/${id}/containers`)).toEqual({ containers: [] });
  });

  test("are listed page by page, each once, also when projects have hosts of the same name", async () => {
    await using hub = await startOrganisations();
    const admin = hub.person("north", "admin");
    const second = await admin.post<Project>("/api/projects", { name: "second" });
    const first = hub.projects.of("north")[0]?.id ?? "";
    for (const hostname of ["a", "b", "c", "ä", "z"]) {
      await hub.servers.register({ projectId: first, hostname });
      await hub.servers.register({ projectId: second.id, hostname });
      await hub.server("south", hostname);
    }
    const all: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const page: ServersPage = await admin.get(`/api/servers?limit=3&cursor=${cursor}`);
      all.push(...page.servers.map((one) => `${one.hostname} ${one.projectId}`));
      ({ cursor } = page);
    }
    const wanted = ["a", "b", "c", "ä", "z"].flatMap((name) => [`${name} ${first}`, `${name} ${second.id}`]);
    expect(all.toSorted()).toEqual(wanted.toSorted());
    expect(hostnames(await admin.get("/api/servers?project=second"))).toEqual(["a", "b", "c", "z", "ä"]);
    expect((await admin.call("GET", "/api/servers?cursor=nonsense")).status).toBe(400);
    expect((await admin.call("GET", "/api/servers?limit=0")).status).toBe(400);
  });

  test("of another organisation do not exist, whatever is asked of them, and nothing happens to them", async () => {
    await using hub = await startOrganisations();
    const { id } = await hub.server("north", "web-1");
    const registered = await hub.servers.rotate(id);
    const stranger = hub.person("south", "owner");
    const paths = [
      ["GET", `/api/servers/${id}`],
      ["GET", `/api/servers/${id}/agent-status`],
      ["GET", `/api/servers/${id}/scripts`],
      ["GET", `/api/servers/${id}/containers`],
      ["POST", `/api/servers/${id}/agent-token`],
      ["DELETE", `/api/servers/${id}/agent-token`],
      ["DELETE", `/api/servers/${id}`],
    ] as const;
    for (const [method, path] of paths) {
      const nothing = await stranger.call(method, path.replace(id, crypto.randomUUID()));
      const theirs = await stranger.call(method, path);
      expect(theirs.status).toBe(404);
      // not even the wording tells the two apart
      expect({ ...(theirs.body as object), requestId: "" }).toEqual({ ...(nothing.body as object), requestId: "" });
    }
    expect(hub.servers.authenticate(id, registered?.token ?? "")).toBeTrue();
    expect(hostnames(await stranger.get("/api/servers"))).toEqual([]);
    const trail = await stranger.get<AuditPage>("/api/audit");
    expect(trail.entries).toEqual([]);
  });

  test("get a new token, lose it, and go, each time with the old one dead and a trace of who did it", async () => {
    await using hub = await startOrganisations();
    const admin = hub.person("north", "admin");
    const { id, token } = await admin.post<RegisteredServer>("/api/servers", { hostname: "web-1" });
    const rotated = await admin.post<NewAgentToken>(`/api/servers/${id}/agent-token`);
    expect(hub.servers.authenticate(id, token)).toBeFalse();
    expect(hub.servers.authenticate(id, rotated.token)).toBeTrue();
    expect((await admin.call("DELETE", `/api/servers/${id}/agent-token`)).status).toBe(204);
    expect(hub.servers.authenticate(id, rotated.token)).toBeFalse();
    expect(await admin.get<unknown>(`/api/servers/${id}/agent-status`)).toEqual({
      status: "disconnected",
      version: null,
      lastSeen: null,
      transport: null,
    });
    expect((await admin.call("DELETE", `/api/servers/${id}`)).status).toBe(204);
    expect((await admin.call("DELETE", `/api/servers/${id}`)).status).toBe(404);

    const { entries } = await admin.get<AuditPage>(`/api/audit?target=${id}`);
    expect(entries.map((one) => one.action)).toEqual([
      "server.deleted",
      "server.token-revoked",
      "server.token-rotated",
      "server.registered",
    ]);
    expect(entries[3]).toMatchObject({
      actor: { kind: "person", id: admin.who.id, name: admin.who.email },
      target: { kind: "server", id, name: "web-1" },
      address: "127.0.0.1",
      userAgent: "tests/1",
      details: { project: "default", created: true },
    });
  });

  test("that a viewer may look at can't be changed by one, and no key without the scope changes them", async () => {
    await using hub = await startOrganisations();
    const { id } = await hub.server("north", "web-1");
    const key = await hub.tokens.createKey({
      organizationId: "north",
      name: "reader",
      scopes: ["view:servers"],
      createdBy: null,
      expiresAtMs: null,
    });
    for (const reader of [hub.person("north", "viewer"), hub.client(key.token)]) {
      expect((await reader.call("GET", `/api/servers/${id}`)).status).toBe(200);
      expect((await reader.call("POST", `/api/servers/${id}/agent-token`)).status).toBe(403);
      expect((await reader.call("DELETE", `/api/servers/${id}`)).status).toBe(403);
      expect((await reader.call("POST", "/api/servers", { hostname: "b" })).status).toBe(403);
    }
  });
});
