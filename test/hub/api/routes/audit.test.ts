import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { createAudit, traceOf } from "#src/hub/api/audit.ts";
import { systemClock } from "#src/lib/clock.ts";
import { auditPage } from "#src/protocol/audit.ts";
import { Fault } from "#src/protocol/fault.ts";
import { startOrganisations } from "../../kit/organisations.ts";

setDefaultTimeout(60_000);

describe("the audit trail", () => {
  test("is read newest first, page by page, and narrowed by act, actor and target", async () => {
    await using hub = await startOrganisations();
    const [ann, bob] = [hub.person("north", "admin"), hub.person("north", "owner")];
    const ids: string[] = [];
    for (const who of [ann, bob, ann, bob, ann]) {
      ids.push((await who.post<{ id: string }>("/api/servers", { hostname: `host-${ids.length}` })).id);
    }
    const first = ids[0] ?? "";
    await bob.post(`/api/servers/${first}/agent-token`);

    const seen: (string | undefined)[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const page = auditPage.parse(await ann.get(`/api/audit?limit=4&cursor=${cursor}`));
      seen.push(...page.entries.map((one) => one.target?.name));
      ({ cursor } = page);
    }
    expect(seen).toEqual(["host-0", "host-4", "host-3", "host-2", "host-1", "host-0"]);
    const count = async (query: string) => auditPage.parse(await ann.get(`/api/audit?${query}`)).entries.length;
    expect(await count("action=server.registered")).toBe(5);
    expect(await count(`actor=${bob.who.id}`)).toBe(3);
    expect(await count(`target=${first}`)).toBe(2);
    expect(await count(`target=${first}&actor=${ann.who.id}`)).toBe(1);
    expect((await ann.call("GET", "/api/audit?action=no.such")).status).toBe(400);
    expect((await ann.call("GET", "/api/audit?cursor=x")).status).toBe(400);
  });

  test("is an organisation's own, and what is nobody's is shown only where there is one organisation", async () => {
    await using hub = await startOrganisations();
    const north = hub.person("north", "admin");
    const south = hub.person("south", "admin");
    await north.post("/api/servers", { hostname: "a" });
    const nobody = { kind: "nobody", id: null, name: "mallory@example.org" } as const;
    const from = { address: "192.0.2.1", userAgent: null, requestId: null, target: null };
    await hub.audit.record(null, { action: "person.sign-in-failed", actor: nobody, ...from });
    const actions = async (who: typeof north) =>
      auditPage.parse(await who.get("/api/audit")).entries.map((one) => one.action);
    expect(await actions(north)).toEqual(["server.registered"]);
    expect(await actions(south)).toEqual([]);
    hub.hub.sole = "north";
    expect(await actions(north)).toEqual(["person.sign-in-failed", "server.registered"]);
    expect(await actions(south)).toEqual([]);
  });

  test("is not for viewers", async () => {
    await using hub = await startOrganisations();
    expect((await hub.person("north", "viewer").call("GET", "/api/audit")).status).toBe(403);
  });

  test("that can't be written goes into the log, and does not undo what it tells of", async () => {
    const said: string[] = [];
    const audit = createAudit({
      store: {
        addAudit: () => Promise.reject(new Fault("unavailable", "the disk is full")),
        audit: async () => ({ entries: [], cursor: null }),
      },
      clock: systemClock,
      warn: (message) => void said.push(message),
      soleOrganization: () => null,
    });
    const actor = { kind: "hub", id: null, name: "hub" } as const;
    const from = { target: null, address: null, userAgent: null, requestId: null };
    await audit.record("north", { action: "hub.backed-up", actor, ...from });
    expect(said).toHaveLength(1);
    expect(said[0]).toContain("the disk is full");
    expect(said[0]).toContain('"action":"hub.backed-up"');
  });

  test("keeps only so much of what a client calls itself", () => {
    const request = new Request("http://hub/", { headers: { "user-agent": "x".repeat(10_000) } });
    const trace = traceOf({ request, address: null, requestId: "r", caller: { kind: "nobody" } });
    expect(trace.userAgent?.length).toBe(301);
    expect(trace.actor).toEqual({ kind: "nobody", id: null, name: "nobody" });
  });
});
