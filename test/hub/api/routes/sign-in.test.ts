import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { AgentStatus } from "#src/protocol/api.ts";
import { type Agent, type TestHub, entries, startHub } from "#test/hub/kit/hub.ts";

let hub: TestHub;
let agent: Agent;
let other: Agent;
beforeAll(async () => {
  hub = await startHub();
  agent = await hub.agent("web-1");
  other = await hub.agent("web-2");
});
afterAll(async () => await hub[Symbol.asyncDispose]());

const body = "";
type Headers = Record<string, string>;
const bearer = (token: string, id: string): Headers => ({ authorization: `Bearer ${token}`, "x-server-id": id });

describe("who may deliver", () => {
  const rows: readonly (readonly [string, () => Headers, number])[] = [
    ["the server's own token", () => bearer(agent.token, agent.id), 202],
    ["the scheme in lower case", () => ({ authorization: `bearer ${agent.token}`, "x-server-id": agent.id }), 202],
    ["no header at all", () => ({}), 401],
    ["no server id", () => ({ authorization: `Bearer ${agent.token}` }), 401],
    ["no token", () => ({ "x-server-id": agent.id }), 401],
    ["an empty token", () => ({ authorization: "Bearer ", "x-server-id": agent.id }), 401],
    ["a wrong token", () => bearer("oat_wrong", agent.id), 401],
    ["the token of another server", () => bearer(other.token, agent.id), 401],
    ["an unknown server", () => bearer(agent.token, crypto.randomUUID()), 401],
    ["a name of the object prototype", () => bearer(agent.token, "__proto__"), 401],
    ["basic authentication", () => ({ authorization: `Basic ${agent.token}`, "x-server-id": agent.id }), 401],
    ["the token cut short", () => bearer(agent.token.slice(0, -1), agent.id), 401],
  ];
  for (const [name, headers, status] of rows) {
    for (const path of ["heartbeat", "logs", "events"]) {
      test(`${name} at ${path}: ${status}`, async () => {
        const response = await fetch(`${hub.url}/api/v1/agent/${path}`, { method: "POST", body, headers: headers() });
        // an empty body is a valid delivery of logs only; past sign-in the others say 400
        expect(response.status).toBe(status === 202 && path !== "logs" ? 400 : status);
        if (response.status !== 401) return;
        expect(response.headers.get("content-type")).toBe("application/problem+json");
        expect(response.headers.get("www-authenticate")).toStartWith('Bearer realm="orion"');
        expect(await response.json()).toMatchObject({ status: 401, title: "Not signed in" });
      });
    }
  }
});

describe("a token's life", () => {
  test("a rotated token is dead at once, the new one works", async () => {
    const own = await hub.agent("rotates");
    const response = await hub.fetch(`/api/servers/${own.id}/agent-token`, { method: "POST" });
    expect(response.status).toBe(201);
    const { token } = (await response.json()) as { token: string };
    expect(token).toMatch(/^oat_[\w-]{43}$/);
    expect((await own.logs(entries(1, 2))).status).toBe(401);
    expect((await own.logs(entries(1, 2), bearer(token, own.id))).status).toBe(202);
  });

  test("a revoked token is dead, and version and last report are cleared", async () => {
    const own = await hub.agent("revoked");
    await own.beat();
    const status = () => hub.json<AgentStatus>(`/api/servers/${own.id}/agent-status`);
    expect(await status()).toMatchObject({ status: "connected", version: "1.2.3", transport: "agent" });
    const response = await hub.fetch(`/api/servers/${own.id}/agent-token`, { method: "DELETE" });
    expect(response.status).toBe(204);
    expect((await own.beat()).status).toBe(401);
    expect(await status()).toEqual({ status: "disconnected", version: null, lastSeen: null, transport: null });
  });

  test("registering a host again keeps its id and kills its old token", async () => {
    const first = await hub.agent("again");
    const second = await hub.agent("again");
    expect(second.id).toBe(first.id);
    expect((await first.logs(entries(1, 1))).status).toBe(401);
    expect((await second.logs(entries(1, 1))).status).toBe(202);
  });

  test("only digests of tokens are on disk", async () => {
    for (const file of ["state.db", "state.db-wal"]) {
      const bytes = Buffer.from(await Bun.file(`${hub.folder}/${file}`).arrayBuffer());
      expect(bytes.includes(agent.token)).toBe(false);
      expect(bytes.includes(agent.token.slice(4))).toBe(false);
    }
  });
});
