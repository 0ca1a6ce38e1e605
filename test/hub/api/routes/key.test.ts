import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { apiKeysList, newApiKey } from "#src/protocol/account.ts";
import type { Role, Scope } from "#src/protocol/access.ts";
import type { AuditPage } from "#src/protocol/audit.ts";
import { type Client, startOrganisations } from "../../kit/organisations.ts";

setDefaultTimeout(60_000);

const path = "/api/auth/keys";
const make = async (who: Client, name: string, scopes: readonly Scope[] = ["view:servers"]) =>
  newApiKey.parse(await who.post(path, { name, scopes }));
const names = async (who: Client) => apiKeysList.parse(await who.get(path)).keys.map((key) => key.name);

describe("API keys", () => {
  test("are shown once, work with their scopes, and are dead when revoked", async () => {
    await using hub = await startOrganisations();
    const admin = hub.person("north", "admin");
    const key = await make(admin, "ci", ["view:servers", "manage:servers", "view:servers"]);
    expect(key).toMatchObject({ name: "ci", scopes: ["view:servers", "manage:servers"], createdBy: admin.who.email });
    expect(key.token).toStartWith(key.hint);
    expect(JSON.stringify(await admin.get<unknown>(path))).not.toContain(key.token);
    const client = hub.client(key.token);
    expect((await client.call("POST", "/api/servers", { hostname: "a" })).status).toBe(201);
    expect(apiKeysList.parse(await admin.get(path)).keys[0]?.lastUsedAt).not.toBeNull();
    const { entries } = await admin.get<AuditPage>("/api/audit?action=server.registered");
    expect(entries[0]?.actor).toEqual({ kind: "key", id: key.id, name: "ci" });

    expect((await admin.call("DELETE", `${path}/${key.id}`)).status).toBe(204);
    expect((await client.call("GET", "/api/servers")).status).toBe(401);
    expect((await admin.call("DELETE", `${path}/${key.id}`)).status).toBe(404);
    const trail = await admin.get<AuditPage>(`/api/audit?target=${key.id}`);
    expect(trail.entries.map((one) => one.action)).toEqual(["key.revoked", "key.created"]);
  });

  test("end when they were told to", async () => {
    await using hub = await startOrganisations();
    const owner = hub.person("north", "owner");
    const before = Date.now();
    const key = newApiKey.parse(await owner.post(path, { name: "k", scopes: ["logs:write"], expiresInDays: 2 }));
    expect(Date.parse(key.expiresAt ?? "") - before).toBeWithin(2 * 86_400_000 - 1, 2 * 86_400_000 + 60_000);
    const ended = await hub.tokens.createKey({
      organizationId: "north",
      name: "old",
      scopes: ["view:servers"],
      createdBy: null,
      expiresAtMs: before - 1,
    });
    expect((await hub.client(ended.token).call("GET", "/api/servers")).status).toBe(401);
    expect((await names(owner)).toSorted()).toEqual(["k", "old"]);
  });

  test.each<[Role, Scope, number]>([
    ["viewer", "view:servers", 201],
    ["viewer", "manage:servers", 403],
    ["viewer", "logs:write", 403],
    ["admin", "manage:servers", 201],
    ["owner", "logs:write", 201],
  ])("of a person with the role %s may have %s: %d", async (role, scope, status) => {
    await using hub = await startOrganisations();
    const body = { name: "k", scopes: [scope] };
    expect((await hub.person("north", role).call("POST", path, body)).status).toBe(status);
  });

  test("are seen and revoked by administrators, others have their own only", async () => {
    await using hub = await startOrganisations();
    const [admin, viewer, other] = (["admin", "viewer", "viewer"] as const).map((role) => hub.person("north", role));
    if (admin === undefined || viewer === undefined || other === undefined) throw new Error("three people");
    const stranger = hub.person("south", "owner");
    const mine = await make(viewer, "mine");
    const theirs = await make(other, "theirs");
    const high = await make(admin, "high");
    expect((await names(admin)).toSorted()).toEqual(["high", "mine", "theirs"]);
    expect(await names(viewer)).toEqual(["mine"]);
    expect(await names(stranger)).toEqual([]);
    for (const [who, id] of [
      [viewer, theirs.id],
      [viewer, high.id],
      [stranger, mine.id],
    ] as const) {
      expect((await who.call("DELETE", `${path}/${id}`)).status).toBe(404);
    }
    expect((await viewer.call("DELETE", `${path}/${mine.id}`)).status).toBe(204);
    expect((await admin.call("DELETE", `${path}/${theirs.id}`)).status).toBe(204);
  });

  test("can't make keys", async () => {
    await using hub = await startOrganisations();
    const key = await make(hub.person("north", "owner"), "all", ["view:servers", "manage:servers", "logs:write"]);
    const client = hub.client(key.token);
    expect((await client.call("POST", path, { name: "k", scopes: ["view:servers"] })).status).toBe(403);
    expect((await client.call("GET", path)).status).toBe(403);
  });

  test("are listed page by page, newest first", async () => {
    await using hub = await startOrganisations();
    const owner = hub.person("north", "owner");
    for (let i = 0; i < 5; i++) {
      await make(owner, `k${i}`);
      await Bun.sleep(2);
    }
    const all: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const page = apiKeysList.parse(await owner.get(`${path}?limit=2&cursor=${cursor}`));
      all.push(...page.keys.map((key) => key.name));
      ({ cursor } = page);
    }
    expect(all).toEqual(["k4", "k3", "k2", "k1", "k0"]);
  });
});
