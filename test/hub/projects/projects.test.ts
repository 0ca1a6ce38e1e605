import { describe, expect, test } from "bun:test";

import { createToken, digestOf, matchesToken } from "#src/hub/auth/token.ts";
import type { ProjectsStore } from "#src/hub/projects/port.ts";
import { createProjects } from "#src/hub/projects/projects.ts";
import { openTestStore, server } from "#test/hub/store/open.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { failureOf } from "#test/kit/failure.ts";
import { until } from "#test/kit/wait.ts";

function projectsOn(store: ProjectsStore) {
  const clock = createTestClock();
  const warnings: string[] = [];
  const failing = { now: false };
  const refuse = async () => await Promise.reject(new Error("disk full"));
  const fragile = new Proxy(store, {
    get: (target, name: keyof ProjectsStore) => (failing.now ? refuse : target[name]),
  });
  const projects = createProjects({
    store: fragile,
    tokens: { create: () => createToken("source"), digestOf, matches: matchesToken },
    clock,
    warn: (message) => void warnings.push(message),
  });
  return { projects, clock, warnings, failing };
}

const names = (all: readonly { readonly name: string }[]) => all.map((one) => one.name);

describe("projects", () => {
  test("begin with a default one that the first organisation takes over; later ones get their own", async () => {
    await using opened = await openTestStore();
    const { projects } = projectsOn(opened.store);
    await projects.open();
    const [first] = projects.all();
    expect(first).toMatchObject({ name: "default", organizationId: null });
    expect(projects.of("o1")).toEqual([]);
    await projects.adopt("o1");
    await projects.adopt("o1");
    await projects.adopt("o2");
    expect(projects.of("o1").map((one) => one.id)).toEqual([first?.id ?? ""]);
    expect(names(projects.of("o2"))).toEqual(["default"]);
    const again = projectsOn(await opened.reopen());
    await again.projects.open();
    expect(again.projects.all().length).toBe(2);
    expect(again.projects.of("o1")).toEqual(projects.of("o1"));
  });

  test("have names of their own within an organisation, case ignored", async () => {
    await using opened = await openTestStore();
    const { projects } = projectsOn(opened.store);
    await projects.open();
    const shop = await projects.create("o1", "Shop");
    expect(await failureOf(projects.create("o1", "shop"))).toMatchObject({ code: "conflict" });
    expect((await projects.create("o2", "shop")).name).toBe("shop");
    const blog = await projects.create("o1", "blog");
    expect(names(projects.of("o1"))).toEqual(["blog", "Shop"]);
    expect(await failureOf(projects.change(blog.id, { name: "SHOP" }))).toMatchObject({ code: "conflict" });
    expect((await projects.change(shop.id, { name: "shop" })).name).toBe("shop");
    expect(projects.get(shop.id)?.name).toBe("shop");
    expect(await failureOf(projects.change("none", { name: "x" }))).toMatchObject({ code: "not-found" });
  });

  test("go with their sources, but not while servers are in them", async () => {
    await using opened = await openTestStore();
    const { projects } = projectsOn(opened.store);
    await projects.open();
    const shop = await projects.create("o1", "shop");
    const { source, token } = await projects.createSource(shop.id, "api");
    await opened.store.putServer(server("a", { projectId: shop.id }));
    expect(await failureOf(projects.remove(shop.id))).toMatchObject({ code: "conflict" });
    expect(projects.authenticate(token)?.id).toBe(source.id);
    expect(names(projects.sources(shop.id))).toEqual(["api"]);
    await opened.store.deleteServer("a");
    await projects.remove(shop.id);
    expect(projects.get(shop.id)).toBeUndefined();
    expect(projects.source(source.id)).toBeUndefined();
    expect(projects.authenticate(token)).toBeUndefined();
    expect(await failureOf(projects.remove(shop.id))).toMatchObject({ code: "not-found" });
  });

  test("are as they were when a change could not be stored", async () => {
    await using opened = await openTestStore();
    const { projects, failing } = projectsOn(opened.store);
    await projects.open();
    const shop = await projects.create("o1", "shop");
    const { source, token } = await projects.createSource(shop.id, "api");
    failing.now = true;
    for (const attempt of [
      () => projects.create("o1", "blog"),
      () => projects.change(shop.id, { name: "store" }),
      () => projects.remove(shop.id),
      () => projects.createSource(shop.id, "worker"),
      () => projects.rotateSource(source.id),
      () => projects.removeSource(source.id),
      () => projects.adopt("o1"),
    ])
      expect(await failureOf(attempt())).toMatchObject({ message: "disk full" });
    expect(names(projects.of("o1"))).toEqual(["shop"]);
    expect(names(projects.all())).toEqual(["default", "shop"]);
    expect(names(projects.sources(shop.id))).toEqual(["api"]);
    expect(projects.authenticate(token)).toMatchObject({ id: source.id });
  });

  test("count a revision up with each project or source that comes, goes or gets another name", async () => {
    await using opened = await openTestStore();
    const { projects } = projectsOn(opened.store);
    await projects.open();
    const [first] = projects.all();
    const id = first?.id ?? "";
    let last = projects.revision();
    const moved = () => {
      const was = last;
      last = projects.revision();
      return last > was;
    };
    const { source, token } = await projects.createSource(id, "api");
    expect(moved()).toBe(true);
    projects.authenticate(token);
    expect(moved()).toBe(false);
    await projects.change(id, { name: "main" });
    expect(moved()).toBe(true);
    await projects.removeSource(source.id);
    expect(moved()).toBe(true);
    await projects.adopt("o1");
    expect(moved()).toBe(true);
  });
});

