import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { InvitationView, NewInvitation, Organization, Session } from "#src/protocol/account.ts";
import type { AuditPage } from "#src/protocol/audit.ts";
import type { Role } from "#src/protocol/access.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { type Browser, createBrowser, signedIn } from "../../kit/browser.ts";
import { inviteBy, joinedBy, password } from "../../kit/joining.ts";

let hub: TestHub;
let owner: Browser;
beforeAll(async () => {
  // so that each browser has an address of its own, and none uses up another's attempts
  hub = await startHub({ settings: { trustProxy: 1 } });
  owner = await signedIn(hub.url, "owner@example.com", password);
});
afterAll(async () => await hub[Symbol.asyncDispose]());

const invite = (email: string, role: Role, by = owner) => inviteBy(hub.url, by, email, role);
const joined = (email: string, role: Role, by = owner) => joinedBy(hub.url, by, email, role);
const see = async (browser: Browser) => (await browser.send<Organization>("GET", "/api/organization")).body;
const idOf = async (browser: Browser) => (await browser.send<Session>("GET", "/api/auth/session")).body.person.id;

describe("roles", () => {
  test("other than owner see the members, and neither invitations nor ways to change anything", async () => {
    const admin = await joined("role-admin@example.com", "admin");
    await invite("open@example.com", "viewer");
    const view = await see(admin);
    expect(view.members.length).toBeGreaterThan(1);
    expect(view.invitations).toEqual([]);
    const id = await idOf(owner);
    const refused = [
      await admin.send("PATCH", "/api/organization", { name: "Mine" }),
      await admin.send("POST", "/api/organization/invitations", { email: "x@example.com", role: "owner" }),
      await admin.send("PATCH", `/api/organization/members/${id}`, { role: "viewer" }),
      await admin.send("DELETE", `/api/organization/members/${id}`),
    ];
    expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
  });

  test("change at once", async () => {
    const browser = await joined("changes@example.com", "viewer");
    const id = await idOf(browser);
    const make = () => browser.send("POST", "/api/servers", { hostname: "web-1" });
    expect((await make()).status).toBe(403);
    const { status, body } = await owner.send("PATCH", `/api/organization/members/${id}`, { role: "admin" });
    expect([status, body["role"]]).toEqual([200, "admin"]);
    expect((await make()).status).toBe(201);
    await owner.send("PATCH", `/api/organization/members/${id}`, { role: "viewer" });
    expect((await make()).status).toBe(403);
  });

  test("bound what tokens made by that person may do", async () => {
    const browser = await joined("keys@example.com", "admin");
    const id = await idOf(browser);
    const make = async (scopes: readonly string[]) =>
      (await browser.send<{ token: string }>("POST", "/api/auth/keys", { name: "mine", scopes })).body.token;
    const [wide, narrow] = [await make(["view:servers", "manage:servers"]), await make(["view:servers"])];
    const statusOf = async (token: string) =>
      (await fetch(`${hub.url}/api/servers`, { headers: { authorization: `Bearer ${token}` } })).status;
    expect([await statusOf(wide), await statusOf(narrow)]).toEqual([200, 200]);
    await owner.send("PATCH", `/api/organization/members/${id}`, { role: "viewer" });
    expect([await statusOf(wide), await statusOf(narrow)]).toEqual([401, 200]);
    await owner.send("DELETE", `/api/organization/members/${id}`);
    expect([await statusOf(wide), await statusOf(narrow)]).toEqual([401, 401]);
  });

  test("leave every organisation an owner, also when two give it up at once", async () => {
    await hub.hub.operator.createOwner({ email: "one@two.example", password, organization: "Two" });
    await hub.hub.operator.createOwner({ email: "two@two.example", password, organization: "two" });
    const [one, two] = [
      await signedIn(hub.url, "one@two.example", password),
      await signedIn(hub.url, "two@two.example", password),
    ];
    const ids = [await idOf(one), await idOf(two)];
    const answers = await Promise.all([
      one.send("PATCH", `/api/organization/members/${ids[0]}`, { role: "viewer" }),
      two.send("DELETE", `/api/organization/members/${ids[1]}`),
    ]);
    expect(answers.map(({ status }) => status).filter((status) => status === 409)).toHaveLength(1);
    const rest = answers[0].status === 409 ? one : two;
    expect((await see(rest)).members.filter(({ role }) => role === "owner")).toHaveLength(1);
    const id = await idOf(rest);
    expect((await rest.send("PATCH", `/api/organization/members/${id}`, { role: "admin" })).status).toBe(409);
    expect((await rest.send("DELETE", `/api/organization/members/${id}`)).status).toBe(409);
  });

  test("of another organisation's people can't be touched", async () => {
    const other = await hub.otherOrganizationAdmin();
    const { person } = await other.json<Session>("/api/auth/session");
    expect((await owner.send("PATCH", `/api/organization/members/${person.id}`, { role: "viewer" })).status).toBe(404);
    expect((await owner.send("DELETE", `/api/organization/members/${person.id}`)).status).toBe(404);
  });
});

