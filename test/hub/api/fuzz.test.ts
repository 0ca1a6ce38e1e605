import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { mutated } from "#test/hub/kit/arbitrary.ts";
import { type Agent, type TestHub, crash, entries, heartbeat, ndjson, startHub } from "#test/hub/kit/hub.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

let hub: TestHub;
let agent: Agent;
beforeAll(async () => {
  hub = await startHub();
  agent = await hub.agent();
});
afterAll(async () => await hub[Symbol.asyncDispose]());

const body = (text: string) => fc.oneof(mutated(text), fc.string({ unit: "binary" }), fc.json(), fc.uint8Array());
const encoding = fc.constantFrom("", "zstd", "gzip", "identity", "x", "zstd,gzip");

describe("no input makes the hub fail", () => {
  for (const [path, text] of [
    ["heartbeat", JSON.stringify(heartbeat())],
    ["logs", ndjson(entries(1, 3))],
    ["events", JSON.stringify({ ...crash(), seq: 4 })],
  ] as const) {
    test(`POST /api/v1/agent/${path}`, async () => {
      await fc.assert(
        fc.asyncProperty(body(text), encoding, fc.boolean(), async (input, name, compress) => {
          const bytes = typeof input === "string" ? Buffer.from(input) : Buffer.from(input);
          const sent = compress && name === "zstd" ? Bun.zstdCompressSync(bytes) : bytes;
          const headers: Record<string, string> = name === "" ? {} : { "content-encoding": name };
          const response = await agent.post(path, new Uint8Array(sent), headers);
          await response.text();
          expect([200, 202, 400, 413, 415]).toContain(response.status);
        }),
        { numRuns: 700 },
      );
      expect((await agent.beat()).status).toBe(200);
    });
  }

  test("any path, method and query", async () => {
    const part = fc.oneof(
      fc.constantFrom(
        "api",
        "servers",
        "logs",
        "tail",
        "events",
        "agent-token",
        "%",
        "%00",
        "..",
        "__proto__",
        agent.id,
      ),
      fc.string({ maxLength: 12 }).map(encodeURIComponent),
    );
    const query = fc.dictionary(
      fc.constantFrom("q", "limit", "cursor", "level", "source", "server", "from", "to", "__proto__", "type"),
      fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom("0", "-1", "1e9", "NaN", "1.1", "error")),
    );
    const method = fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD");
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 4 }), query, method, async (parts, params, verb) => {
        // live streams answer for ever
        if (verb === "GET" && (parts.includes("tail") || parts.includes("live"))) return;
        const response = await hub.fetch(`/${parts.join("/")}?${new URLSearchParams(params)}`, { method: verb });
        await response.text();
        expect(response.status).toBeLessThan(500);
      }),
      { numRuns: 700 },
    );
  });

  test("nothing of it was logged as a failure of the hub", () => {
    expect(hub.said.filter((line) => line.startsWith("error"))).toEqual([]);
  });
});

describe("what is not there", () => {
  test("an unknown path: 404 as a problem document", async () => {
    const response = await hub.get("/api/nothing");
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toEqual({
      type: "about:blank",
      title: "Not found",
      status: 404,
      detail: "there is nothing at /api/nothing",
      requestId: response.headers.get("x-request-id"),
    });
  });

  for (const [method, path, allow] of [
    ["PUT", "/api/servers", "GET, HEAD, POST"],
    ["DELETE", "/api/logs", "GET, HEAD, POST"],
    ["GET", "/api/v1/agent/logs", "POST"],
    ["GET", "/api/servers/x/agent-token", "POST, DELETE"],
  ] as const) {
    test(`${method} ${path}: 405 with Allow`, async () => {
      const response = await fetch(hub.url + path, { method });
      expect([response.status, response.headers.get("allow")]).toEqual([405, allow]);
    });
  }

  for (const path of ["", "/agent-status", "/scripts", "/containers"]) {
    test(`an unknown server at /api/servers/:id${path}: 404`, async () => {
      expect((await hub.get(`/api/servers/${crypto.randomUUID()}${path}`)).status).toBe(404);
    });
  }

  test("HEAD answers as GET does, without a body", async () => {
    const response = await fetch(`${hub.url}/healthz`, { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });
});