describe("sources", () => {
  test("have a token each, which a new one kills at once", async () => {
    await using opened = await openTestStore();
    const { projects } = projectsOn(opened.store);
    await projects.open();
    const id = projects.all()[0]?.id ?? "";
    const api = await projects.createSource(id, "api");
    const worker = await projects.createSource(id, "worker");
    expect(api.token).toMatch(/^ost_/);
    expect(await failureOf(projects.createSource(id, "api"))).toMatchObject({ code: "conflict" });
    expect(await failureOf(projects.createSource("none", "api"))).toMatchObject({ code: "not-found" });
    const rotating = projects.rotateSource(api.source.id);
    expect(projects.authenticate(api.token)).toBeUndefined();
    const rotated = await rotating;
    expect(projects.authenticate(rotated.token)).toMatchObject({ name: "api", projectId: id });
    const removing = projects.removeSource(worker.source.id);
    expect(projects.authenticate(worker.token)).toBeUndefined();
    await removing;
    expect(names(projects.sources(id))).toEqual(["api"]);
    expect(projects.authenticate("ost_nobody")).toBeUndefined();
    const again = projectsOn(await opened.reopen());
    await again.projects.open();
    expect(again.projects.authenticate(rotated.token)?.id).toBe(api.source.id);
    expect(again.projects.sources(id).length).toBe(1);
  });

  test("say when they were last used; that is written every few seconds, not each time", async () => {
    await using opened = await openTestStore();
    const { projects, clock } = projectsOn(opened.store);
    await projects.open();
    const { source, token } = await projects.createSource(projects.all()[0]?.id ?? "", "api");
    expect(source.lastUsedAtMs).toBeNull();
    for (let i = 0; i < 5; i++) projects.authenticate(token);
    expect((await opened.store.sources())[0]?.lastUsedAtMs).toBeNull();
    const usedAt = clock.now();
    clock.advance(5000);
    await until(async () => (await opened.store.sources())[0]?.lastUsedAtMs === usedAt);
    clock.advance(1000);
    projects.authenticate(token);
    await projects.close();
    expect((await opened.store.sources())[0]?.lastUsedAtMs).toBe(usedAt + 6000);
  });
});
