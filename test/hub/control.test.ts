import { existsSync, statSync } from "node:fs";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { connectControl, controlPath } from "#src/hub/control.ts";
import { type HubOperator, operateHub } from "#src/hub/hub.ts";
import { readHubSettings } from "#src/hub/settings.ts";
import { systemClock } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import { startHub } from "#test/hub/kit/hub.ts";
import { createClient, password, signIn } from "#test/hub/kit/people.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const operate = (dataDir: string) =>
  operateHub(readHubSettings({ dataDir, port: 0 }, {}), { clock: systemClock, log: quiet });

async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof Fault) return error;
  throw new Error(`no fault but ${String(error)}`);
}

/** What a machine's administrator does, by whichever way. */
async function furnish(operator: HubOperator) {
  const owner = await operator.createOwner({ email: "Boss@Example.com", password, organization: "Acme" });
  const key = await operator.createKey({ name: "ci", scopes: ["view:servers", "manage:servers"] });
  const source = await operator.createSource({ name: "shop" });
  const enrolment = await operator.createEnrolment({ maxUses: 2 });
  const server = await operator.registerServer({ hostname: "web-1" });
  return { owner, key, source, enrolment, server };
}

describe("the hub's own command line", () => {
  test("reaches a hub that runs, and what it makes works at once", async () => {
    await using hub = await startHub({ untouched: true });
    const { operator, close } = await operate(hub.folder);
    expect((await operator.setupLink({})).link).toStartWith(`${hub.url}/setup#`);
    const made = await furnish(operator);
    expect(made.owner).toMatchObject({ email: "boss@example.com", organization: "Acme" });
    expect((await operator.setupLink({})).link).toBeNull();
    expect((await operator.people({})).people).toEqual([
      expect.objectContaining({
        email: "boss@example.com",
        twoFactor: false,
        memberships: [{ organization: "Acme", role: "owner" }],
      }),
    ]);
    const keyed = createClient(hub.url, { authorization: `Bearer ${made.key.token}` });
    const { servers } = await keyed.json<{ servers: { id: string; hostname: string }[] }>("/api/servers");
    expect(servers.map(({ id, hostname }) => [id, hostname])).toEqual([[made.server.id, "web-1"]]);
    const enrolled = createClient(hub.url, { authorization: `Bearer ${made.enrolment.token}` });
    for (const [name, status] of [
      ["a", 201],
      ["b", 201],
      ["c", 403],
    ] as const) {
      expect((await enrolled.send("POST", "/api/enrol", { hostname: name })).status).toBe(status);
    }
    const owner = await signIn(hub.url, "boss@example.com");
    const trail = await owner.json<{ entries: { action: string; actor: { kind: string } }[] }>("/api/audit");
    const byHub = trail.entries.filter((entry) => entry.actor.kind === "hub").map((entry) => entry.action);
    expect(byHub).toEqual(
      expect.arrayContaining(["key.created", "source.created", "enrolment.created", "server.registered"]),
    );
    await close();
  });

  test("does the same on the folder of a hub that does not run, and the hub knows it afterwards", async () => {
    await using folder = temporaryFolder();
    const { operator, close } = await operate(folder.path);
    expect((await faultOf(operator.setupLink({}))).message).toContain("the hub does not run");
    const { key, server } = await furnish(operator);
    await close();
    await using hub = await startHub({ folder: folder.path, untouched: true });
    const keyed = createClient(hub.url, { authorization: `Bearer ${key.token}` });
    expect((await keyed.get(`/api/servers/${server.id}`)).status).toBe(200);
    expect((await signIn(hub.url, "boss@example.com")).email).toBe("boss@example.com");
  });

  test("gives a forgotten password anew, which ends all sessions of the person", async () => {
    await using hub = await startHub();
    const owner = await hub.owner();
    const { operator } = await operate(hub.folder);
    await operator.resetPassword({ email: "owner@example.com", password: "another long password" });
    expect((await owner.get("/api/auth/session")).status).toBe(401);
    expect((await faultOf(operator.resetPassword({ email: "nobody@example.com", password }))).code).toBe("not-found");
  });

  test("is told by the same faults on both ways", async () => {
    await using hub = await startHub();
    const { operator } = await operate(hub.folder);
    for (const one of [operator, hub.hub.operator]) {
      const taken = await faultOf(one.createOwner({ email: "owner@example.com", password }));
      expect([taken.code, taken.message]).toEqual(["conflict", "owner@example.com has an account already"]);
      const unknown = await faultOf(one.createKey({ organization: "Nowhere", name: "k", scopes: ["logs:write"] }));
      expect([unknown.code, unknown.message]).toEqual(["not-found", 'there is no organization "Nowhere"']);
      expect((await faultOf(one.createSource({ name: "x", project: "none" }))).code).toBe("not-found");
    }
    const short = await faultOf(operator.createOwner({ email: "new@example.com", password: "short" }));
    expect([short.code, short.message]).toEqual([
      "invalid",
      "the order is not valid: password: must have at least 12 characters",
    ]);
  });

  test("asks which organisation is meant when there are several", async () => {
    await using hub = await startHub();
    const { operator } = hub.hub;
    await operator.createOwner({ email: "other@example.com", password, organization: "Other" });
    const unclear = await faultOf(operator.createKey({ name: "k", scopes: ["logs:write"] }));
    expect([unclear.code, unclear.hint]).toEqual(["invalid", 'Name one of "Default", "Other", or its id']);
    const theirs = await operator.registerServer({ hostname: "web-1", organization: "other" });
    const ours = await operator.registerServer({ hostname: "web-1", organization: "Default" });
    expect(theirs.id).not.toBe(ours.id);
  });
});

describe("the control socket", () => {
  test("is for the hub's own user only, and gone when the hub is", async () => {
    await using hub = await startHub();
    const path = controlPath(hub.folder);
    const { mode } = statSync(path);
    expect(mode & 0o777).toBe(0o600);
    await hub.hub.stop();
    expect(existsSync(path)).toBe(false);
    expect(await connectControl(hub.folder)).toBeUndefined();
  });

  test("left behind by a hub that was killed, it is in nobody's way", async () => {
    await using folder = temporaryFolder();
    // a socket that nobody listens on
    const listener = Bun.listen({ unix: controlPath(folder.path), socket: { data: () => undefined } });
    const left = Bun.file(controlPath(folder.path));
    listener.stop(true);
    if (!existsSync(left.name ?? "")) await Bun.write(controlPath(folder.path), "");
    const { operator, close } = await operate(folder.path);
    expect((await operator.people({})).people).toEqual([]);
    await close();
    await using hub = await startHub({ folder: folder.path });
    expect((await (await operate(hub.folder)).operator.people({})).people).toHaveLength(1);
  });

  for (const [name, method, path, body] of [
    ["an unknown order", "POST", "/format", "{}"],
    ["a name of the object prototype", "POST", "/constructor", "{}"],
    ["GET", "GET", "/people", undefined],
    ["what is no JSON", "POST", "/createKey", "{"],
    ["an order without what it needs", "POST", "/createKey", "{}"],
  ] as const) {
    test(`answers ${name} with a failure`, async () => {
      await using hub = await startHub({ untouched: true });
      const response = await fetch(`http://hub${path}`, {
        unix: controlPath(hub.folder),
        method,
        ...(body === undefined ? {} : { body }),
      });
      expect(response.ok).toBe(false);
      expect(await response.json()).toMatchObject({ code: expect.any(String), detail: expect.any(String) });
    });
  }
});
