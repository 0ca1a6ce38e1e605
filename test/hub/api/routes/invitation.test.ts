import { Database } from "bun:sqlite";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, setSystemTime, test } from "bun:test";

import type { Role } from "#src/protocol/access.ts";
import type { InvitationView, Organization, Session } from "#src/protocol/account.ts";
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

describe("an invitation", () => {
  test("shows what it is to, and lets somebody new in with a password of their own", async () => {
    const { token, id } = await invite("new@example.com", "viewer");
    expect((await see(owner)).invitations.map((one) => one.id)).toContain(id);
    const browser = createBrowser(hub.url);
    const { body } = await browser.send<InvitationView>("GET", `/api/invitations/${token}`);
    expect(body).toEqual({ organization: "Default", email: "new@example.com", role: "viewer", known: false });
    expect((await browser.send("POST", `/api/invitations/${token}`, {})).status).toBe(400);
    const accepted = await browser.send("POST", `/api/invitations/${token}`, { password, name: "New Person" });
    expect([accepted.status, accepted.body]).toEqual([200, { twoFactor: false }]);
    expect((await browser.send<Session>("GET", "/api/auth/session")).body).toMatchObject({
      person: { email: "new@example.com", name: "New Person" },
      organization: { name: "Default", role: "viewer" },
    });
    // it is used up
    expect((await browser.send("GET", `/api/invitations/${token}`)).status).toBe(404);
    expect((await browser.send("POST", `/api/invitations/${token}`, { password })).status).toBe(404);
    expect((await see(owner)).invitations.map((one) => one.id)).not.toContain(id);
  });

  test("is accepted by one of many who come at once", async () => {
    const { token } = await invite("race@example.com", "viewer");
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => createBrowser(hub.url).send("POST", `/api/invitations/${token}`, { password })),
    );
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 404, 404, 404]);
  });

  test("of somebody known is accepted by that person, signed in, and by nobody else", async () => {
    await hub.hub.operator.createOwner({ email: "boss@known.example", password, organization: "Known" });
    const boss = await signedIn(hub.url, "boss@known.example", password);
    const ann = await joined("ann@example.com", "viewer");
    const { token } = await invite("ann@example.com", "admin", boss);
    expect((await ann.send<InvitationView>("GET", `/api/invitations/${token}`)).body.known).toBe(true);
    const stranger = createBrowser(hub.url);
    // not even with a password: it would be a second one for the account
    expect((await stranger.send("POST", `/api/invitations/${token}`, { password })).status).toBe(401);
    expect((await owner.send("POST", `/api/invitations/${token}`, {})).status).toBe(403);
    expect((await ann.send("POST", `/api/invitations/${token}`, {})).status).toBe(200);
    expect((await see(boss)).members.map(({ email, role }) => [email, role])).toEqual([
      ["boss@known.example", "owner"],
      ["ann@example.com", "admin"],
    ]);
  });

  test("taken back, replaced or expired is dead", async () => {
    const taken = await invite("taken@example.com", "viewer");
    expect((await owner.send("DELETE", `/api/organization/invitations/${taken.id}`)).status).toBe(204);
    expect((await owner.send("DELETE", `/api/organization/invitations/${taken.id}`)).status).toBe(404);
    const first = await invite("twice@example.com", "viewer");
    const second = await invite("twice@example.com", "admin");
    const late = await invite("late@example.com", "viewer");
    const status = async ({ token }: { token: string }) =>
      (await createBrowser(hub.url).send("GET", `/api/invitations/${token}`)).status;
    expect([await status(taken), await status(first), await status(second)]).toEqual([404, 404, 200]);
    setSystemTime(new Date(Date.now() + 8 * 86_400_000));
    try {
      expect(await status(late)).toBe(404);
    } finally {
      setSystemTime();
    }
    expect(await status(late)).toBe(200);
  });

  test("has a token that is not in the database, and can't be guessed from its id", async () => {
    const { token, id } = await invite("secret@example.com", "viewer");
    using database = new Database(join(hub.folder, "auth.db"), { readonly: true });
    const rows = JSON.stringify(database.query("SELECT * FROM invitation").all());
    expect(rows).toContain(id);
    expect(rows).not.toContain(token.slice(id.length));
    for (const guess of [id, `${id}${"A".repeat(43)}`, token.slice(0, -1), `${token}x`, "x"]) {
      expect((await createBrowser(hub.url).send("GET", `/api/invitations/${guess}`)).status).toBe(404);
    }
  });

  test("is not for members", async () => {
    await joined("already@example.com", "viewer");
    const body = { email: "already@example.com", role: "admin" };
    expect((await owner.send("POST", "/api/organization/invitations", body)).status).toBe(409);
  });

  test("may be tried ten times a minute", async () => {
    await using own = await startHub();
    for (let n = 0; n < 10; n++) expect((await own.nobody.get(`/api/invitations/guess${n}`)).status).toBe(404);
    expect((await own.nobody.get("/api/invitations/guess")).status).toBe(429);
  });
});
