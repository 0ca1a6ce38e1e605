import { Database } from "bun:sqlite";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { AuditPage } from "#src/protocol/audit.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { codeOf } from "../../kit/authenticator.ts";
import { createBrowser, signedIn } from "../../kit/browser.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const password = "correct horse battery";

/** The token of the setup link that a hub prints. */
function setupToken(hub: TestHub): string {
  const line = hub.said.find((said) => said.includes("/setup#")) ?? "";
  return line.split("#").at(-1) ?? "";
}

describe("a hub that nobody has an account at", () => {
  test("lets the first owner in with the token that it printed, once", async () => {
    await using hub = await startHub({ untouched: true });
    const browser = createBrowser(hub.url);
    expect((await browser.send("GET", "/api/auth/methods")).body).toEqual({ setup: true, oidc: null });
    const owner = { email: "Ada@Example.com ", password, organization: "Engines" };

    const wrong = await browser.send("POST", "/api/auth/setup", { ...owner, token: "wrong" });
    expect(wrong.status).toBe(403);
    expect(browser.cookies.size).toBe(0);
    const weak = await browser.send("POST", "/api/auth/setup", { ...owner, token: setupToken(hub), password: "short" });
    expect(weak.status).toBe(400);

    const right = await browser.send("POST", "/api/auth/setup", { ...owner, token: setupToken(hub) });
    expect([right.status, right.body]).toEqual([200, { twoFactor: false }]);
    expect((await browser.send("GET", "/api/auth/session")).body).toMatchObject({
      person: { email: "ada@example.com", name: "ada", twoFactor: false },
      organization: { name: "Engines", role: "owner" },
    });
    expect((await browser.send("GET", "/api/auth/methods")).body).toEqual({ setup: false, oidc: null });

    const again = await createBrowser(hub.url).send("POST", "/api/auth/setup", { ...owner, token: setupToken(hub) });
    expect(again.status).toBe(409);
    // what was there before belongs to the organisation now
    const { body } = await browser.send<{ projects: { name: string }[] }>("GET", "/api/projects");
    expect(body.projects.map(({ name }) => name)).toEqual(["default"]);
  });

  test("makes one owner when several people use the link at once", async () => {
    await using hub = await startHub({ untouched: true });
    const token = setupToken(hub);
    const answers = await Promise.all(
      [1, 2, 3, 4].map((n) =>
        createBrowser(hub.url).send("POST", "/api/auth/setup", { token, email: `p${n}@example.com`, password }),
      ),
    );
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 409, 409, 409]);
  });

  test("has a new token after each start, and none once it has an owner", async () => {
    await using folder = temporaryFolder();
    let first: string;
    {
      await using hub = await startHub({ untouched: true, folder: folder.path });
      first = setupToken(hub);
    }
    await using hub = await startHub({ untouched: true, folder: folder.path });
    expect(setupToken(hub)).not.toBe(first);
    const owner = { email: "ada@example.com", password };
    expect((await hub.nobody.send("POST", "/api/auth/setup", { ...owner, token: first })).status).toBe(403);
    await hub.hub.operator.createOwner(owner);
    expect(await hub.hub.operator.setupLink({})).toEqual({ link: null });
  });
});

