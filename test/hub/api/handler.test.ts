import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { type TestHub, startHub } from "#test/hub/kit/hub.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(async () => await hub[Symbol.asyncDispose]());

describe("the id of a request", () => {
  test("is made, and each is another", async () => {
    const ids = await Promise.all(
      Array.from({ length: 5 }, async () => (await hub.get("/healthz")).headers.get("x-request-id")),
    );
    expect(new Set(ids).size).toBe(5);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("is the client's when it is a sane one, in the answer, the problem and the log", async () => {
    const response = await hub.get("/api/servers/none", { "x-request-id": "trace-4711.a" });
    expect(response.headers.get("x-request-id")).toBe("trace-4711.a");
    expect(await response.json()).toMatchObject({ status: 404, requestId: "trace-4711.a" });
    expect(hub.said.find((line) => line.includes("trace-4711.a"))).toMatch(
      /^debug GET \/api\/servers\/:id \[trace-4711\.a\]: 404 in \d+ ms$/,
    );
  });

  for (const odd of ["with space", "x".repeat(129), '"quoted"', "<b>", "a;b"]) {
    test(`${JSON.stringify(odd).slice(0, 20)} is not taken`, async () => {
      const response = await hub.get("/healthz", { "x-request-id": odd });
      expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    });
  }

  test("is an agent's, too", async () => {
    const agent = await hub.agent();
    expect((await agent.beat()).headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("a secret in a path does not come into the log", async () => {
    await hub.get("/api/invitations/very-secret");
    await hub.get("/invite/very-secret");
    expect(hub.said.filter((line) => line.includes("very-secret"))).toEqual([]);
  });
});

describe("answers that a page asks for again", () => {
  for (const path of ["/api/servers", "/api/projects", "/api/events", "/api/logs"]) {
    test(`${path}: 304 until it changes`, async () => {
      const first = await hub.get(path);
      const tag = first.headers.get("etag") ?? "";
      expect(tag).toMatch(/^W\/"[\w-]+"$/);
      expect(first.headers.get("cache-control")).toBe("private, no-cache");
      const again = await hub.get(path, { "if-none-match": tag });
      expect([again.status, await again.text(), again.headers.get("etag")]).toEqual([304, "", tag]);
    });
  }

  test("a server that came is seen at once", async () => {
    const tag = (await hub.get("/api/servers")).headers.get("etag") ?? "";
    await hub.agent("newcomer");
    const changed = await hub.get("/api/servers", { "if-none-match": `"other", ${tag}` });
    expect(changed.status).toBe(200);
    expect(changed.headers.get("etag")).not.toBe(tag);
  });

  test("what one has been given says nothing to another, even where both get the same", async () => {
    const [owner, admin] = [await hub.owner(), await hub.admin()];
    const [first, other] = [await owner.get("/api/servers"), await admin.get("/api/servers")];
    expect(await other.text()).toBe(await first.text());
    const tag = first.headers.get("etag") ?? "";
    expect((await admin.get("/api/servers", { "if-none-match": tag })).status).toBe(200);
    expect((await owner.get("/api/servers", { "if-none-match": tag })).status).toBe(304);
  });

  test("what another may see is not given to who is not let in", async () => {
    const tag = (await hub.get("/api/servers")).headers.get("etag") ?? "";
    expect((await hub.nobody.get("/api/servers", { "if-none-match": tag })).status).toBe(401);
    expect((await hub.nobody.get("/api/servers", { "if-none-match": "*" })).status).toBe(401);
  });

  test("tokens and problems are never kept", async () => {
    const made = await hub.send("POST", "/api/servers", { hostname: "kept" });
    expect([made.status, made.headers.get("cache-control")]).toEqual([201, "no-store"]);
    expect((await hub.get("/api/servers/none")).headers.get("cache-control")).toBe("no-store");
  });
});

describe("headers of every answer to a person", () => {
  for (const path of ["/api/servers", "/api/nothing", "/healthz", "/"]) {
    test(`${path}: nothing may be guessed, framed or told on`, async () => {
      const { headers } = await hub.get(path);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
      expect(headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
      expect(headers.get("strict-transport-security")).toBeNull();
    });
  }

  test("behind a proxy with TLS, browsers are told to stay with it", async () => {
    await using proxied = await startHub({ settings: { trustProxy: 1 } });
    const transport = async (proto: string) =>
      (await proxied.get("/healthz", { "x-forwarded-proto": proto })).headers.get("strict-transport-security");
    expect([await transport("https"), await transport("http")]).toEqual(["max-age=31536000", null]);
  });
});

describe("HEAD", () => {
  test("answers as GET does, without a body", async () => {
    const [get, head] = [await hub.get("/api/servers"), await hub.fetch("/api/servers", { method: "HEAD" })];
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(head.headers.get("etag")).toBe(get.headers.get("etag"));
  });

  test("on a live stream ends at once, and leaves none open", async () => {
    for (let i = 0; i < 20; i++) {
      expect((await hub.fetch("/api/live", { method: "HEAD" })).status).toBe(200);
    }
  });
});

describe("credentials", () => {
  test("a token that is dead is told from none at all", async () => {
    const challenge = async (headers: Record<string, string>) =>
      (await hub.nobody.get("/api/servers", headers)).headers.get("www-authenticate");
    expect(await challenge({})).toBe('Bearer realm="orion"');
    expect(await challenge({ authorization: "Bearer oak_x" })).toBe('Bearer realm="orion", error="invalid_token"');
    expect(await challenge({ authorization: "Bearer nothing-of-ours" })).toContain("invalid_token");
    expect(await challenge({ authorization: "Basic dXNlcjpwYXNz" })).toBe('Bearer realm="orion"');
  });

  test("a bearer token counts, and not the cookie beside it", async () => {
    const owner = await hub.owner();
    expect((await owner.get("/api/servers", { authorization: "Bearer oak_x" })).status).toBe(401);
  });

  test("a key with logs:write names the source that it writes as", async () => {
    const { token } = await hub.hub.operator.createKey({ organization: "Default", name: "w", scopes: ["logs:write"] });
    const { id } = await hub.source("named");
    const post = (headers: Record<string, string>) =>
      hub.nobody.fetch("/api/logs", {
        method: "POST",
        body: '{"message":"x"}',
        headers: { "content-type": "application/json", authorization: `Bearer ${token}`, ...headers },
      });
    expect((await post({ "x-source-id": id })).status).toBe(202);
    expect((await post({})).status).toBe(400);
    expect((await post({ "x-source-id": "none" })).status).toBe(404);
    const other = await hub.otherOrganizationAdmin();
    const [project] = (await other.json<{ projects: { id: string }[] }>("/api/projects")).projects;
    const foreign = await other.send("POST", `/api/projects/${project?.id}/sources`, { name: "theirs" });
    expect((await post({ "x-source-id": ((await foreign.json()) as { id: string }).id })).status).toBe(404);
  });
});
