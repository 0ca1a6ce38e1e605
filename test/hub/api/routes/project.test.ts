import { describe, expect, setDefaultTimeout, test } from "bun:test";

import type { AuditPage } from "#src/protocol/audit.ts";
import {
  type NewSource,
  type Project,
  newSource,
  project as projectSchema,
  projectsPage,
  sourcesPage,
} from "#src/protocol/project.ts";
import { startOrganisations } from "../../kit/organisations.ts";

setDefaultTimeout(60_000);

const actions = ({ entries }: AuditPage) => entries.map((one) => one.action).toReversed();

describe("projects", () => {
  test("are made, renamed, counted and deleted, and each change is in the trail", async () => {
    await using hub = await startOrganisations();
    const admin = hub.person("north", "admin");
    const shop = await admin.post<Project>("/api/projects", { name: "  Shop " });
    expect(projectSchema.parse(shop)).toMatchObject({ name: "Shop", servers: 0, sources: 0 });
    const renamed = await admin.call<Project>("PATCH", `/api/projects/${shop.id}`, { name: "Store" });
    expect(renamed).toEqual({ status: 200, body: { ...shop, name: "Store" } });
    await admin.post("/api/projects/store/sources", { name: "api" });
    await admin.post("/api/servers", { hostname: "web-1", project: shop.id });
    const counted = { ...shop, name: "Store", servers: 1, sources: 1 };
    expect(await admin.get<unknown>(`/api/projects/${shop.id}`)).toEqual(counted);
    const list = projectsPage.parse(await admin.get("/api/projects"));
    expect(list.projects.map((one) => [one.name, one.servers])).toEqual([
      ["default", 0],
      ["Store", 1],
    ]);
    const { entries } = await admin.get<AuditPage>(`/api/audit?target=${shop.id}&action=project.renamed`);
    expect(entries[0]?.details).toEqual({ from: "Shop" });
    expect(actions(await admin.get("/api/audit"))).toEqual([
      "project.created",
      "project.renamed",
      "source.created",
      "server.registered",
    ]);
  });

  test("keep logs as long as the hub does, until they have a retention of their own", async () => {
    await using hub = await startOrganisations();
    const admin = hub.person("north", "admin");
    const shop = await admin.post<Project>("/api/projects", { name: "Shop" });
    expect(shop.retention).toEqual({ days: null, bytes: null });
    expect(shop.hubRetention).toEqual({ days: 14, bytes: 10 * 1024 ** 3 });
    const path = `/api/projects/${shop.id}`;
    const change = async (retention: unknown) =>
      (await admin.call<Project>("PATCH", path, { retention })).body.retention;
    expect(await change({ days: 30 })).toEqual({ days: 30, bytes: null });
    expect(await change({ bytes: 2 ** 30 })).toEqual({ days: 30, bytes: 2 ** 30 });
    expect(await change({ days: null })).toEqual({ days: null, bytes: 2 ** 30 });
    expect(projectSchema.parse(await admin.get(path))).toMatchObject({
      name: "Shop",
      retention: { days: null, bytes: 2 ** 30 },
    });
    const [stored] = (await hub.state.projects()).filter(({ id }) => id === shop.id);
    expect(stored?.retention).toEqual({ days: null, bytes: 2 ** 30 });
    const { entries } = await admin.get<AuditPage>(`/api/audit?target=${shop.id}&action=project.retention-changed`);
    expect(entries.map((one) => one.details)).toEqual([
      { days: null, bytes: 2 ** 30, from: { days: 30, bytes: 2 ** 30 } },
      { days: 30, bytes: 2 ** 30, from: { days: 30, bytes: null } },
      { days: 30, bytes: null, from: { days: null, bytes: null } },
    ]);
    for (const wrong of [{}, { retention: { days: 0 } }, { retention: { bytes: 1000 } }, { retention: 3 }]) {
      expect((await admin.call("PATCH", path, wrong)).status).toBe(400);
    }
    expect((await hub.person("north", "viewer").call("PATCH", path, { retention: { days: 1 } })).status).toBe(403);
  });

  test("with servers in them are not deleted; without, their sources and enrolment tokens are dead at once", async () => {
    await using hub = await startOrganisations();
    const admin = hub.person("north", "admin");
    const shop = await admin.post<Project>("/api/projects", { name: "shop" });
    const source = await admin.post<NewSource>(`/api/projects/${shop.id}/sources`, { name: "api" });
    const enrolment = await admin.post<{ token: string }>(`/api/projects/${shop.id}/enrolment-tokens`, {});
    const server = await admin.post<{ id: string }>("/api/servers", { hostname: "web-1", project: "shop" });
    const refused = await admin.call<{ detail: string }>("DELETE", `/api/projects/${shop.id}`);
    expect(refused.status).toBe(409);
    expect(refused.body.detail).toStartWith('1 server is still in project "shop"');
    expect(hub.projects.authenticate(source.token)).toBeDefined();

    await admin.call("DELETE", `/api/servers/${server.id}`);
    expect((await admin.call("DELETE", `/api/projects/${shop.id}`)).status).toBe(204);
    expect(hub.projects.authenticate(source.token)).toBeUndefined();
    const late = await hub.client(enrolment.token).call("POST", "/api/enrol", { hostname: "web-2" });
    expect(late.status).toBe(401);
    expect((await admin.call("GET", `/api/projects/${shop.id}`)).status).toBe(404);
    expect((await admin.call("DELETE", `/api/projects/${shop.id}`)).status).toBe(404);
  });

  test("have names of their own within an organisation, but not across organisations", async () => {
    await using hub = await startOrganisations();
    const [north, south] = [hub.person("north", "owner"), hub.person("south", "owner")];
    await north.post("/api/projects", { name: "shop" });
    expect((await north.call("POST", "/api/projects", { name: "SHOP" })).status).toBe(409);
    expect((await north.call("PATCH", "/api/projects/default", { name: "Shop" })).status).toBe(409);
    expect((await south.call("POST", "/api/projects", { name: "shop" })).status).toBe(201);
  });

  test.each([[{}], [{ name: "" }], [{ name: "a\nb" }], [{ name: "x".repeat(101) }], [{ name: 1 }]])(
    "a project of %j is refused",
    async (body) => {
      await using hub = await startOrganisations();
      expect((await hub.person("north", "owner").call("POST", "/api/projects", body)).status).toBe(400);
    },
  );

  test("are listed page by page", async () => {
    await using hub = await startOrganisations();
    const viewer = hub.person("north", "viewer");
    for (const name of ["b", "A", "c", "Ä"]) await viewer.post("/api/projects", { name });
    const names: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const page = projectsPage.parse(await viewer.get(`/api/projects?limit=2&cursor=${cursor}`));
      names.push(...page.projects.map((one) => one.name));
      ({ cursor } = page);
    }
    expect(names).toEqual(["A", "b", "c", "default", "Ä"]);
  });

  test("of another organisation do not exist, nor do their sources", async () => {
    await using hub = await startOrganisations();
    const owner = hub.person("north", "owner");
    const shop = await owner.post<Project>("/api/projects", { name: "shop" });
    const source = await owner.post<NewSource>(`/api/projects/${shop.id}/sources`, { name: "api" });
    const stranger = hub.person("south", "owner");
    const theirs = await stranger.post<NewSource>("/api/projects/default/sources", { name: "api" });
    const asked = [
      ["GET", `/api/projects/${shop.id}`],
      ["PATCH", `/api/projects/${shop.id}`, { name: "mine" }],
      ["DELETE", `/api/projects/${shop.id}`],
      ["GET", `/api/projects/${shop.id}/sources`],
      ["POST", `/api/projects/${shop.id}/sources`, { name: "x" }],
      ["POST", `/api/projects/${shop.id}/sources/${source.id}/token`],
      ["DELETE", `/api/projects/${shop.id}/sources/${source.id}`],
      // through a project of one's own
      ["POST", `/api/projects/default/sources/${source.id}/token`],
      ["DELETE", `/api/projects/default/sources/${source.id}`],
      ["GET", `/api/projects/${shop.id}/enrolment-tokens`],
      ["POST", `/api/projects/${shop.id}/enrolment-tokens`, {}],
    ] as const;
    for (const [method, path, body] of asked) {
      expect({ path, status: (await stranger.call(method, path, body)).status }).toEqual({ path, status: 404 });
    }
    expect(hub.projects.authenticate(source.token)?.id).toBe(source.id);
    expect(hub.projects.authenticate(theirs.token)?.id).toBe(theirs.id);
    const { projects } = projectsPage.parse(await stranger.get("/api/projects"));
    expect(projects.map((one) => one.name)).toEqual(["default"]);
  });
});

