import { afterAll, beforeAll, describe, expect, setSystemTime, test } from "bun:test";

import type { Session, SessionsList } from "#src/protocol/account.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { type Browser, createBrowser, signedIn } from "../../kit/browser.ts";

const password = "correct horse battery";

let hub: TestHub;
beforeAll(async () => {
  // so that each browser has an address of its own, and none uses up another's attempts
  hub = await startHub({ settings: { trustProxy: 1 } });
});
afterAll(async () => await hub[Symbol.asyncDispose]());

let count = 0;
/** A new owner, signed in. */
async function somebody(): Promise<{ email: string; browser: Browser }> {
  const email = `person-${++count}@example.com`;
  await hub.hub.operator.createOwner({ email, password });
  return { email, browser: await signedIn(hub.url, email, password) };
}

const status = async (browser: Browser) => (await browser.send("GET", "/api/auth/session")).status;

describe("a session", () => {
  test("ends with sign-out, at once, and its cookie goes", async () => {
    const { browser } = await somebody();
    const stolen = { cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
    expect(await status(browser)).toBe(200);
    expect((await browser.send("POST", "/api/auth/sign-out")).status).toBe(204);
    expect(browser.cookies.size).toBe(0);
    expect((await createBrowser(hub.url).send("GET", "/api/auth/session", undefined, stolen)).status).toBe(401);
  });

  test("is the one of the token that is sent, whatever cookies come along", async () => {
    const [one, other] = [await somebody(), await somebody()];
    const [cookie = ""] = other.browser.cookies.values();
    const bearer = { authorization: `Bearer ${decodeURIComponent(cookie).split(".")[0]}` };
    const seen = await one.browser.send<Session>("GET", "/api/auth/session", undefined, bearer);
    expect(seen.body.person.email).toBe(other.email);
    // a cookie of the other's session would make it the browser's own
    const own = await status(one.browser);
    expect((await one.browser.send("POST", "/api/auth/sign-out", undefined, bearer)).status).toBe(204);
    expect([own, await status(other.browser)]).toEqual([200, 401]);
  });

  test("ends everywhere", async () => {
    const { browser, email } = await somebody();
    const other = await signedIn(hub.url, email, password);
    const stranger = await somebody();
    expect(await status(other)).toBe(200);
    expect((await browser.send("POST", "/api/auth/sign-out-everywhere")).status).toBe(204);
    expect([await status(browser), await status(other), await status(stranger.browser)]).toEqual([401, 401, 200]);
  });

  test("is listed with where it is from, and can be ended from another one", async () => {
    const { browser, email } = await somebody();
    const other = createBrowser(hub.url);
    const agent = { "user-agent": "Other/1.0" };
    await other.send("POST", "/api/auth/sign-in", { email, password }, agent);
    const { body } = await browser.send<SessionsList>("GET", "/api/auth/sessions");
    expect(body.sessions.map(({ current, address, userAgent }) => ({ current, address, userAgent }))).toEqual([
      { current: false, address: other.address, userAgent: "Other/1.0" },
      { current: true, address: browser.address, userAgent: expect.stringContaining("Bun") },
    ]);
    const id = body.sessions[0]?.id ?? "";
    const stranger = await somebody();
    expect((await stranger.browser.send("DELETE", `/api/auth/sessions/${id}`)).status).toBe(404);
    expect(await status(other)).toBe(200);
    expect((await browser.send("DELETE", `/api/auth/sessions/${id}`)).status).toBe(204);
    expect([await status(other), await status(browser)]).toEqual([401, 200]);
  });

  test("is not made of a cookie that was changed", async () => {
    const { browser } = await somebody();
    const [name = "", value = ""] = [...browser.cookies][0] ?? [];
    const changed = [
      value.replace(/^./, (letter) => (letter === "a" ? "b" : "a")),
      value.slice(0, -4),
      value.split(".")[0] ?? "",
      "%",
      ".",
      "",
    ];
    for (const bad of changed) {
      const cookie = `${name}=${bad}`;
      expect((await createBrowser(hub.url).send("GET", "/api/auth/session", undefined, { cookie })).status).toBe(401);
    }
  });

  test("ends after two weeks without use, and goes on with use", async () => {
    await using own = await startHub();
    const day = 86_400_000;
    const began = Date.now();
    const used = await signedIn(own.url, "owner@example.com", password);
    const unused = await signedIn(own.url, "owner@example.com", password);
    try {
      for (const days of [5, 10, 15, 20]) {
        setSystemTime(new Date(began + days * day));
        const { status, headers } = await used.send("GET", "/api/auth/session");
        expect(status).toBe(200);
        // the browser forgets it later, too
        expect(headers.getSetCookie().join()).toContain("Max-Age=1209600");
      }
      expect((await unused.send("GET", "/api/auth/session")).status).toBe(401);
    } finally {
      setSystemTime();
    }
  });

  test("refuses changes that another site's page asks for", async () => {
    const { browser } = await somebody();
    const foreign = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    expect((await browser.send("POST", "/api/auth/sign-out", undefined, foreign)).status).toBe(403);
    expect(await status(browser)).toBe(200);
  });
});

describe("one's own account", () => {
  test("gets another name", async () => {
    const { browser } = await somebody();
    expect((await browser.send("PATCH", "/api/auth/person", { name: "Grace Hopper" })).body).toMatchObject({
      name: "Grace Hopper",
    });
    const { body } = await browser.send<Session>("GET", "/api/auth/session");
    expect(body.person.name).toBe("Grace Hopper");
  });

  test("gets another password with the current one; the other sessions end", async () => {
    const { browser, email } = await somebody();
    const other = await signedIn(hub.url, email, password);
    const next = "an even longer password";
    const change = (current: string, wanted: string) =>
      browser.send("POST", "/api/auth/password", { current, new: wanted });
    expect((await change("wrong", next)).status).toBe(403);
    expect((await change(password, "short")).status).toBe(400);
    expect(await status(other)).toBe(200);
    expect((await change(password, next)).status).toBe(204);
    expect([await status(browser), await status(other)]).toEqual([200, 401]);
    await signedIn(hub.url, email, next);
    const old = await createBrowser(hub.url).send("POST", "/api/auth/sign-in", { email, password });
    expect(old.status).toBe(401);
  });

  test("has its password asked for ten times a minute, also by whoever stole the session", async () => {
    const { browser } = await somebody();
    const guess = () => browser.send("POST", "/api/auth/two-factor/disable", { password: "guess" });
    for (let n = 0; n < 10; n++) expect((await guess()).status).toBe(403);
    expect((await guess()).status).toBe(429);
  });
});

describe("somebody of two organisations", () => {
  test("chooses the one that the session is about", async () => {
    const { browser, email } = await somebody();
    const other = await hub.hub.operator.createOwner({ email: "boss@acme.example", password, organization: "Acme" });
    const boss = await signedIn(hub.url, "boss@acme.example", password);
    const invited = await boss.send<{ link: string }>("POST", "/api/organization/invitations", {
      email,
      role: "viewer",
    });
    const token = invited.body.link.split("/").at(-1) ?? "";
    expect((await browser.send("POST", `/api/invitations/${token}`, {})).status).toBe(200);
    // accepting it goes there
    const joined = await browser.send<Session>("GET", "/api/auth/session");
    expect(joined.body.organization).toEqual({ id: other.organizationId, name: "Acme", role: "viewer" });
    const home = joined.body.organizations.find(({ name }) => name === "Default")?.id ?? "";
    const back = await browser.send<Session>("PATCH", "/api/auth/session", { id: home });
    expect(back.body.organization).toEqual({ id: home, name: "Default", role: "owner" });
    expect((await browser.send("PATCH", "/api/auth/session", { id: "nothing" })).status).toBe(404);
    expect((await boss.send("PATCH", "/api/auth/session", { id: home })).status).toBe(404);
  });
});
