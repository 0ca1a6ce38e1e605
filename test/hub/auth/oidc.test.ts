import { Database } from "bun:sqlite";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { type Clock, systemClock } from "#src/lib/clock.ts";
import type { Session } from "#src/protocol/account.ts";
import type { HubSettings } from "#src/hub/settings.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { startHub } from "#test/hub/kit/hub.ts";
import { type Browser, createBrowser, signedIn } from "../kit/browser.ts";
import { type Account, type Provider, startProvider } from "./provider.ts";

const password = "correct horse battery";

/** What people call the hub; the provider is told of it before the hub has a port. */
const publicUrl = "http://orion.test";

let folder: Folder;
let provider: Provider;
beforeAll(async () => {
  folder = temporaryFolder();
  provider = await startProvider(`${publicUrl}/api/auth/callback/oidc`);
  writeFileSync(folder.at("client-secret"), `${provider.clientSecret}\n`, { mode: 0o600 });
});
afterAll(async () => {
  await provider[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const settings = (more: Partial<NonNullable<HubSettings["oidc"]>> = {}) => ({
  publicUrl,
  trustProxy: 1,
  oidc: {
    name: "Our provider",
    issuer: provider.issuer,
    clientId: provider.clientId,
    clientSecretFile: folder.at("client-secret"),
    scopes: ["openid", "email", "profile"],
    allowedDomains: [],
    defaultRole: null,
    ...more,
  },
});

/** Goes through the provider's pages as `id`, and comes back to the hub. @returns where the hub sends the browser */
async function signInAs(browser: Browser, id: string, account: Account, next = "/servers"): Promise<string> {
  provider.accounts.set(id, account);
  const there = createBrowser(provider.issuer);
  let response = await browser.fetch(`/api/auth/oidc?next=${encodeURIComponent(next)}`);
  for (let step = 0; step < 12; step++) {
    const location = response.headers.get("location");
    if (location !== null) {
      const target = new URL(location, response.url);
      if (target.origin !== provider.issuer) {
        expect(target.origin).toBe(publicUrl);
        const back = await browser.fetch(target.pathname + target.search);
        expect(back.status).toBe(302);
        return back.headers.get("location") ?? "";
      }
      response = await there.fetch(target.href);
      continue;
    }
    const page = await response.text();
    const action = /action="([^"]+)"/.exec(page)?.[1] ?? "";
    const login = page.includes('name="login"');
    const fields = login ? { prompt: "login", login: id, password: "any" } : { prompt: "consent" };
    response = await there.fetch(action, { method: "POST", body: new URLSearchParams(fields) });
  }
  throw new Error("the provider never sent the browser back");
}

const who = async (browser: Browser) => (await browser.send<Session>("GET", "/api/auth/session")).body;

describe("the organisation's provider", () => {
  test("is offered on the sign-in page", async () => {
    await using hub = await startHub({ settings: settings() });
    expect(await (await hub.nobody.get("/api/auth/methods")).json()).toEqual({
      setup: false,
      oidc: { name: "Our provider" },
    });
  });

  test("lets a member in whose address it vouches for, and sends them where they wanted to go", async () => {
    await using hub = await startHub({ settings: settings() });
    const browser = createBrowser(hub.url);
    const account = { email: "owner@example.com", verified: true };
    expect(await signInAs(browser, "owner", account, "/servers/1?tab=logs")).toBe("/servers/1?tab=logs");
    expect(await who(browser)).toMatchObject({
      person: { email: "owner@example.com" },
      organization: { name: "Default", role: "owner" },
    });
    // nothing that the provider gave for itself is kept
    using database = new Database(join(hub.folder, "auth.db"), { readonly: true });
    const tokens = "SELECT accessToken, refreshToken, idToken FROM account WHERE providerId = 'oidc'";
    expect(database.query(tokens).all()).toEqual([{ accessToken: null, refreshToken: null, idToken: null }]);
    // the password still works
    await signedIn(hub.url, "owner@example.com", password);
    // a second time the account is known
    expect(await signInAs(createBrowser(hub.url), "owner", account)).toBe("/servers");
  });

  test("does not let a member in whose address it doesn't vouch for", async () => {
    await using hub = await startHub({ settings: settings() });
    const browser = createBrowser(hub.url);
    const account = { email: "owner@example.com", verified: false };
    expect(await signInAs(browser, "thief", account)).toBe("/login?error=email-unverified");
    expect((await browser.send("GET", "/api/auth/session")).status).toBe(401);
  });

  test("does not let anybody in who was not invited, and leaves no account behind", async () => {
    await using hub = await startHub({ settings: settings() });
    const browser = createBrowser(hub.url);
    const account = { email: "stranger@example.com", verified: true };
    expect(await signInAs(browser, "stranger", account)).toBe("/login?error=not-invited");
    expect((await browser.send("GET", "/api/auth/session")).status).toBe(401);
    expect((await hub.hub.operator.people({})).people.map(({ email }) => email)).toEqual(["owner@example.com"]);
  });

  test("lets in who was invited, with the invitation's role", async () => {
    await using hub = await startHub({ settings: settings() });
    const owner = await hub.owner();
    await owner.send("POST", "/api/organization/invitations", { email: "ann@example.com", role: "admin" });
    const browser = createBrowser(hub.url);
    const unverified = { email: "ann@example.com", verified: false };
    expect(await signInAs(browser, "not-ann", unverified)).toBe("/login?error=not-invited");
    const account = { email: "Ann@example.com", verified: true, name: "Ann" };
    expect(await signInAs(browser, "ann", account)).toBe("/servers");
    expect(await who(browser)).toMatchObject({
      person: { email: "ann@example.com", name: "Ann" },
      organization: { name: "Default", role: "admin" },
    });
    expect((await owner.json<{ invitations: unknown[] }>("/api/organization")).invitations).toEqual([]);
  });

  test("lets in people of the allowed domains with the default role", async () => {
    const oidc = { allowedDomains: ["example.com"], defaultRole: "viewer" as const };
    await using hub = await startHub({ settings: settings(oidc) });
    const browser = createBrowser(hub.url);
    expect(await signInAs(browser, "bob", { email: "bob@example.com", verified: true })).toBe("/servers");
    expect((await who(browser)).organization).toMatchObject({ name: "Default", role: "viewer" });
    const outside = { email: "eve@notexample.com", verified: true };
    expect(await signInAs(createBrowser(hub.url), "eve", outside)).toBe("/login?error=not-invited");
    const unproven = { email: "mallory@example.com", verified: false };
    expect(await signInAs(createBrowser(hub.url), "mallory", unproven)).toBe("/login?error=not-invited");
  });

  test("does not let in who was removed", async () => {
    await using hub = await startHub({ settings: settings() });
    const owner = await hub.owner();
    await owner.send("POST", "/api/organization/invitations", { email: "zoe@example.com", role: "viewer" });
    const browser = createBrowser(hub.url);
    const account = { email: "zoe@example.com", verified: true };
    expect(await signInAs(browser, "zoe", account)).toBe("/servers");
    const { id } = (await who(browser)).person;
    expect((await owner.send("DELETE", `/api/organization/members/${id}`)).status).toBe(204);
    expect(await signInAs(createBrowser(hub.url), "zoe", account)).toBe("/login?error=not-invited");
  });

  test("sends nobody back to another site", async () => {
    await using hub = await startHub({ settings: settings() });
    const account = { email: "owner@example.com", verified: true };
    for (const next of [
      "https://evil.example/",
      "//evil.example/",
      "/\\evil.example",
      "javascript:alert(1)",
      "/.//evil.example/",
      "/a/..//evil.example/",
    ]) {
      expect(await signInAs(createBrowser(hub.url), "owner", account, next)).toBe("/");
    }
  });

  test("sends people back to addresses in any script", async () => {
    await using hub = await startHub({ settings: settings() });
    const account = { email: "owner@example.com", verified: true };
    const back = await signInAs(createBrowser(hub.url), "owner", account, "/projects/\u65e5\u672c?q=\u20ac");
    expect(back).toBe("/projects/%E6%97%A5%E6%9C%AC?q=%E2%82%AC");
  });

  test("is believed only for a sign-in that this browser began", async () => {
    await using hub = await startHub({ settings: settings() });
    const forged = await createBrowser(hub.url).fetch("/api/auth/callback/oidc?code=x&state=y");
    expect([forged.status, forged.headers.get("location")]).toEqual([302, "/login?error=failed"]);
    // a sign-in begun elsewhere, finished here: login CSRF
    const attacker = createBrowser(hub.url);
    const begun = await attacker.fetch("/api/auth/oidc");
    const state = new URL(begun.headers.get("location") ?? "").searchParams.get("state") ?? "";
    const victim = await createBrowser(hub.url).fetch(`/api/auth/callback/oidc?code=x&state=${state}`);
    expect([victim.status, victim.headers.get("location")]).toEqual([302, "/login?error=failed"]);
  });

  test("that refused is said", async () => {
    await using hub = await startHub({ settings: settings() });
    const browser = createBrowser(hub.url);
    const begun = await browser.fetch("/api/auth/oidc");
    const state = new URL(begun.headers.get("location") ?? "").searchParams.get("state") ?? "";
    const back = await browser.fetch(`/api/auth/callback/oidc?error=access_denied&state=${state}`);
    expect(back.headers.get("location")).toBe("/login?error=refused");
  });

  test("that is down keeps the hub neither from starting nor from taking passwords, and is tried again", async () => {
    const gone = await startProvider(publicUrl);
    await gone[Symbol.asyncDispose]();
    await using hub = await startHub({ settings: settings({ issuer: gone.issuer }) });
    await signedIn(hub.url, "owner@example.com", password);
    for (let n = 0; n < 2; n++) {
      const { status, body } = await createBrowser(hub.url).send("GET", "/api/auth/oidc");
      expect([status, body["detail"]]).toEqual([502, expect.stringContaining("Our provider can't be reached")]);
    }
  });

  test("that is asked for a token and never answers keeps nobody waiting", async () => {
    // what the hub waits for a return, in less time
    const after: Clock["after"] = (ms, run) => systemClock.after(ms === 20_000 ? 100 : ms, run);
    await using hub = await startHub({ clock: { ...systemClock, after }, settings: settings() });
    provider.hold.path = "/token";
    try {
      const account = { email: "owner@example.com", verified: true };
      expect(await signInAs(createBrowser(hub.url), "owner", account)).toBe("/login?error=failed");
    } finally {
      provider.hold.path = null;
    }
    expect(hub.said).toContain("warn sign-in failed: Our provider did not answer within 20 s");
  });

  test("is of no use before there is an owner", async () => {
    const oidc = { allowedDomains: ["example.com"], defaultRole: "owner" as const };
    await using hub = await startHub({ untouched: true, settings: settings(oidc) });
    expect(await (await hub.nobody.get("/api/auth/methods")).json()).toEqual({ setup: true, oidc: null });
    expect((await createBrowser(hub.url).send("GET", "/api/auth/oidc")).status).toBe(409);
  });
});

test("a hub without a provider has no such sign-in", async () => {
  await using hub = await startHub();
  expect((await hub.nobody.get("/api/auth/oidc")).status).toBe(404);
  expect((await hub.nobody.get("/api/auth/callback/oidc?code=x&state=y")).status).toBe(404);
});
