import { describe, expect, test } from "bun:test";

import { type TokensStore, createTokens } from "#src/hub/auth/tokens.ts";
import { openTestStore, project } from "#test/hub/store/open.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { failureOf } from "#test/kit/failure.ts";

function tokensOn(store: TokensStore) {
  const clock = createTestClock();
  const failing = { now: false };
  const refuse = async () => await Promise.reject(new Error("disk full"));
  const fragile = new Proxy(store, {
    get: (target, name: keyof TokensStore) => (failing.now ? refuse : target[name]),
  });
  const tokens = createTokens({ store: fragile, clock, warn: () => undefined });
  const key = (name: string, expiresAtMs: number | null = null, organizationId = "o1") =>
    tokens.createKey({ organizationId, name, scopes: ["view:servers"], createdBy: "a@b.c", expiresAtMs });
  const enrolment = (maxUses: number, name = "fleet") =>
    tokens.createEnrolment({
      organizationId: "o1",
      projectId: "p1",
      name,
      createdBy: null,
      expiresAtMs: clock.now() + 60_000,
      maxUses,
    });
  return { tokens, clock, failing, key, enrolment };
}

describe("API keys", () => {
  test("are known by their token until they are revoked, also after a restart", async () => {
    await using opened = await openTestStore();
    const { tokens, clock, key } = tokensOn(opened.store);
    await tokens.open();
    const { view, token } = await key("ci");
    expect(token).toMatch(/^oak_/);
    expect(view).toMatchObject({
      kind: "key",
      name: "ci",
      hint: token.slice(0, 10),
      scopes: ["view:servers"],
      createdAtMs: clock.now(),
      lastUsedAtMs: null,
      maxUses: null,
      projectId: null,
    });
    expect(tokens.authenticate(token)?.id).toBe(view.id);
    expect(tokens.authenticate("oak_nobody")).toBeUndefined();
    await tokens.close();
    const again = tokensOn(await opened.reopen()).tokens;
    await again.open();
    expect(again.authenticate(token)).toMatchObject({ name: "ci", scopes: ["view:servers"] });
    expect(again.keys("o1")[0]?.lastUsedAtMs).toBe(clock.now());
    expect(await again.revoke("o2", view.id)).toBeUndefined();
    const revoking = again.revoke("o1", view.id);
    expect(again.authenticate(token)).toBeUndefined();
    expect((await revoking)?.name).toBe("ci");
    expect(await opened.store.tokens()).toEqual([]);
    expect(await again.revoke("o1", view.id)).toBeUndefined();
  });

  test("are listed by organisation, newest first", async () => {
    await using opened = await openTestStore();
    const { tokens, clock, key } = tokensOn(opened.store);
    for (const name of ["one", "two", "three"]) {
      await key(name);
      clock.advance(1);
    }
    await key("other", null, "o2");
    expect(tokens.keys("o1").map((one) => one.name)).toEqual(["three", "two", "one"]);
  });

  test("are no good from the moment of their expiry", async () => {
    await using opened = await openTestStore();
    const { tokens, clock, key } = tokensOn(opened.store);
    const { token } = await key("ci", clock.now() + 1000);
    clock.advance(999);
    expect(tokens.authenticate(token)).toBeDefined();
    clock.advance(1);
    expect(tokens.authenticate(token)).toBeUndefined();
  });

  test("are as they were when a change could not be stored", async () => {
    await using opened = await openTestStore();
    const { tokens, failing, key } = tokensOn(opened.store);
    const { view, token } = await key("ci");
    failing.now = true;
    expect(await failureOf(key("other"))).toMatchObject({ message: "disk full" });
    expect(await failureOf(tokens.revoke("o1", view.id))).toMatchObject({ message: "disk full" });
    expect(tokens.keys("o1").map((one) => one.name)).toEqual(["ci"]);
    expect(tokens.authenticate(token)).toBeDefined();
  });
});

describe("enrolment tokens", () => {
  test("can be used as often as they say, however many ask at once", async () => {
    await using opened = await openTestStore();
    await opened.store.putProject(project("p1"));
    const { tokens, enrolment } = tokensOn(opened.store);
    const { view, token } = await enrolment(3);
    expect(token).toMatch(/^oet_/);
    const spent = await Promise.all(Array.from({ length: 10 }, () => tokens.spend(view.id)));
    expect(spent.filter(Boolean).length).toBe(3);
    expect(tokens.authenticate(token)).toMatchObject({ uses: 3, maxUses: 3 });
    await tokens.refund(view.id);
    expect([await tokens.spend(view.id), await tokens.spend(view.id)]).toEqual([true, false]);
    const again = tokensOn(await opened.reopen()).tokens;
    await again.open();
    expect(await again.spend(view.id)).toBe(false);
    expect(again.enrolments("p1").map((one) => one.uses)).toEqual([3]);
  });

  test("that are unknown, revoked, or keys have no uses", async () => {
    await using opened = await openTestStore();
    await opened.store.putProject(project("p1"));
    const { tokens, key, enrolment } = tokensOn(opened.store);
    const fleet = await enrolment(1);
    await tokens.spend(fleet.view.id);
    await tokens.revoke("o1", fleet.view.id);
    await tokens.refund(fleet.view.id);
    const spent = [await tokens.spend("nobody"), await tokens.spend((await key("ci")).view.id)];
    expect([...spent, await tokens.spend(fleet.view.id)]).toEqual([false, false, false]);
    expect(tokens.enrolments("p1")).toEqual([]);
  });

  test("keep a use that could not be stored", async () => {
    await using opened = await openTestStore();
    await opened.store.putProject(project("p1"));
    const { tokens, failing, enrolment } = tokensOn(opened.store);
    const { view } = await enrolment(1);
    failing.now = true;
    expect(await failureOf(tokens.spend(view.id))).toMatchObject({ message: "disk full" });
    failing.now = false;
    expect(await tokens.spend(view.id)).toBe(true);
  });

  test("go with their project", async () => {
    await using opened = await openTestStore();
    await opened.store.putProject(project("p1"));
    const { tokens, enrolment, key } = tokensOn(opened.store);
    const { token } = await enrolment(1);
    const { token: ci } = await key("ci");
    tokens.forgetProject("p1");
    expect([tokens.authenticate(token), tokens.authenticate(ci)?.name]).toEqual([undefined, "ci"]);
    expect(tokens.enrolments("p1")).toEqual([]);
  });
});
