import { describe, expect, test } from "bun:test";

import type { ProjectView, ServerView, SourceView } from "#src/hub/api/ports.ts";
import { createScopes } from "#src/hub/api/routes/scope.ts";

const project = (id: string, organizationId: string | null, name = id): ProjectView => ({
  id,
  organizationId,
  name,
  createdAtMs: 0,
  retention: { days: null, bytes: null },
});
const server = (id: string, projectId: string): ServerView => ({
  id,
  projectId,
  hostname: `host-${id}`,
  createdAtMs: 0,
  tokenUsedAtMs: null,
  heartbeat: null,
});
const source = (id: string, projectId: string): SourceView => ({
  id,
  projectId,
  name: id,
  createdAtMs: 0,
  lastUsedAtMs: null,
});

/** Two organisations, a with two projects, b with one that has the same name as one of a's, and a project of nobody. */
function world() {
  const state = {
    projects: [project("p1", "a", "shop"), project("p2", "a", "blog"), project("p3", "b", "Shop"), project("p0", null)],
    servers: [server("s1", "p1"), server("s2", "p2"), server("s3", "p3"), server("s4", "p1"), server("s0", "p0")],
    sources: [source("x1", "p1"), source("x3", "p3")],
    revision: 0,
    sole: null as string | null,
    reads: 0,
  };
  const scopes = createScopes({
    servers: {
      all: () => {
        state.reads++;
        return state.servers;
      },
      get: (id) => state.servers.find((one) => one.id === id),
      revision: () => state.revision,
    },
    projects: {
      of: (organizationId) => state.projects.filter((one) => one.organizationId === organizationId),
      get: (id) => state.projects.find((one) => one.id === id),
      sources: (projectId) => state.sources.filter((one) => one.projectId === projectId),
      source: (id) => state.sources.find((one) => one.id === id),
      revision: () => state.revision,
    },
    soleOrganization: () => state.sole,
  });
  return { state, scopes };
}

const ids = (list: readonly { readonly id: string }[]) => list.map(({ id }) => id);

describe("what an organisation may see", () => {
  test("is its own servers and sources, and nothing of others or of nobody", () => {
    const { scopes } = world();
    expect(scopes.visible("a")()).toEqual(new Set(["s1", "s2", "s4", "x1"]));
    expect(scopes.visible("b")()).toEqual(new Set(["s3", "x3"]));
    expect(scopes.visible("c")()).toEqual(new Set());
    expect(ids(scopes.servers("a"))).toEqual(["s1", "s2", "s4"]);
    expect(ids(scopes.servers("b"))).toEqual(["s3"]);
  });

  test("is narrowed by a project, named by id or by name in any case", () => {
    const { scopes } = world();
    expect(scopes.visible("a", "p1")()).toEqual(new Set(["s1", "s4", "x1"]));
    expect(scopes.visible("a", "SHOP")()).toEqual(new Set(["s1", "s4", "x1"]));
    expect(scopes.visible("b", "shop")()).toEqual(new Set(["s3", "x3"]));
    expect(ids(scopes.servers("a", scopes.project("a", "blog")))).toEqual(["s2"]);
  });

  test("is everything only while it has the hub to itself and names no project", () => {
    const { state, scopes } = world();
    state.sole = "a";
    const all = scopes.visible("a");
    expect(all()).toBeNull();
    expect(scopes.visible("a", "p2")()).toEqual(new Set(["s2"]));
    // a second organisation comes while a stream is open
    state.sole = null;
    expect(all()).toEqual(new Set(["s1", "s2", "s4", "x1"]));
  });

  test("follows what comes and goes, for whoever asks again", () => {
    const { state, scopes } = world();
    const visible = scopes.visible("a", "p2");
    expect(visible()).toEqual(new Set(["s2"]));
    state.servers.push(server("s5", "p2"));
    state.revision++;
    expect(visible()).toEqual(new Set(["s2", "s5"]));
    state.projects = state.projects.filter(({ id }) => id !== "p2");
    state.revision++;
    expect(visible()).toEqual(new Set());
  });

  test("is worked out once for each change", () => {
    const { state, scopes } = world();
    const visible = scopes.visible("a");
    visible();
    const { reads } = state;
    for (let i = 0; i < 100; i++) visible();
    expect(state.reads).toBe(reads);
  });

  test.each([
    ["a project of another organisation", (s: ReturnType<typeof world>["scopes"]) => s.project("b", "p1")],
    ["a project of nobody", (s: ReturnType<typeof world>["scopes"]) => s.project("b", "p0")],
    ["a project by a name that others have", (s: ReturnType<typeof world>["scopes"]) => s.project("b", "blog")],
    ["a stream of another's project", (s: ReturnType<typeof world>["scopes"]) => s.visible("b", "p2")],
    ["a server of another organisation", (s: ReturnType<typeof world>["scopes"]) => s.server("b", "s1")],
    ["a server of nobody", (s: ReturnType<typeof world>["scopes"]) => s.server("b", "s0")],
    ["a source of another project", (s: ReturnType<typeof world>["scopes"]) => s.source(project("p3", "b"), "x1")],
    ["a destination of another organisation", (s: ReturnType<typeof world>["scopes"]) => s.destination("b", "blog")],
  ])("%s is not found", (_, look) => {
    expect(() => look(world().scopes)).toThrow(/^there is no such/);
  });

  test("a registration goes to the only project, and is told the names when there are several or none", () => {
    const { scopes } = world();
    expect(scopes.destination("b", undefined).id).toBe("p3");
    expect(scopes.destination("a", "blog").id).toBe("p2");
    expect(() => scopes.destination("a", undefined)).toThrow("project is missing, and there are several");
    expect(() => scopes.destination("c", undefined)).toThrow("there is no project to register in");
  });
});
