import { afterAll, beforeAll, describe, expect, setSystemTime, test } from "bun:test";

import type { DeviceCode, DeviceView, Session } from "#src/protocol/account.ts";
import type { AuditPage } from "#src/protocol/audit.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { type Answer, type Browser, createBrowser, signedIn } from "../../kit/browser.ts";

const password = "correct horse battery";
const grant = "urn:ietf:params:oauth:grant-type:device_code";

let hub: TestHub;
let browser: Browser;
beforeAll(async () => {
  // so that each device has an address of its own, and none uses up another's attempts
  hub = await startHub({ settings: { trustProxy: 1 } });
  browser = await signedIn(hub.url, "owner@example.com", password);
});
afterAll(async () => await hub[Symbol.asyncDispose]());

type Token = { readonly access_token: string; readonly token_type: string; readonly expires_in: number };
type Problem = { readonly error: string; readonly detail: string };

/** A command line that asks to be signed in. */
async function device(more: Record<string, string> = { hostname: "web-1", purpose: "setup-server" }) {
  const machine = createBrowser(hub.url);
  const { status, body: code } = await machine.send<DeviceCode>("POST", "/api/auth/device/code", {
    client_id: "orion-cli",
    ...more,
  });
  expect(status).toBe(200);
  const poll = (): Promise<Answer<Token & Problem>> =>
    machine.send("POST", "/api/auth/device/token", {
      grant_type: grant,
      device_code: code.device_code,
      client_id: "orion-cli",
    });
  return { machine, code, poll };
}

const see = (code: string, by = browser) =>
  by.send<DeviceView>("GET", `/api/auth/device?code=${encodeURIComponent(code)}`);

/** Runs `work` as if `seconds` had passed. */
async function later<T>(seconds: number, work: () => Promise<T>): Promise<T> {
  setSystemTime(new Date(Date.now() + seconds * 1000));
  try {
    return await work();
  } finally {
    setSystemTime();
  }
}

describe("a device that wants to be signed in", () => {
  test("gets a code to type and where to type it", async () => {
    const { code } = await device();
    expect(code).toEqual({
      device_code: expect.stringMatching(/^\w{40}$/),
      user_code: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/),
      verification_uri: `${hub.url}/device`,
      verification_uri_complete: `${hub.url}/device?code=${code.user_code}`,
      expires_in: 900,
      interval: 5,
    });
  });

  test("is shown to whoever types the code: its name, its address and what it is for", async () => {
    const { machine, code } = await device();
    const typed = code.user_code.toLowerCase().replace("-", " ");
    expect((await see(typed)).body).toEqual({
      userCode: code.user_code,
      hostname: "web-1",
      address: machine.address,
      purpose: "setup-server",
      requestedAt: expect.any(String),
      expiresAt: expect.any(String),
      status: "pending",
    });
    expect((await see(code.user_code, createBrowser(hub.url))).status).toBe(401);
    expect((await see("AAAA-AAAA")).status).toBe(404);
  });

  test("is signed in as who approves it, in the organisation that they are in", async () => {
    const { code, poll } = await device();
    const waiting = await poll();
    expect([waiting.status, waiting.body.error]).toEqual([400, "authorization_pending"]);
    expect(waiting.headers.get("content-type")).toBe("application/problem+json");
    const approved = await browser.send<DeviceView>("POST", "/api/auth/device/approve", { userCode: code.user_code });
    expect([approved.status, approved.body.status]).toEqual([200, "approved"]);
    const { status, body, headers } = await later(6, poll);
    expect([status, body.token_type]).toEqual([200, "Bearer"]);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.getSetCookie()).toEqual([]);
    const machine = createBrowser(hub.url);
    const bearer = { authorization: `Bearer ${body.access_token}` };
    const session = await machine.send<Session>("GET", "/api/auth/session", undefined, bearer);
    expect(session.body).toMatchObject({
      person: { email: "owner@example.com" },
      organization: { name: "Default", role: "owner" },
    });
    // a code is good once
    expect((await later(12, poll)).body.error).toBe("invalid_grant");
    // and the session ends like any other
    expect((await machine.send("POST", "/api/auth/sign-out", undefined, bearer)).status).toBe(204);
    expect((await machine.send("GET", "/api/auth/session", undefined, bearer)).status).toBe(401);
  });

  test("acts in the organisation in which it was approved", async () => {
    const email = "both@example.com";
    await hub.hub.operator.createOwner({ email, password });
    const person = await signedIn(hub.url, email, password);
    await hub.hub.operator.createOwner({ email: "boss@other.test", password, organization: "Other" });
    const boss = await signedIn(hub.url, "boss@other.test", password);
    const { body } = await boss.send<{ link: string }>("POST", "/api/organization/invitations", {
      email,
      role: "viewer",
    });
    await person.send("POST", `/api/invitations/${body.link.split("/").at(-1)}`, {});
    const { code, poll } = await device();
    await person.send("POST", "/api/auth/device/approve", { userCode: code.user_code });
    const { body: token } = await poll();
    const bearer = { authorization: `Bearer ${token.access_token}` };
    const session = await createBrowser(hub.url).send<Session>("GET", "/api/auth/session", undefined, bearer);
    expect(session.body.organization).toMatchObject({ name: "Other", role: "viewer" });
  });

  test("is told that it was refused", async () => {
    const { code, poll } = await device();
    const denied = await browser.send<DeviceView>("POST", "/api/auth/device/deny", { userCode: code.user_code });
    expect(denied.body.status).toBe("denied");
    expect((await poll()).body.error).toBe("access_denied");
    expect((await later(6, poll)).body.error).toBe("invalid_grant");
  });

  test("that polls too fast is told to slow down, and must then wait five seconds longer", async () => {
    const { poll } = await device();
    expect((await poll()).body.error).toBe("authorization_pending");
    expect((await poll()).body.error).toBe("slow_down");
    expect((await later(6, poll)).body.error).toBe("slow_down");
    expect((await later(15, poll)).body.error).toBe("authorization_pending");
  });

  test("may poll a little early: the network is not a clock", async () => {
    const { poll } = await device();
    expect((await poll()).body.error).toBe("authorization_pending");
    expect((await later(4.5, poll)).body.error).toBe("authorization_pending");
  });

  test("has a quarter of an hour", async () => {
    const { code, poll } = await device();
    expect((await later(901, () => see(code.user_code))).status).toBe(404);
    const late = later(901, () => browser.send("POST", "/api/auth/device/approve", { userCode: code.user_code }));
    expect((await late).status).toBe(404);
    expect((await later(901, poll)).body.error).toBe("expired_token");
  });

  test("gets nothing any more when who approved it signs out everywhere first", async () => {
    await hub.hub.operator.createOwner({ email: "regrets@example.com", password });
    const person = await signedIn(hub.url, "regrets@example.com", password);
    const { code, poll } = await device();
    await person.send("POST", "/api/auth/device/approve", { userCode: code.user_code });
    await person.send("POST", "/api/auth/sign-out-everywhere");
    expect((await poll()).body.error).toBe("invalid_grant");
  });

  test("is answered once", async () => {
    const { code } = await device();
    const answer = (verb: string) => browser.send("POST", `/api/auth/device/${verb}`, { userCode: code.user_code });
    const answers = await Promise.all([answer("approve"), answer("approve"), answer("deny")]);
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 409, 409]);
    expect((await answer("approve")).status).toBe(409);
  });

  test("is not signed in by a key or a stranger", async () => {
    const { code } = await device();
    const body = { userCode: code.user_code };
    expect((await createBrowser(hub.url).send("POST", "/api/auth/device/approve", body)).status).toBe(401);
    expect((await hub.send("POST", "/api/auth/device/approve", body)).status).toBe(403);
  });

  test("is in the audit trail, whatever the answer", async () => {
    const { machine, code } = await device({ hostname: "audited", purpose: "login" });
    await browser.send("POST", "/api/auth/device/deny", { userCode: code.user_code });
    const { body } = await browser.send<AuditPage>("GET", "/api/audit?action=device.denied");
    expect(body.entries[0]).toMatchObject({
      actor: { name: "owner@example.com" },
      target: { kind: "device", name: "audited" },
      details: { purpose: "login", address: machine.address },
    });
  });
});

