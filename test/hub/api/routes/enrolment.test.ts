import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { type RegisteredServer, registeredServer } from "#src/protocol/api.ts";
import type { AuditPage } from "#src/protocol/audit.ts";
import { enrolmentTokensList, newEnrolmentToken } from "#src/protocol/project.ts";
import { type Organisations, startOrganisations } from "../../kit/organisations.ts";

setDefaultTimeout(60_000);

const path = "/api/projects/default/enrolment-tokens";
const machine = (digit: string) => digit.repeat(64);

/** An administrator, and somebody with a new enrolment token. */
async function enrolling(hub: Organisations, request: object = {}) {
  const admin = hub.person("north", "admin");
  const made = newEnrolmentToken.parse(await admin.post(path, request));
  const uses = async () => enrolmentTokensList.parse(await admin.get(path)).tokens[0]?.uses;
  return { admin, made, uses, host: hub.client(made.token) };
}

describe("an enrolment token", () => {
  test("is shown once, and registers as many hosts as it may, each with a trace", async () => {
    await using hub = await startOrganisations();
    const { admin, made, host } = await enrolling(hub, { name: "fleet", maxUses: 2 });
    expect(made).toMatchObject({ name: "fleet", maxUses: 2, uses: 0 });
    const first = await host.post<RegisteredServer>("/api/enrol", { hostname: "a", machine: machine("1") });
    expect(registeredServer.parse(first)).toMatchObject({ hostname: "a", projectId: made.projectId });
    expect(hub.servers.authenticate(first.id, first.token)).toBeTrue();
    await host.post("/api/enrol", { hostname: "b", machine: machine("2") });
    const third = await host.call<{ detail: string }>("POST", "/api/enrol", { hostname: "c", machine: machine("3") });
    expect(third.status).toBe(403);
    expect(third.body.detail).toContain('"fleet" is used up');
    const list = await admin.get<unknown>(path);
    expect(JSON.stringify(list)).not.toContain(made.token);
    expect(enrolmentTokensList.parse(list).tokens[0]).toMatchObject({ uses: 2, maxUses: 2 });
    const { entries } = await admin.get<AuditPage>("/api/audit?action=server.registered");
    expect(entries.map((one) => [one.actor.kind, one.actor.name, one.target?.name])).toEqual([
      ["enrolment", "fleet", "b"],
      ["enrolment", "fleet", "a"],
    ]);
  });

  test("is spent by no more hosts than it may be, however many come at the same time", async () => {
    await using hub = await startOrganisations();
    const { host, uses } = await enrolling(hub, { maxUses: 5 });
    const names = Array.from({ length: 20 }, (_, i) => `host-${i}`);
    const answers = await Promise.all(names.map((hostname) => host.call("POST", "/api/enrol", { hostname })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 403)).toHaveLength(15);
    expect(await uses()).toBe(5);
    expect(hub.servers.all()).toHaveLength(5);
  });

  test("keeps its use when the registration is refused", async () => {
    await using hub = await startOrganisations();
    const { host, uses } = await enrolling(hub);
    const { id } = await hub.server("north", "taken");
    hub.servers.beat(id, { version: "1", heartbeat: "{}", hostname: "taken", startedAt: "2026-01-01T00:00:00.000Z" });
    const gone = { hostname: "new", renamedFrom: crypto.randomUUID() };
    expect((await host.call("POST", "/api/enrol", gone)).status).toBe(404);
    expect((await host.call("POST", "/api/enrol", { hostname: "" })).status).toBe(400);
    // a leaked token takes over nobody who is alive
    expect((await host.call("POST", "/api/enrol", { hostname: "taken" })).status).toBe(409);
    expect((await host.call("POST", "/api/enrol", { hostname: "x", renamedFrom: id })).status).toBe(409);
    const replacing = { hostname: "taken", machine: machine("1"), replace: true };
    expect((await host.call("POST", "/api/enrol", replacing)).status).toBe(403);
    expect(await uses()).toBe(0);
    expect((await host.call("POST", "/api/enrol", { hostname: "free" })).status).toBe(201);
  });

  test("can't choose another project, and opens nothing else", async () => {
    await using hub = await startOrganisations();
    const { admin, host, made } = await enrolling(hub);
    await admin.post("/api/projects", { name: "other" });
    const server = await host.post<RegisteredServer>("/api/enrol", { hostname: "a", project: "other" });
    expect(server.projectId).toBe(made.projectId);
    for (const other of ["/api/servers", "/api/projects", path, "/api/logs"]) {
      expect((await host.call("GET", other)).status).toBe(403);
    }
    expect((await host.call("POST", "/api/servers", { hostname: "b" })).status).toBe(403);
  });

  test("is dead once it was revoked, and what it registered stays", async () => {
    await using hub = await startOrganisations();
    const { admin, host, made } = await enrolling(hub, { maxUses: 9 });
    const server = await host.post<RegisteredServer>("/api/enrol", { hostname: "a" });
    const stranger = hub.person("south", "owner");
    expect((await stranger.call("DELETE", `${path}/${made.id}`)).status).toBe(404);
    expect((await admin.call("DELETE", `${path}/${made.id}`)).status).toBe(204);
    expect((await admin.call("DELETE", `${path}/${made.id}`)).status).toBe(404);
    expect((await host.call("POST", "/api/enrol", { hostname: "b" })).status).toBe(401);
    expect(hub.servers.authenticate(server.id, server.token)).toBeTrue();
  });

  test("that has expired says so", async () => {
    await using hub = await startOrganisations();
    const projectId = hub.projects.of("north")[0]?.id ?? "";
    const old = await hub.tokens.createEnrolment({
      organizationId: "north",
      projectId,
      name: "old",
      createdBy: null,
      expiresAtMs: Date.now() - 1,
      maxUses: 5,
    });
    const answer = await hub.client(old.token).call<{ detail: string }>("POST", "/api/enrol", { hostname: "a" });
    expect(answer.status).toBe(401);
    expect(answer.body.detail).toBe("the enrolment token has expired; make another one");
    const guess = await hub.client(`oet_${"x".repeat(43)}`).call<{ detail: string }>("POST", "/api/enrol", {});
    expect(guess.status).toBe(401);
    expect(guess.body.detail).toContain("is wrong");
  });

  test("is not for viewers to see or make", async () => {
    await using hub = await startOrganisations();
    const viewer = hub.person("north", "viewer");
    expect((await viewer.call("GET", path)).status).toBe(403);
    expect((await viewer.call("POST", path, {})).status).toBe(403);
  });

  test.each([[{ maxUses: 0 }], [{ maxUses: 1.5 }], [{ maxUses: 1e9 }], [{ expiresInHours: 0 }], [{ name: "" }]])(
    "of %j is refused",
    async (request) => {
      await using hub = await startOrganisations();
      expect((await hub.person("north", "owner").call("POST", path, request)).status).toBe(400);
    },
  );
});
