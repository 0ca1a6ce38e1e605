import { connect } from "node:net";

import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { isLoopback } from "#src/hub/api/guard.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import type { Person } from "#test/hub/kit/people.ts";

let hub: TestHub;
let port: string;
let owner: Person;
beforeAll(async () => {
  hub = await startHub({ settings: { publicUrl: "https://orion.example.com" } });
  ({ port } = new URL(hub.url));
  owner = await hub.owner();
});
afterAll(async () => await hub[Symbol.asyncDispose]());

/** The first line of the answer to a request in HTTP/1.0, which needs no Host (RFC 1945). */
async function askNameless(method: string): Promise<string> {
  const socket = connect(Number(port), "127.0.0.1");
  socket.write(`${method} /readyz HTTP/1.0\r\ncontent-length: 0\r\n\r\n`);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  socket.once("data", (bytes: Buffer) => resolve(bytes.toString().split("\r\n")[0] ?? ""));
  socket.once("error", reject);
  const line = await promise;
  socket.destroy();
  return line;
}

describe("a load balancer that asks after the hub's health without a name", () => {
  test("is answered", async () => expect(await askNameless("GET")).toContain(" 200 "));
  test("may change nothing", async () => expect(await askNameless("POST")).toContain(" 403 "));
});

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

type Row = readonly [name: string, headers: () => Record<string, string>, status: number];

describe("a page of another site that asks for a change in the name of who is signed in", () => {
  const post = (headers: Record<string, string>) =>
    owner.fetch("/api/servers", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ hostname: "web-1" }),
    });
  const rows: readonly Row[] = [
    ["a program without Origin", () => ({}), 201],
    ["our own page", () => ({ origin: hub.url, "sec-fetch-site": "same-origin" }), 201],
    ["our own page, said by an older browser", () => ({ origin: hub.url }), 201],
    ["our own page behind a proxy", () => ({ origin: "https://orion.example.com", host: "orion.example.com" }), 201],
    ["our own page behind a proxy that calls us by another name", () => ({ origin: "https://orion.example.com" }), 201],
    ["another site", () => ({ origin: "https://evil.example" }), 403],
    ["our own address without TLS", () => ({ origin: "http://orion.example.com" }), 403],
    ["another port of this machine", () => ({ origin: "http://127.0.0.1:1" }), 403],
    ["a page without an origin", () => ({ origin: "null" }), 403],
    ["a cross-site request", () => ({ "sec-fetch-site": "cross-site" }), 403],
    ["a cross-site request that claims our origin", () => ({ "sec-fetch-site": "cross-site", origin: hub.url }), 403],
    ["a same-site request", () => ({ "sec-fetch-site": "same-site" }), 403],
    [
      "a form that is sent as a navigation",
      () => ({ "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }),
      403,
    ],
    ["a form", () => ({ "content-type": "application/x-www-form-urlencoded" }), 415],
    ["text that needs no preflight", () => ({ "content-type": "text/plain" }), 415],
  ];
  for (const [name, headers, status] of rows) {
    test(`${name}: ${status}`, async () => {
      expect((await post(headers())).status).toBe(status);
    });
  }

  test("it can't revoke a token either", async () => {
    const agent = await hub.agent("kept");
    for (const method of ["DELETE", "POST"]) {
      const path = `/api/servers/${agent.id}/agent-token`;
      const response = await owner.fetch(path, { method, headers: { origin: "https://evil.example" } });
      expect(response.status).toBe(403);
    }
    expect((await agent.beat()).status).toBe(200);
  });

  test("a program with a key may say what it likes of its origin", async () => {
    const headers = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    expect((await hub.get("/api/servers", headers)).status).toBe(200);
  });
});

describe("a page of another site that reads", () => {
  const rows: readonly Row[] = [
    ["our own page", () => ({ "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors" }), 200],
    ["an address that was typed in", () => ({ "sec-fetch-site": "none", "sec-fetch-mode": "navigate" }), 200],
    ["a link on another site", () => ({ "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }), 200],
    ["a script of another site", () => ({ "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }), 403],
    ["a neighbour's script", () => ({ "sec-fetch-site": "same-site", "sec-fetch-mode": "cors" }), 403],
  ];
  for (const [name, headers, status] of rows) {
    test(`${name}: ${status}`, async () => {
      for (const path of ["/api/servers", "/"]) {
        const response = await owner.get(path, headers());
        expect(response.status).toBe(status);
        await response.body?.cancel();
      }
    });
  }
});

describe("a hub that listens beyond this machine", () => {
  test("answers to whatever name it has, and guards its cookies all the same", async () => {
    await using wide = await startHub({ settings: { host: "0.0.0.0", insecureHttp: true } });
    const person = await wide.owner();
    const host = "orion.lan:8420";
    expect((await wide.get("/api/servers", { host })).status).toBe(200);
    expect((await person.get("/api/servers", { host })).status).toBe(200);
    const change = (origin: string) =>
      person.fetch("/api/projects", {
        method: "POST",
        headers: { "content-type": "application/json", host, origin },
        body: JSON.stringify({ name: crypto.randomUUID() }),
      });
    expect((await change("http://orion.lan:8420")).status).toBe(201);
    expect((await change("http://evil.lan:8420")).status).toBe(403);
  });
});

test("names and addresses that can only mean this machine are loopback", () => {
  for (const name of ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
    expect(isLoopback(name)).toBe(true);
  for (const name of ["", "0.0.0.0", "::", "10.0.0.1", "1270.0.0.1", "localhost.com", "notlocalhost"]) {
    expect(isLoopback(name)).toBe(false);
  }
});
