import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { createAuthority } from "#test/hub/kit/certificate.ts";
import { heartbeat, startHub, takeOver } from "#test/hub/kit/hub.ts";
import { password } from "#test/hub/kit/people.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

// the types of a browser's WebSocket hide what Bun's takes
const BunWebSocket = WebSocket as unknown as new (url: string, options: Bun.WebSocketOptions) => WebSocket;

async function startTls() {
  const folder = temporaryFolder();
  const authority = createAuthority(folder.path);
  const files = { cert: folder.at("hub.crt"), key: folder.at("hub.key") };
  authority.issue("first", files);
  const settings = { tlsCert: files.cert, tlsKey: files.key, host: "0.0.0.0" };
  const hub = await startHub({ settings, untouched: true });
  const ca = await Bun.file(authority.ca).text();
  const url = hub.url.replace("0.0.0.0", "localhost");
  return {
    hub,
    url,
    authority,
    files,
    ca,
    fetch: (path: string, init: BunFetchRequestInit = {}) => fetch(url + path, { ...init, tls: { ca } }),
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe("a hub with TLS", () => {
  test("listens beyond this machine, and tells browsers to stay with https", async () => {
    await using rig = await startTls();
    expect(rig.hub.url).toStartWith("https://0.0.0.0:");
    const response = await rig.fetch("/healthz");
    expect([response.status, response.headers.get("strict-transport-security")]).toEqual([200, "max-age=31536000"]);
  });

  test("gives cookies that travel over https alone", async () => {
    await using rig = await startTls();
    await takeOver(rig.hub.hub.operator);
    const response = await rig.fetch("/api/auth/sign-in", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email: "owner@example.com", password }),
    });
    const cookies = response.headers.getSetCookie().filter((cookie) => !/^[^=]+=;/.test(cookie));
    expect([response.status, cookies.length]).toEqual([200, 1]);
    for (const part of [
      /^__Host-orion-[0-9a-f]{8}\./,
      /; HttpOnly/i,
      /; Secure/i,
      /; SameSite=Lax/i,
      /; Path=\/(?:;|$)/i,
    ]) {
      expect(cookies[0]).toMatch(part);
    }
    expect(cookies[0]).not.toMatch(/; Domain=/i);
  });

  test("takes agents and their streams, also while its certificate is renewed", async () => {
    await using rig = await startTls();
    const { id, token } = await rig.hub.hub.register("web-1");
    const headers = { authorization: `Bearer ${token}`, "x-server-id": id, "user-agent": "orion-agent/1.2.3" };
    const socket = new BunWebSocket(`${rig.url.replace("https", "wss")}/api/v1/agent/stream`, {
      headers,
      tls: { ca: rig.ca },
    });
    let closed = false;
    socket.addEventListener("close", () => (closed = true));
    await until(() => socket.readyState === WebSocket.OPEN, "the stream to open");
    rig.authority.issue("second", rig.files);
    await until(() => rig.hub.said.some((line) => line.includes("renewed TLS certificate")), "the renewal");
    const body = JSON.stringify(heartbeat());
    // a connection that is made in the moment of the change may be reset; agents make another one
    const beat = () =>
      rig.fetch("/api/v1/agent/heartbeat", { method: "POST", headers, body }).then(
        ({ status }) => status,
        () => 0,
      );
    for (let i = 0; i < 20; i++) expect((await beat()) || (await beat())).toBe(200);
    expect(closed).toBe(false);
    // and it is closed at once when the token dies, though the former server holds it
    await rig.hub.hub.register("web-1");
    await until(() => closed, "the stream to be closed");
  });
});