describe("the password", () => {
  let hub: TestHub;
  beforeAll(async () => {
    hub = await startHub();
  });
  afterAll(async () => await hub[Symbol.asyncDispose]());

  test("signs in, whatever the case of the address, also at a host without a dot", async () => {
    await hub.hub.operator.createOwner({ email: "admin@localhost", password });
    const browser = await signedIn(hub.url, "Admin@Localhost", password);
    expect((await browser.send("GET", "/api/auth/session")).status).toBe(200);
  });

  test("gives a cookie that scripts and other sites don't get", async () => {
    const browser = createBrowser(hub.url);
    const { headers } = await browser.send("POST", "/api/auth/sign-in", { email: "owner@example.com", password });
    const [cookie = "", ...more] = headers.getSetCookie();
    expect(more).toEqual([]);
    expect(cookie).toMatch(
      /^orion-[0-9a-f]{8}\.session_token=[^;]+; Max-Age=1209600; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    expect([...headers.keys()].filter((name) => /token/.test(name))).toEqual([]);
  });

  test("gives a cookie for https only, and for this host only, where people come by https", async () => {
    await using tls = await startHub({ settings: { publicUrl: "https://hub.example.com" } });
    const { headers } = await createBrowser(tls.url).send("POST", "/api/auth/sign-in", {
      email: "owner@example.com",
      password,
    });
    const [cookie = ""] = headers.getSetCookie();
    expect(cookie).toMatch(/^__Host-orion-[0-9a-f]{8}\.session_token=/);
    expect(cookie).toContain("; Secure");
    expect(cookie).not.toContain("Domain");
    const browser = await signedIn(tls.url, "owner@example.com", password);
    expect((await browser.send("GET", "/api/auth/session")).status).toBe(200);
  });

  test("gives a cookie that another hub on the same host, which browsers send it to as well, does not take for its own", async () => {
    await using second = await startHub();
    const credentials = { email: "owner@example.com", password };
    const named = async (url: string) =>
      (await createBrowser(url).send("POST", "/api/auth/sign-in", credentials)).headers
        .getSetCookie()[0]
        ?.split("=")[0];
    const [one, other] = [await named(hub.url), await named(second.url)];
    expect(one).not.toBe(other);
    expect(await named(hub.url)).toBe(one);
  });

  test("is refused in the same words whether or not the account exists", async () => {
    await using own = await startHub();
    const answers = [];
    for (const email of ["owner@example.com", "nobody@example.com"]) {
      const { status, body } = await createBrowser(own.url).send("POST", "/api/auth/sign-in", {
        email,
        password: "wrong password",
      });
      answers.push({ status, ...body, requestId: "" });
    }
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]).toMatchObject({ status: 401, detail: "the e-mail address or the password is wrong" });
  });

  test("is not stored", async () => {
    const files = ["auth.db", "auth.db-wal", "state.db", "state.db-wal"];
    const bytes = files.map((name) => readFileSync(join(hub.folder, name)).toString("latin1")).join("");
    expect(bytes.includes(password)).toBe(false);
  });

  test("is looked at ten times a minute for an account, and the answer says when to come again", async () => {
    await using own = await startHub();
    const attempt = (email: string, right = "wrong") =>
      createBrowser(own.url).send("POST", "/api/auth/sign-in", { email, password: right });
    for (let n = 0; n < 10; n++) expect((await attempt("owner@example.com")).status).toBe(401);
    const { status, headers } = await attempt("owner@example.com", password);
    expect(status).toBe(429);
    expect(Number(headers.get("retry-after"))).toBeWithin(1, 61);
    // all of it came from one address
    expect((await attempt("other@example.com")).status).toBe(429);
  });

  test("may be right as often as one likes", async () => {
    for (let n = 0; n < 12; n++) await signedIn(hub.url, "owner@example.com", password);
  });

  test("that is wrong, and one that is right, are in the audit trail", async () => {
    const owner = await hub.owner();
    await createBrowser(hub.url).send("POST", "/api/auth/sign-in", { email: "owner@example.com", password: "wrong" });
    await createBrowser(hub.url).send("POST", "/api/auth/sign-in", { email: "ghost@example.com", password: "wrong" });
    const { entries } = await owner.json<AuditPage>("/api/audit?action=person.sign-in-failed");
    const { id } = (await owner.json<{ person: { id: string } }>("/api/auth/session")).person;
    expect(entries.map(({ actor, target }) => [actor.kind, target?.id ?? null, target?.name])).toEqual([
      ["nobody", null, "ghost@example.com"],
      ["nobody", id, "owner@example.com"],
    ]);
    const good = await owner.json<AuditPage>("/api/audit?action=person.signed-in");
    expect(good.entries[0]).toMatchObject({ actor: { kind: "person", id }, address: "127.0.0.1" });
  });

  test("doesn't keep the hub from answering others while it is hashed", async () => {
    const state = { answered: 0, done: false };
    const signIns = Promise.all(
      Array.from({ length: 8 }, () => signedIn(hub.url, "owner@example.com", password)),
    ).finally(() => (state.done = true));
    while (!state.done) {
      expect((await fetch(`${hub.url}/healthz`)).status).toBe(200);
      state.answered++;
    }
    await signIns;
    expect(state.answered).toBeGreaterThan(8);
  });
});

