import { copyFileSync, writeFileSync } from "node:fs";
import { type TLSSocket, connect } from "node:tls";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { type Listener, listen } from "#src/hub/listener.ts";
import { type Clock, systemClock } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import { type Authority, createAuthority } from "#test/hub/kit/certificate.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

// the types of a browser's WebSocket hide what Bun's takes
const BunWebSocket = WebSocket as unknown as new (url: string, options: Bun.WebSocketOptions) => WebSocket;

type Rig = AsyncDisposable & {
  readonly listener: Listener;
  readonly authority: Authority;
  readonly folder: Folder;
  readonly said: readonly string[];
  readonly files: { readonly cert: string; readonly key: string };
  /** the name in the certificate that a new connection is shown */
  shown(): Promise<string>;
  get(path?: string): Promise<string>;
};

async function startTls(options: { readonly clock?: Clock; readonly days?: number } = {}): Promise<Rig> {
  const folder = temporaryFolder();
  const authority = createAuthority(folder.path);
  const files = { cert: folder.at("hub.crt"), key: folder.at("hub.key") };
  authority.issue("first", files, options.days);
  const said: string[] = [];
  const say = (level: string) => (message: string) => void said.push(`${level} ${message}`);
  const listener = listen({
    host: "127.0.0.1",
    port: 0,
    tls: files,
    clock: options.clock ?? systemClock,
    log: { info: say("info"), warn: say("warn"), error: say("error") },
    fetch(request, server) {
      const path = new URL(request.url).pathname;
      if (path === "/stream" && server.upgrade(request, { data: undefined })) return undefined;
      if (path === "/drip") {
        server.timeout(request, 0);
        return new Response(drip());
      }
      return new Response(path);
    },
    error: () => new Response("failed", { status: 500 }),
    websocket: { message: (socket, message) => void socket.send(message) },
  });
  const ca = await Bun.file(authority.ca).text();
  return {
    listener,
    authority,
    folder,
    said,
    files,
    shown: () =>
      new Promise((resolve, reject) => {
        const socket: TLSSocket = connect({ port: listener.port, host: "127.0.0.1", ca }, () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.end();
        });
        // a connection that is made while the former server goes may be reset, see listener.ts: it is made again
        socket.on("error", (error: Error & { code?: string }) =>
          error.code === "ECONNRESET" ? resolve("") : reject(error),
        );
      }),
    get: async (path = "/") => await (await fetch(`${listener.url}${path}`, { tls: { ca }, keepalive: false })).text(),
    async [Symbol.asyncDispose]() {
      await listener.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** A number now and then, for ever. */
function drip(): ReadableStream<Uint8Array> {
  let i = 0;
  return new ReadableStream({
    async pull(controller) {
      await Bun.sleep(10);
      controller.enqueue(Buffer.from(`${i++}\n`));
    },
  });
}

describe("a certificate that is renewed", () => {
  test("is shown to new connections, without a restart", async () => {
    await using rig = await startTls();
    expect([await rig.shown(), await rig.get("/x")]).toEqual(["first", "/x"]);
    rig.authority.issue("second", rig.files);
    await until(async () => (await rig.shown()) === "second", "the renewed certificate");
    // the former server takes no more connections
    for (let i = 0; i < 20; i++) expect(await rig.shown()).toBe("second");
    expect(await rig.get("/y")).toBe("/y");
    expect(rig.said.join("\n")).toContain("info new connections get the renewed TLS certificate, valid until 20");
  });

  test("leaves open streams and WebSockets as they are", async () => {
    await using rig = await startTls();
    const ca = await Bun.file(rig.authority.ca).text();
    const socket = new BunWebSocket(`${rig.listener.url.replace("https", "wss")}/stream`, { tls: { ca } });
    const echoes: string[] = [];
    let closed = false;
    socket.addEventListener("message", (event) => void echoes.push(String(event.data)));
    socket.addEventListener("close", () => (closed = true));
    await until(() => socket.readyState === WebSocket.OPEN, "the WebSocket to open");
    const stop = new AbortController();
    const stream = await fetch(`${rig.listener.url}/drip`, { tls: { ca }, signal: stop.signal });
    const reader = stream.body!.getReader();
    await reader.read();
    for (const name of ["second", "third"]) {
      rig.authority.issue(name, rig.files);
      await until(async () => (await rig.shown()) === name, `certificate ${name}`);
      socket.send(name);
      await until(() => echoes.includes(name), "an echo");
      expect((await reader.read()).done).toBe(false);
    }
    expect(closed).toBe(false);
    socket.close();
    stop.abort();
  });

  test("is found by looking as well, where the file system tells of no change", async () => {
    const clock = createTestClock(Date.now());
    await using rig = await startTls({ clock });
    rig.authority.issue("second", rig.files);
    clock.advance(10_000);
    expect(await rig.shown()).toBe("second");
  });

  test("with a key that does not fit it is not used: the former pair stays, which is said once", async () => {
    const clock = createTestClock(Date.now());
    await using rig = await startTls({ clock });
    const other = { cert: rig.folder.at("other.crt"), key: rig.folder.at("other.key") };
    rig.authority.issue("second", other);
    copyFileSync(other.cert, rig.files.cert);
    clock.advance(60_000);
    expect(await rig.shown()).toBe("first");
    expect(rig.said).toEqual([
      `error the TLS certificate was changed, but the former one stays: the TLS key ${rig.files.key} does not fit the certificate ${rig.files.cert}`,
    ]);
    // as soon as the key is there, too, both are used
    copyFileSync(other.key, rig.files.key);
    clock.advance(10_000);
    expect(await rig.shown()).toBe("second");
  });

  for (const [name, text] of [
    ["empty", ""],
    ["half", "-----BEGIN CERTIFICATE-----\nMIIB"],
    ["no certificate", "hello"],
  ] as const) {
    test(`that is ${name} is not used`, async () => {
      const clock = createTestClock(Date.now());
      await using rig = await startTls({ clock });
      writeFileSync(rig.files.cert, text);
      clock.advance(10_000);
      expect(await rig.shown()).toBe("first");
      expect(rig.said.join("\n")).toContain(`the TLS certificate ${rig.files.cert} can't be understood`);
    });
  }

  test("is warned of when it ends soon", async () => {
    await using rig = await startTls({ days: 3 });
    expect(rig.said.join("\n")).toMatch(/^warn the TLS certificate ends on 20\d\d-\d\d-\d\d$/);
  });
});

describe("a port that is taken", () => {
  test("is refused under TLS as well, where the port is shared by intention", async () => {
    await using rig = await startTls();
    const { port } = rig.listener;
    const again = () =>
      listen({
        host: "127.0.0.1",
        port,
        tls: rig.files,
        clock: systemClock,
        log: { info: () => undefined, warn: () => undefined, error: () => undefined },
        fetch: () => new Response("another"),
        error: () => new Response("failed"),
        websocket: { message: () => undefined },
      });
    expect(again).toThrow(Fault);
    expect(again).toThrow(`can't listen on 127.0.0.1 port ${port}: another program has this port`);
    expect(await rig.get("/mine")).toBe("/mine");
  });
});

describe("files of a certificate", () => {
  test("that can't be read are an error that names them", async () => {
    await using folder = temporaryFolder();
    const tls = { cert: folder.at("none.crt"), key: folder.at("none.key") };
    const start = () =>
      listen({
        host: "127.0.0.1",
        port: 0,
        tls,
        clock: systemClock,
        log: { info: () => undefined, warn: () => undefined, error: () => undefined },
        fetch: () => new Response(),
        error: () => new Response(),
        websocket: { message: () => undefined },
      });
    expect(start).toThrow(`can't read the TLS certificate ${tls.cert}`);
  });
});
