import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { Fault } from "#src/protocol/fault.ts";
import { check } from "#src/protocol/schema.ts";
import { sshRequest } from "#src/protocol/ssh.ts";
import { openTestStore } from "#test/hub/store/open.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { failureOf } from "#test/kit/failure.ts";
import { until } from "#test/kit/wait.ts";
import { createLoop } from "./loop.ts";
import { openTestRooms } from "./rig.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

async function openTwo(live = true) {
  const opened = await openTestStore();
  const clock = createTestClock();
  const loop = createLoop(() => opened.store);
  loop.live = live;
  const [a, b] = [loop.hub("a"), loop.hub("b")];
  // both at once, on an empty database
  const [here, there] = await Promise.all([openTestRooms(a, { clock }), openTestRooms(b, { clock })]);
  /** Everything is told, and nothing more follows from it. */
  async function settle(): Promise<void> {
    loop.deliver();
    for (let turn = 0; turn < 3; turn++) {
      clock.advance(0);
      await loop.settle();
    }
  }
  return {
    opened,
    clock,
    loop,
    here,
    there,
    settle,
    async [Symbol.asyncDispose]() {
      await Promise.all([here.close(), there.close()]);
      await opened[Symbol.asyncDispose]();
    },
  };
}

describe("projects", () => {
  test("begin with one, though two hubs begin at once", async () => {
    await using hubs = await openTwo();
    await hubs.settle();
    for (const { projects } of [hubs.here, hubs.there]) {
      expect(projects.all().map(({ name }) => name)).toEqual(["default"]);
    }
    expect((await hubs.opened.store.projects()).length).toBe(1);
  });

  test("that one hub makes, changes and removes are so on the other, with what was in them", async () => {
    await using hubs = await openTwo();
    const { here, there } = hubs;
    const shop = await here.projects.create("o1", "shop");
    await until(() => there.projects.get(shop.id), "the project");
    const { token } = await there.projects.createSource(shop.id, "api");
    await until(() => here.projects.authenticate(token), "the source");
    const enrolment = await here.tokens.createEnrolment({
      organizationId: "o1",
      projectId: shop.id,
      name: "fleet",
      createdBy: null,
      expiresAtMs: hubs.clock.now() + 60_000,
      maxUses: 2,
    });
    await until(() => there.tokens.authenticate(enrolment.token), "the enrolment token");
    await there.projects.change(shop.id, { retention: { days: 3, bytes: null } });
    await here.projects.change(shop.id, { name: "store" });
    await until(() => there.projects.get(shop.id)?.name === "store", "the new name");
    expect(here.projects.get(shop.id)?.retention.days).toBe(3);
    const revision = there.projects.revision();
    await here.projects.remove(shop.id);
    await until(() => there.projects.get(shop.id) === undefined, "its end");
    expect(there.projects.revision()).toBeGreaterThan(revision);
    expect(there.projects.authenticate(token)).toBeUndefined();
    await until(() => there.tokens.authenticate(enrolment.token) === undefined, "the end of its token");
  });

  test("keep what another hub has changed that this one did not know of", async () => {
    await using hubs = await openTwo();
    const { here, there, loop, settle } = hubs;
    const shop = await here.projects.create("o1", "shop");
    await settle();
    loop.live = false;
    await there.projects.change(shop.id, { retention: { days: 3, bytes: null } });
    expect(await here.projects.change(shop.id, { name: "store" })).toMatchObject({ retention: { days: 3 } });
  });
});

describe("projects that two hubs change at the same moment", () => {
  // Before, whoever wrote last undid what the other had changed
  test("have both changes", async () => {
    await using hubs = await openTwo();
    const { here, there, settle } = hubs;
    const shop = await here.projects.create("o1", "shop");
    await settle();
    const retention = { days: 3, bytes: null };
    await Promise.all([
      here.projects.change(shop.id, { name: "store" }),
      there.projects.change(shop.id, { retention }),
    ]);
    await settle();
    for (const { projects } of [here, there]) expect(projects.get(shop.id)).toMatchObject({ name: "store", retention });
  });

  // Before, a change of what another hub had just removed put it into the store again
  test("stay removed", async () => {
    await using hubs = await openTwo();
    const { here, there, settle, opened } = hubs;
    const shop = await here.projects.create("o1", "shop");
    await settle();
    const [, changed] = await Promise.allSettled([
      here.projects.remove(shop.id),
      there.projects.change(shop.id, { name: "store" }),
    ]);
    expect(changed).toMatchObject({ status: "rejected", reason: { code: "not-found" } });
    await settle();
    expect((await opened.store.projects()).map(({ name }) => name)).toEqual(["default"]);
    for (const { projects } of [here, there]) expect(projects.get(shop.id)).toBeUndefined();
  });
});

