import { type Socket, connect } from "node:net";

import fc from "fast-check";
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { declaredSize } from "#src/hub/api/body-size.ts";
import { readBody } from "#src/hub/api/body.ts";
import { problemOf } from "#src/hub/api/problem.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const mebibyte = 1024 * 1024;

/** A server that reads bodies of at most 8 MiB, within `withinMs`. */
function startReader(withinMs: number) {
  let running = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    maxRequestBodySize: 1024 * mebibyte,
    async fetch(request) {
      running++;
      try {
        const body = await readBody(request, 8 * mebibyte, { withinMs });
        return Response.json({ bytes: body.length });
      } catch (error) {
        return problemOf(error);
      } finally {
        running--;
      }
    },
  });
  return {
    port: server.port ?? 0,
    url: `http://127.0.0.1:${server.port}`,
    running: () => running,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

/** A raw connection that has sent the head of a request, and what it hears. */
function post(port: number, head: string) {
  const heard = { text: "", closed: false };
  const socket: Socket = connect(port, "127.0.0.1");
  socket.on("data", (data) => void (heard.text += data.toString()));
  socket.on("close", () => void (heard.closed = true));
  socket.on("error", () => void (heard.closed = true));
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`);
  return { socket, heard, [Symbol.dispose]: () => void socket.destroy() };
}

describe("a body that comes slowly", () => {
  for (const [name, head, part] of [
    ["with a length", "Content-Length: 1000000", "x"],
    ["without one", "Transfer-Encoding: chunked", "1\r\nx\r\n"],
  ] as const) {
    test(`${name}: 408 after its time, however it goes on, and the connection is closed`, async () => {
      await using reader = startReader(300);
      using request = post(reader.port, head);
      const drip = setInterval(() => request.socket.write(part), 20);
      await until(() => request.heard.closed, "the end of the connection");
      clearInterval(drip);
      expect(request.heard.text).toStartWith("HTTP/1.1 408 ");
      expect(request.heard.text).toContain("the body was not whole after 0.3 s");
      expect(reader.running()).toBe(0);
    });

    test(`${name}, but whole in time: taken`, async () => {
      await using reader = startReader(30_000);
      const body = new ReadableStream<Uint8Array>({
        async start(controller) {
          for (let i = 0; i < 5; i++) {
            controller.enqueue(Buffer.from("12345"));
            await Bun.sleep(5);
          }
          controller.close();
        },
      });
      const sent = name === "with a length" ? "x".repeat(25) : body;
      expect(await (await fetch(reader.url, { method: "POST", body: sent })).json()).toEqual({ bytes: 25 });
    });
  }
});

describe("a body that breaks off", () => {
  for (const [name, head] of [
    ["with a length", "Content-Length: 1000000"],
    ["without one", "Transfer-Encoding: chunked"],
  ] as const) {
    test(`${name}: nothing of it is held`, async () => {
      await using reader = startReader(30_000);
      const request = post(reader.port, head);
      request.socket.write(name === "with a length" ? "x".repeat(1000) : `3e8\r\n${"x".repeat(1000)}\r\n`);
      await until(() => reader.running() === 1);
      request.socket.destroy();
      await until(() => reader.running() === 0, "the end of the reading");
    });
  }
});

describe("a body of 100 MB", () => {
  test("is refused by its length, and costs no memory", async () => {
    await using reader = startReader(30_000);
    const body = new Uint8Array(100 * mebibyte);
    Bun.gc(true);
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 5; i++) expect((await fetch(reader.url, { method: "POST", body })).status).toBe(413);
    Bun.gc(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * mebibyte);
  });

  test("is refused as it comes when it has no length", async () => {
    await using reader = startReader(30_000);
    using request = post(reader.port, "Transfer-Encoding: chunked");
    const chunk = `100000\r\n${"x".repeat(mebibyte)}\r\n`;
    let sent = 0;
    const go = (): void => {
      while (sent < 100 && !request.heard.text.startsWith("HTTP") && request.socket.write(chunk)) sent++;
      if (sent < 100) request.socket.once("drain", go);
    };
    go();
    await until(() => request.heard.text.startsWith("HTTP/1.1 413 "), "the refusal");
    expect(reader.running()).toBe(0);
  });
});

describe("what a compressed body says of its size", () => {
  const sizes = [0, 1, 200, 255, 256, 300, 65_791, 65_792, 1_000_000, 20_000_000];
  for (const size of sizes) {
    test(`${size} bytes`, () => {
      const plain = new Uint8Array(size).map((_, i) => (i * 7919) % 251);
      expect(declaredSize(Bun.gzipSync(plain), "gzip")).toBe(size);
      const said = declaredSize(Bun.zstdCompressSync(plain), "zstd");
      // too short a frame is not looked at
      if (size >= 200) expect(said).toBe(size);
      expect(declaredSize(plain, null)).toBe(size);
    });
  }

  test("anything is answered", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom("zstd", "gzip", null, "br"), (bytes, encoding) => {
        const magic = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), bytes]);
        for (const body of [bytes, magic]) {
          const size = declaredSize(body, encoding);
          expect(size === undefined || size >= 0).toBe(true);
        }
      }),
    );
  });
});