describe("the fields", () => {
  const form = (path: string, fields: string) =>
    createBrowser(hub.url).fetch(path, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: fields,
    });

  test("may come as a form, as RFC 8628 has them", async () => {
    const asked = await form("/api/auth/device/code", "client_id=orion-cli&hostname=web-2");
    expect(asked.status).toBe(200);
    const code = (await asked.json()) as DeviceCode;
    expect((await see(code.user_code)).body).toMatchObject({ hostname: "web-2", purpose: "login" });
    const fields = new URLSearchParams({ grant_type: grant, device_code: code.device_code, client_id: "orion-cli" });
    const polled = await form("/api/auth/device/token", fields.toString());
    expect(((await polled.json()) as Problem).error).toBe("authorization_pending");
  });

  const rows: readonly (readonly [name: string, path: string, fields: string, error: string])[] = [
    ["no device code", "token", `grant_type=${grant}`, "invalid_request"],
    ["another grant", "token", "grant_type=password&device_code=x", "invalid_request"],
    ["a field twice", "token", `grant_type=${grant}&device_code=x&device_code=y`, "invalid_request"],
    ["a device code that nobody was given", "token", `grant_type=${grant}&device_code=x`, "invalid_grant"],
    ["an unknown purpose", "code", "purpose=anything", "invalid_request"],
  ];
  for (const [name, path, fields, error] of rows) {
    test(`with ${name} are refused as ${error}`, async () => {
      const response = await form(`/api/auth/device/${path}`, fields);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ status: 400, error });
    });
  }

  test("of another client don't get the token", async () => {
    const { code, machine } = await device();
    await browser.send("POST", "/api/auth/device/approve", { userCode: code.user_code });
    const other = { grant_type: grant, device_code: code.device_code, client_id: "other" };
    expect((await machine.send<Problem>("POST", "/api/auth/device/token", other)).body.error).toBe("invalid_grant");
  });
});

describe("guessing codes", () => {
  test("is slow", async () => {
    await using own = await startHub();
    const person = await signedIn(own.url, "owner@example.com", password);
    for (let n = 0; n < 10; n++) expect((await see("BBBB-BBBB", person)).status).toBe(404);
    expect((await see("BBBB-BBBB", person)).status).toBe(429);
    for (let n = 0; n < 10; n++) await own.nobody.send("POST", "/api/auth/device/code", {});
    expect((await own.nobody.send("POST", "/api/auth/device/code", {})).status).toBe(429);
  });
});