describe("a member who is removed", () => {
  test("is out at once, and may be invited again", async () => {
    const browser = await joined("leaves@example.com", "admin");
    const id = await idOf(browser);
    expect((await owner.send("DELETE", `/api/organization/members/${id}`)).status).toBe(204);
    expect((await browser.send("GET", "/api/auth/session")).status).toBe(401);
    const again = await browser.send("POST", "/api/auth/sign-in", { email: "leaves@example.com", password });
    expect(again.status).toBe(401);
    const { token } = await invite("leaves@example.com", "viewer");
    const next = { password: "another password 1" };
    expect((await browser.send<InvitationView>("GET", `/api/invitations/${token}`)).body.known).toBe(false);
    expect((await browser.send("POST", `/api/invitations/${token}`, next)).status).toBe(200);
  });

  test("stays signed in to the other organisation", async () => {
    await hub.hub.operator.createOwner({ email: "boss@stay.example", password, organization: "Stay" });
    const boss = await signedIn(hub.url, "boss@stay.example", password);
    const atHome = await joined("stays@example.com", "viewer");
    const { token } = await invite("stays@example.com", "viewer", boss);
    const elsewhere = await signedIn(hub.url, "stays@example.com", password);
    await elsewhere.send("POST", `/api/invitations/${token}`, {});
    const id = await idOf(atHome);
    expect((await boss.send("DELETE", `/api/organization/members/${id}`)).status).toBe(204);
    expect((await elsewhere.send("GET", "/api/auth/session")).status).toBe(401);
    expect((await atHome.send<Session>("GET", "/api/auth/session")).body.organization.name).toBe("Default");
  });
});

describe("an organisation", () => {
  test("gets another name", async () => {
    await using own = await startHub();
    const browser = await signedIn(own.url, "owner@example.com", password);
    expect((await browser.send("PATCH", "/api/organization", { name: "Engines" })).body).toMatchObject({
      name: "Engines",
    });
    expect((await browser.send<Session>("GET", "/api/auth/session")).body.organization.name).toBe("Engines");
  });

  test("has all of it in its audit trail, and nothing of another's", async () => {
    await using own = await startHub();
    const boss = await signedIn(own.url, "owner@example.com", password);
    const { body } = await boss.send<NewInvitation>("POST", "/api/organization/invitations", {
      email: "ann@example.com",
      role: "viewer",
    });
    const ann = createBrowser(own.url);
    await ann.send("POST", `/api/invitations/${body.link.split("/").at(-1)}`, { password });
    const id = await idOf(ann);
    await boss.send("PATCH", `/api/organization/members/${id}`, { role: "admin" });
    await boss.send("DELETE", `/api/organization/members/${id}`);
    const page = await boss.send<AuditPage>("GET", "/api/audit");
    expect(page.body.entries.map(({ action, actor, target }) => `${actor.name} ${action} ${target?.name}`)).toEqual([
      "owner@example.com member.removed ann@example.com",
      "owner@example.com member.role-changed ann@example.com",
      "ann@example.com member.joined ann@example.com",
      "owner@example.com member.invited ann@example.com",
      "owner@example.com person.signed-in owner@example.com",
      "command line key.created test kit",
      "command line member.joined owner@example.com",
      "command line organization.created Default",
    ]);
    const other = await own.otherOrganizationAdmin();
    const { entries } = await other.json<AuditPage>("/api/audit");
    expect(JSON.stringify(entries)).not.toContain("ann@example.com");
  });
});