describe("sources", () => {
  test("show their token once, when they are made and when it is rotated, and the old one is dead then", async () => {
    await using hub = await startOrganisations();
    const admin = hub.person("north", "admin");
    const made = await admin.post<NewSource>("/api/projects/default/sources", { name: "api" });
    expect(newSource.parse(made).token).toStartWith("ost_");
    const list = await admin.get<unknown>("/api/projects/default/sources");
    expect(JSON.stringify(list)).not.toContain("ost_");
    expect(sourcesPage.parse(list).sources.map((one) => one.name)).toEqual(["api"]);

    const rotated = await admin.post<NewSource>(`/api/projects/default/sources/${made.id}/token`);
    expect(rotated.id).toBe(made.id);
    expect(hub.projects.authenticate(made.token)).toBeUndefined();
    expect(hub.projects.authenticate(rotated.token)?.id).toBe(made.id);
    const used = sourcesPage.parse(await admin.get("/api/projects/default/sources"));
    expect(used.sources[0]?.lastUsedAt).not.toBeNull();

    expect((await admin.call("DELETE", `/api/projects/default/sources/${made.id}`)).status).toBe(204);
    expect(hub.projects.authenticate(rotated.token)).toBeUndefined();
    expect(actions(await admin.get("/api/audit"))).toEqual([
      "source.created",
      "source.token-rotated",
      "source.deleted",
    ]);
  });

  test("can be made by a viewer, but not taken from others", async () => {
    await using hub = await startOrganisations();
    const viewer = hub.person("north", "viewer");
    const made = await viewer.post<NewSource>("/api/projects/default/sources", { name: "api" });
    expect((await viewer.call("POST", "/api/projects/default/sources", { name: "api" })).status).toBe(409);
    expect((await viewer.call("POST", `/api/projects/default/sources/${made.id}/token`)).status).toBe(403);
    expect((await viewer.call("DELETE", `/api/projects/default/sources/${made.id}`)).status).toBe(403);
    expect((await viewer.call("POST", "/api/projects/default/sources", { name: "two words" })).status).toBe(400);
  });
});