describe("a second factor", () => {
  let hub: TestHub;
  beforeAll(async () => {
    hub = await startHub();
  });
  afterAll(async () => await hub[Symbol.asyncDispose]());

  /** A person with an authenticator. */
  async function withAuthenticator(email: string) {
    await hub.hub.operator.createOwner({ email, password });
    const browser = await signedIn(hub.url, email, password);
    type Secret = { uri: string; backupCodes: string[] };
    const { status, body } = await browser.send<Secret>("POST", "/api/auth/two-factor", { password });
    expect(status).toBe(200);
    const { uri, backupCodes } = body;
    expect((await browser.send("POST", "/api/auth/two-factor/confirm", { code: codeOf(uri) })).status).toBe(204);
    // each code is good once, and the next one already
    return { browser, backupCodes, nextCode: () => codeOf(uri, Date.now() + 30_000), uri };
  }

  async function challenged(email: string) {
    const browser = createBrowser(hub.url);
    const { status, body } = await browser.send("POST", "/api/auth/sign-in", { email, password });
    expect([status, body]).toEqual([200, { twoFactor: true }]);
    return browser;
  }

  test("is asked for after the password, and nothing is open before it", async () => {
    const email = "two@example.com";
    const { browser: before, nextCode } = await withAuthenticator(email);
    // whoever enabled it stays signed in
    expect((await before.send("GET", "/api/auth/session")).body).toMatchObject({ person: { twoFactor: true } });
    const browser = await challenged(email);
    expect((await browser.send("GET", "/api/auth/session")).status).toBe(401);
    expect((await browser.send("POST", "/api/auth/second-factor", { code: "000000" })).status).toBe(401);
    const { status, body } = await browser.send("POST", "/api/auth/second-factor", { code: nextCode() });
    expect([status, body]).toEqual([200, { twoFactor: false }]);
    expect((await browser.send("GET", "/api/auth/session")).status).toBe(200);
  });

  test("takes a code once", async () => {
    const email = "once@example.com";
    const { nextCode } = await withAuthenticator(email);
    const [one, other] = [await challenged(email), await challenged(email)];
    const code = nextCode();
    expect((await one.send("POST", "/api/auth/second-factor", { code })).status).toBe(200);
    const replay = await other.send("POST", "/api/auth/second-factor", { code });
    expect([replay.status, replay.body["detail"]]).toEqual([401, expect.stringContaining("used already")]);
    expect((await other.send("GET", "/api/auth/session")).status).toBe(401);
  });

  test("may be a backup code, with or without its dash, once", async () => {
    const email = "backup@example.com";
    const { backupCodes } = await withAuthenticator(email);
    const [first = "", second = ""] = backupCodes;
    expect(backupCodes).toHaveLength(10);
    const codes = [first, second.replace("-", "")];
    for (const code of codes) {
      const browser = await challenged(email);
      expect((await browser.send("POST", "/api/auth/second-factor", { code })).status).toBe(200);
    }
    const browser = await challenged(email);
    expect((await browser.send("POST", "/api/auth/second-factor", { code: first })).status).toBe(401);
  });

  test("lies sealed in the database, and its backup codes too", async () => {
    const { uri, backupCodes } = await withAuthenticator("sealed@example.com");
    using database = new Database(join(hub.folder, "auth.db"), { readonly: true });
    const rows = database.query("SELECT secret, backupCodes FROM twoFactor").all() as Record<string, string>[];
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) for (const value of Object.values(row)) expect(value).toMatch(/^v1\.[\w-]+$/);
    const text = JSON.stringify(rows);
    expect(text).not.toContain(new URL(uri).searchParams.get("secret") ?? "");
    for (const code of backupCodes) expect(text).not.toContain(code);
  });

  test("is looked at ten times a minute from one address", async () => {
    await using own = await startHub();
    const browser = createBrowser(own.url);
    const attempt = () => browser.send("POST", "/api/auth/second-factor", { code: "123456" });
    for (let n = 0; n < 10; n++) expect((await attempt()).status).toBe(401);
    const { status, headers } = await attempt();
    expect(status).toBe(429);
    expect(Number(headers.get("retry-after"))).toBeWithin(1, 61);
  });

  test("that was guessed wrong ten times locks the account's codes, wherever the guesses come from", async () => {
    await using own = await startHub({ settings: { trustProxy: 1 } });
    const browser = await signedIn(own.url, "owner@example.com", password);
    const { body } = await browser.send<{ uri: string }>("POST", "/api/auth/two-factor", { password });
    await browser.send("POST", "/api/auth/two-factor/confirm", { code: codeOf(body.uri) });
    let address = 0;
    const from = () => ({ "x-forwarded-for": `192.0.2.${++address}` });
    const answers: number[] = [];
    for (let round = 0; round < 3; round++) {
      const guesser = createBrowser(own.url);
      await guesser.send("POST", "/api/auth/sign-in", { email: "owner@example.com", password }, from());
      for (let n = 0; n < 4; n++) {
        answers.push((await guesser.send("POST", "/api/auth/second-factor", { code: "123456" }, from())).status);
      }
    }
    expect(answers).toEqual([...Array<number>(10).fill(401), 429, 429]);
    const late = createBrowser(own.url);
    await late.send("POST", "/api/auth/sign-in", { email: "owner@example.com", password }, from());
    const right = { code: codeOf(body.uri, Date.now() + 30_000) };
    const { status, headers } = await late.send("POST", "/api/auth/second-factor", right, from());
    expect([status, headers.get("retry-after")]).toEqual([429, "900"]);
  });

  test("goes away for whoever knows the password, and is not begun with twice", async () => {
    const email = "off@example.com";
    const { browser } = await withAuthenticator(email);
    expect((await browser.send("POST", "/api/auth/two-factor", { password })).status).toBe(409);
    expect((await browser.send("POST", "/api/auth/two-factor/disable", { password: "wrong" })).status).toBe(403);
    expect((await browser.send("POST", "/api/auth/two-factor/disable", { password })).status).toBe(204);
    expect((await createBrowser(hub.url).send("POST", "/api/auth/sign-in", { email, password })).body).toEqual({
      twoFactor: false,
    });
  });

  test("gets new backup codes, and the old ones are dead", async () => {
    const email = "renew@example.com";
    const { browser, backupCodes } = await withAuthenticator(email);
    const { body } = await browser.send<{ backupCodes: string[] }>("POST", "/api/auth/two-factor/backup-codes", {
      password,
    });
    expect(body.backupCodes).toHaveLength(10);
    const next = await challenged(email);
    expect((await next.send("POST", "/api/auth/second-factor", { code: backupCodes[0] })).status).toBe(401);
    expect((await next.send("POST", "/api/auth/second-factor", { code: body.backupCodes[0] })).status).toBe(200);
  });

  test("is taken away by the hub's command line with a new password, and every session ends", async () => {
    const email = "lost@example.com";
    const { browser } = await withAuthenticator(email);
    await hub.hub.operator.resetPassword({ email, password: "a new password 1" });
    expect((await browser.send("GET", "/api/auth/session")).status).toBe(401);
    const { body } = await createBrowser(hub.url).send("POST", "/api/auth/sign-in", {
      email,
      password: "a new password 1",
    });
    expect(body).toEqual({ twoFactor: false });
  });
});
