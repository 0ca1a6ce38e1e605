import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { isLoopback } from "#src/hub/api/guard.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";

let hub: TestHub;
let port: string;
beforeAll(async () => {
  hub = await startHub({ settings: { publicUrl: "https://orion.example.com" } });
  ({ port } = new URL(hub.url));
});
afterAll(async () => await hub[Symbol.asyncDispose]());

describe("a page that reaches the hub under another name (DNS rebinding)", () => {
  for (const [host, status] of [
    ["127.0.0.1", 200],
    ["localhost", 200],
    ["LOCALHOST", 200],
    ["orion.localhost", 200],
    ["[::1]", 200],
    ["orion.example.com", 200],
    ["evil.example", 403],
    ["localhost.evil.example", 403],
    ["127.0.0.1.evil.example", 403],
    ["192.168.1.10", 403],
    ["0.0.0.0", 403],
    ["sub.orion.example.com", 403],
    ["<script>", 403],
  ] as const) {
    test(`Host ${host}: ${status}`, async () => {
      for (const path of ["/api/servers", "/healthz"]) {
        const response = await hub.get(path, { host: `${host}:${port}` });
        expect(response.status).toBe(status);
        await response.body?.cancel();
      }
    });
  }
});

describe("a page of another site that asks for a change", () => {
  const post = (headers: Record<string, string>) =>
    fetch(`${hub.url}/api/servers`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ hostname: "web-1" }),
    });
  const rows: readonly (readonly [string, () => Record<string, string>, number])[] = [
    ["a program without Origin", () => ({}), 201],
    ["our own page", () => ({ origin: hub.url, "sec-fetch-site": "same-origin" }), 201],
    ["our own page behind a proxy", () => ({ origin: "https://orion.example.com", host: "orion.example.com" }), 201],
    ["another site", () => ({ origin: "https://evil.example" }), 403],
    ["another port of this machine", () => ({ origin: "http://127.0.0.1:1" }), 403],
    ["a page without an origin", () => ({ origin: "null" }), 403],
    ["a cross-site request", () => ({ "sec-fetch-site": "cross-site" }), 403],
    ["a same-site request", () => ({ "sec-fetch-site": "same-site" }), 403],
    ["a form", () => ({ "content-type": "application/x-www-form-urlencoded" }), 415],
    ["text that needs no preflight", () => ({ "content-type": "text/plain" }), 415],
  ];
  for (const [name, headers, status] of rows) {
    test(`${name}: ${status}`, async () => {
      expect((await post(headers())).status).toBe(status);
    });
  }

  test("it can't revoke a token either", async () => {
    const agent = hub.agent("kept");
    const path = `${hub.url}/api/servers/${agent.id}/agent-token`;
    for (const method of ["DELETE", "POST"]) {
      const response = await fetch(path, { method, headers: { origin: "https://evil.example" } });
      expect(response.status).toBe(403);
    }
    expect((await agent.beat()).status).toBe(200);
  });
});

test("names and addresses that can only mean this machine are loopback", () => {
  for (const name of ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
    expect(isLoopback(name)).toBe(true);
  for (const name of ["", "0.0.0.0", "::", "10.0.0.1", "1270.0.0.1", "localhost.com", "notlocalhost"]) {
    expect(isLoopback(name)).toBe(false);
  }
});