describe("sources", () => {
  test("that two hubs rotate at the same moment have one of the two tokens, everywhere", async () => {
    await using hubs = await openTwo();
    const { here, there, settle } = hubs;
    const shop = await here.projects.create("o1", "shop");
    const { source } = await here.projects.createSource(shop.id, "api");
    await settle();
    const made = await Promise.all([here.projects.rotateSource(source.id), there.projects.rotateSource(source.id)]);
    await settle();
    const good = [here, there].map(({ projects }) => made.map(({ token }) => projects.authenticate(token)?.id));
    expect(good[0]?.filter((id) => id === source.id).length).toBe(1);
    expect(good[1] ?? []).toEqual(good[0] ?? []);
  });

  test("of one name are refused on the other hub, as if it had known of it", async () => {
    await using hubs = await openTwo();
    const { here, there, loop, settle } = hubs;
    const shop = await here.projects.create("o1", "shop");
    await settle();
    loop.live = false;
    await here.projects.createSource(shop.id, "api");
    expect(await failureOf(there.projects.createSource(shop.id, "api"))).toMatchObject({
      code: "conflict",
      message: 'the project has a source "api" already',
    });
    expect(there.projects.sources(shop.id).map(({ name }) => name)).toEqual(["api"]);
  });

  test("have the old token dead everywhere once there is a new one, and don't come back", async () => {
    await using hubs = await openTwo();
    const { here, there, loop, settle } = hubs;
    const shop = await here.projects.create("o1", "shop");
    const { source, token } = await here.projects.createSource(shop.id, "api");
    await settle();
    const rotated = await there.projects.rotateSource(source.id);
    await until(() => here.projects.authenticate(rotated.token), "the new token");
    expect(here.projects.authenticate(token)).toBeUndefined();
    await settle();
    loop.live = false;
    await here.projects.removeSource(source.id);
    expect(await failureOf(there.projects.rotateSource(source.id))).toMatchObject({ code: "not-found" });
    await settle();
    expect([here.projects.source(source.id), there.projects.source(source.id)]).toEqual([undefined, undefined]);
  });
});

describe("tokens", () => {
  test("that are made and revoked on one hub are so on the other", async () => {
    await using hubs = await openTwo();
    const { here, there } = hubs;
    const { view, token } = await here.tokens.createKey({
      organizationId: "o1",
      name: "ci",
      scopes: ["view:servers"],
      createdBy: null,
      expiresAtMs: null,
    });
    expect((await until(() => there.tokens.authenticate(token), "the key")).name).toBe("ci");
    await there.tokens.revoke("o1", view.id);
    await until(() => here.tokens.authenticate(token) === undefined, "its end");
  });

  test("can be used as often as they say, whichever hubs are asked at once", async () => {
    await using hubs = await openTwo();
    const { here, there, settle } = hubs;
    const [first] = here.projects.all();
    const { view } = await here.tokens.createEnrolment({
      organizationId: "o1",
      projectId: first?.id ?? "",
      name: "fleet",
      createdBy: null,
      expiresAtMs: hubs.clock.now() + 60_000,
      maxUses: 5,
    });
    await settle();
    const asked = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? here : there).tokens.spend(view.id));
    expect((await Promise.all(asked)).filter(Boolean).length).toBe(5);
    await there.tokens.refund(view.id);
    await settle();
    for (const { tokens } of [here, there]) expect(tokens.enrolments(first?.id ?? "")[0]?.uses).toBe(4);
    expect(await here.tokens.spend(view.id)).toBe(true);
  });
});

describe("SSH details", () => {
  test("that are given, approved and taken away on one hub are so on the other, whose listeners hear of it", async () => {
    await using hubs = await openTwo();
    const { here, there } = hubs;
    const [first] = here.projects.all();
    const { server } = await here.servers.register({ projectId: first?.id ?? "", hostname: "web-1" });
    const told: string[] = [];
    there.access.onChange((id) => told.push(id));
    const request = { host: "192.0.2.1", user: "root", auth: { kind: "password", password: "secret" } };
    await here.access.put(server.id, check(sshRequest, request, "the request"));
    await until(() => there.access.has(server.id), "the details");
    await there.access.approve(server.id, "host", { host: "192.0.2.1", port: 22 }, "SHA256:key");
    await until(async () => (await here.access.targetOf(server.id))?.hostKey === "SHA256:key", "the approval");
    expect((await there.access.targetOf(server.id))?.credentials).toEqual({ kind: "password", password: "secret" });
    await here.access.remove(server.id);
    await until(() => !there.access.has(server.id), "their end");
    expect(told).toEqual([server.id, server.id, server.id]);
  });

  // Before, the approval, which had read what was before, brought the old credentials back
  test("that are given anew while a key is approved on another hub are there, with the approval or without", async () => {
    await using hubs = await openTwo();
    const { here, there, settle } = hubs;
    const [first] = here.projects.all();
    const { server } = await here.servers.register({ projectId: first?.id ?? "", hostname: "web-1" });
    const request = (password: string) =>
      check(sshRequest, { host: "192.0.2.1", user: "root", auth: { kind: "password", password } }, "the request");
    await here.access.put(server.id, request("0"));
    await settle();
    for (let n = 1; n <= 5; n++) {
      await Promise.all([
        here.access.put(server.id, request(String(n))),
        there.access.approve(server.id, "host", { host: "192.0.2.1", port: 22 }, `SHA256:${n}`),
      ]);
      await settle();
      for (const { access } of [here, there]) {
        const target = await access.targetOf(server.id);
        expect([target?.credentials, target?.hostKey]).toEqual([
          { kind: "password", password: String(n) },
          `SHA256:${n}`,
        ]);
      }
    }
  });

  test("that another hub has just changed are not approved by what was seen before", async () => {
    await using hubs = await openTwo();
    const { here, there, loop, settle } = hubs;
    const [first] = here.projects.all();
    const { server } = await here.servers.register({ projectId: first?.id ?? "", hostname: "web-1" });
    await here.access.put(server.id, check(sshRequest, { host: "192.0.2.1", user: "root" }, "the request"));
    await settle();
    loop.live = false;
    await here.access.put(server.id, check(sshRequest, { host: "192.0.2.2", user: "root" }, "the request"));
    const approving = there.access.approve(server.id, "host", { host: "192.0.2.1", port: 22 }, "SHA256:key");
    expect(await failureOf(approving)).toMatchObject({ code: "conflict" });
  });
});

const name = fc.constantFrom("api", "web");
const step = fc.record({
  hub: fc.constantFrom<0 | 1>(0, 1),
  what: fc.constantFrom("project", "rename", "drop", "source", "rotate", "remove", "key", "revoke", "deliver"),
  name,
  turns: fc.constantFrom(0, 0, 1, 3, 20),
});

describe("whatever two hubs do at once", () => {
  test("their projects, sources and tokens end up as the store has them", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        await using hubs = await openTwo(false);
        const { opened, loop, here, there, settle } = hubs;
        const pending: Promise<unknown>[] = [];
        for (const { hub, turns, what, name: wanted } of steps) {
          const { projects, tokens } = hub === 0 ? here : there;
          const project = projects.of("o1")[0]?.id ?? projects.all()[0]?.id ?? "";
          const source = projects.sources(project).at(-1)?.id ?? "";
          const key = { organizationId: "o1", name: wanted, scopes: [], createdBy: null, expiresAtMs: null } as const;
          const does: Readonly<Record<typeof what, () => unknown>> = {
            project: () => projects.create("o1", wanted),
            rename: () => projects.change(project, { name: wanted }),
            drop: () => projects.remove(project),
            source: () => projects.createSource(project, wanted),
            rotate: () => projects.rotateSource(source),
            remove: () => projects.removeSource(source),
            key: () => tokens.createKey(key),
            revoke: () => tokens.revoke("o1", tokens.keys("o1")[0]?.id ?? ""),
            deliver: () => loop.deliver(),
          };
          pending.push(Promise.resolve(does[what]()).catch(refused));
          for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        }
        await Promise.all(pending);
        loop.live = true;
        await settle();
        const byId = <T extends { readonly id: string }>(rows: readonly T[]) =>
          rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
        const projectRows = byId(await opened.store.projects());
        const sourceRows = byId(await opened.store.sources());
        for (const { projects, tokens } of [here, there]) {
          expect(byId(projects.all())).toEqual(projectRows);
          expect(byId(projects.all().flatMap(({ id }) => projects.sources(id)))).toEqual(sourceRows);
          expect(byId(tokens.keys("o1"))).toEqual(byId(await opened.store.tokens()) as never);
        }
      }),
      { numRuns: 25, endOnFailure: true },
    );
  });
});

/** The name is taken, it is gone, or something is in it. */
function refused(error: unknown): void {
  if (!(error instanceof Fault) || (error.code !== "conflict" && error.code !== "not-found")) throw error;
}
