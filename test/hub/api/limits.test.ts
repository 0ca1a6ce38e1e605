/**
 * What is sent to hurt: bombs, bodies of 100 MB, slow ones, floods of headers. Each is answered or hung up on, others
 * are served meanwhile, and the hub's memory is what it was before. The hub is a process of its own, so that what is
 * measured is its own.
 */
import { readFileSync } from "node:fs";
import { type Socket, connect } from "node:net";
import { gzipSync } from "node:zlib";

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { type Client, createClient } from "#test/hub/kit/people.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { type Program, startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(120_000);

const mebibyte = 1024 * 1024;

let folder: Folder;
let program: Program;
let url: URL;
let agent: Client;
let keyed: Client;
let source: Client;
let restMiB: number;

/** Of a process, in MiB; proc_pid_status(5). */
function memoryMiB(name: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${program.pid}/status`, "utf8");
  return Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024);
}

beforeAll(async () => {
  folder = temporaryFolder();
  const main = import.meta.resolve("#test/hub/kit/hub-process.ts").replace("file://", "");
  program = startProgram([process.execPath, main, folder.path]);
  const line = await until(() => /^\{.*\}$/m.exec(program.output())?.[0], "the hub to listen");
  const started = JSON.parse(line) as { url: string; id: string; token: string; apiKey: string };
  url = new URL(started.url);
  agent = createClient(started.url, { authorization: `Bearer ${started.token}`, "x-server-id": started.id });
  keyed = createClient(started.url, { authorization: `Bearer ${started.apiKey}` });
  const { projects } = await keyed.json<{ projects: readonly { id: string }[] }>("/api/projects");
  const made = await keyed.send("POST", `/api/projects/${projects[0]?.id}/sources`, { name: "shop" });
  const { token } = (await made.json()) as { token: string };
  source = createClient(started.url, { authorization: `Bearer ${token}` });
  // what a hub that has worked has in memory: buffers for bodies of the allowed size are part of it
  for (let i = 0; i < 8; i++) expect(await post(allowed(), "zstd")).toBe(202);
  restMiB = memoryMiB("VmRSS");
});
afterAll(async () => {
  await program[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const post = async (body: Uint8Array<ArrayBuffer>, encoding: string, path = "/api/v1/agent/logs", client = agent) => {
  const headers = { "content-encoding": encoding, "content-type": "application/json" };
  const response = await client.fetch(path, { method: "POST", body, headers });
  await response.body?.cancel();
  return response.status;
};

/** 60 MiB of empty lines: within the limits, and no entries. */
const allowed = () => new Uint8Array(Bun.zstdCompressSync(Buffer.alloc(60 * mebibyte, `${" ".repeat(1000)}\n`)));

async function isServed(): Promise<void> {
  expect((await keyed.get("/api/servers")).status).toBe(200);
}

/** Memory is back to within 20 MiB of what it was. */
async function isAtRest(): Promise<void> {
  await until(
    async () => {
      // a hub that idles collects no garbage; requests make it look
      for (let i = 0; i < 20; i++) await isServed();
      return memoryMiB("VmRSS") <= restMiB + 20;
    },
    `memory to come back to ${restMiB} MiB, it is ${memoryMiB("VmRSS")}`,
    30_000,
  );
}

type Raw = { readonly socket: Socket; answer(): string; closed(): boolean };

function open(head: readonly string[]): Raw {
  const socket = connect(Number(url.port), url.hostname);
  let answer = "";
  let closed = false;
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
  socket.on("close", () => (closed = true));
  // being hung up on in the middle of it is one of the right answers
  socket.on("error", () => (closed = true));
  if (head.length > 0) socket.write(`${head.join("\r\n")}\r\n\r\n`);
  return { socket, answer: () => answer, closed: () => closed };
}

const statusOf = (raw: Raw) => Number(/^HTTP\/1\.1 (\d+)/.exec(raw.answer())?.[1] ?? 0);
const headers = (client: Client) => Object.entries(client.headers).map(([name, value]) => `${name}: ${value}`);
const head = (path: string, client: Client, ...more: string[]) => [
  `POST ${path} HTTP/1.1`,
  `Host: ${url.host}`,
  "Content-Type: application/json",
  ...headers(client),
  ...more,
];

/** The ways in, with who may use them. */
const ways = (): readonly (readonly [string, Client])[] => [
  ["/api/v1/agent/logs", agent],
  ["/api/v1/agent/heartbeat", agent],
  ["/api/v1/agent/events", agent],
  ["/api/logs", source],
  ["/v1/logs", source],
  ["/api/servers", keyed],
  ["/api/projects", keyed],
  ["/api/auth/sign-in", createClient(url.href)],
  ["/api/auth/device/code", createClient(url.href)],
];

describe("compressed bombs", () => {
  const bombs: readonly (readonly [string, string, () => Uint8Array<ArrayBuffer>])[] = [
    ["1 GiB of zeros in zstd", "zstd", () => zstdBomb(1024)],
    ["300 MiB of zeros in gzip", "gzip", () => new Uint8Array(gzipSync(Buffer.alloc(300 * mebibyte)))],
    ["a bomb in a bomb", "zstd", () => new Uint8Array(Bun.zstdCompressSync(zstdBomb(1024)))],
  ];
  for (const [name, encoding, make] of bombs) {
    test(`${name} is refused on every way in`, async () => {
      const bomb = make();
      for (const [path, client] of ways()) {
        const statuses = await Promise.all(Array.from({ length: 4 }, () => post(bomb, encoding, path, client)));
        expect([path, statuses.filter((status) => ![400, 413, 415, 429, 503].includes(status))]).toEqual([path, []]);
      }
      await isServed();
      await isAtRest();
    });
  }
});

describe("bodies of the largest size that is allowed, many at once,", () => {
  const long = "x".repeat(1_000_000);
  for (const [what, path, line] of [
    ["of an application", "/api/logs", JSON.stringify({ message: long })],
    [
      "of an agent",
      "/api/v1/agent/logs",
      JSON.stringify({
        seq: 1,
        at: "2026-01-01T00:00:00Z",
        source: "api",
        stream: "stdout",
        level: "info",
        message: long,
      }),
    ],
  ] as const) {
    test(`${what} are taken one after the other, and others are served meanwhile`, async () => {
      const body = new Uint8Array(Bun.zstdCompressSync(`${line}\n`.repeat(60)));
      const client = path === "/api/logs" ? source : agent;
      const statuses = Promise.all(Array.from({ length: 8 }, () => post(body, "zstd", path, client)));
      await isServed();
      const seen = await statuses;
      expect(seen).toContain(202);
      // an application has its rate
      expect(seen.filter((status) => ![202, 429, 503].includes(status))).toEqual([]);
      await isAtRest();
    });
  }
});

/** Frames of a mebibyte each, one after the other: a stream (RFC 8878 section 3.1). */
function zstdBomb(mebibytes: number): Uint8Array<ArrayBuffer> {
  const frame = Bun.zstdCompressSync(Buffer.alloc(mebibyte));
  return new Uint8Array(Buffer.concat(Array.from({ length: mebibytes }, () => frame)));
}

describe("bodies of 100 MB", () => {
  const piece = Buffer.alloc(64 * 1024, "x");
  const total = 100_000_000;

  /** Sends as long as it is taken, at most everything. */
  async function pour(raw: Raw, wrap: (part: Buffer) => Buffer): Promise<void> {
    for (let sent = 0; sent < total && !raw.closed() && statusOf(raw) === 0; sent += piece.length) {
      if (!raw.socket.write(wrap(piece))) {
        await until(() => !raw.socket.writableNeedDrain || raw.closed() || statusOf(raw) !== 0, "a drain");
      }
      // an answer that came meanwhile is seen
      await new Promise(setImmediate);
    }
  }

  test("that say so are refused before they are read", async () => {
    for (const [path, client] of ways()) {
      const raw = open(head(path, client, `Content-Length: ${total}`));
      await pour(raw, (part) => part);
      await until(() => statusOf(raw) !== 0 || raw.closed(), `an answer of ${path}`);
      expect([path, [0, 413, 429].includes(statusOf(raw))]).toEqual([path, true]);
      raw.socket.destroy();
    }
    await isServed();
    await isAtRest();
  });

  test("that don't are refused when they have become too long", async () => {
    const chunked = (part: Buffer) =>
      Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]);
    for (const [path, client] of ways()) {
      const raw = open(head(path, client, "Transfer-Encoding: chunked"));
      await pour(raw, chunked);
      await until(() => statusOf(raw) !== 0 || raw.closed(), `an answer of ${path}`);
      expect([path, [0, 413, 429].includes(statusOf(raw))]).toEqual([path, true]);
      raw.socket.destroy();
    }
    await isServed();
    await isAtRest();
  });

  test("from somebody unknown are not read at all", async () => {
    const nobody = createClient(url.href);
    for (const path of ["/api/v1/agent/logs", "/api/servers", "/api/logs", "/v1/logs", "/api/nothing"]) {
      const raw = open(head(path, nobody, `Content-Length: ${total}`));
      await until(() => statusOf(raw) !== 0, `an answer of ${path}`);
      expect([path, statusOf(raw)]).toEqual([path, path === "/api/nothing" ? 404 : 401]);
      raw.socket.destroy();
    }
  });
});

describe("slow senders", () => {
  test("by the hundred keep nobody from being served, and their memory comes back", async () => {
    const slow = [
      ...Array.from({ length: 200 }, () => open(head("/api/v1/agent/logs", agent, "Content-Length: 1000000"))),
      ...Array.from({ length: 100 }, () => open(head("/api/servers", keyed, "Transfer-Encoding: chunked"))),
      // a head that never ends
      ...Array.from({ length: 200 }, () => open([])),
    ];
    for (let round = 0; round < 5; round++) {
      for (const raw of slow) raw.socket.write(round % 2 === 0 ? "1\r\nx\r\n" : "P");
      for (let i = 0; i < 20; i++) await isServed();
    }
    for (const raw of slow) raw.socket.destroy();
    await until(() => slow.every((raw) => raw.closed()), "the slow ones to be gone");
    // room that they held for deliveries is given back
    expect(await post(allowed(), "zstd")).toBe(202);
    await isAtRest();
  });
});

describe("floods of headers", () => {
  for (const [name, lines] of [
    ["one of 1 MB", [`X-Large: ${"x".repeat(1_000_000)}`]],
    ["20,000 small ones", Array.from({ length: 20_000 }, (_, i) => `X-${i}: y`)],
    ["the same one 5,000 times", Array.from({ length: 5000 }, () => "X-Forwarded-For: 1.1.1.1")],
    ["a cookie of 500 kB", [`Cookie: orion.session_token=${"a".repeat(500_000)}`]],
  ] as const) {
    test(`${name}: refused`, async () => {
      for (let i = 0; i < 20; i++) {
        const raw = open(["GET /api/servers HTTP/1.1", `Host: ${url.host}`, ...lines]);
        await until(() => statusOf(raw) !== 0 || raw.closed(), "an answer");
        expect([0, 400, 401, 431]).toContain(statusOf(raw));
        raw.socket.destroy();
      }
      await isServed();
      await isAtRest();
    });
  }

  test("an address of 100 kB is refused", async () => {
    const raw = open([`GET /${"a".repeat(100_000)} HTTP/1.1`, `Host: ${url.host}`]);
    await until(() => statusOf(raw) !== 0 || raw.closed(), "an answer");
    expect([0, 400, 404, 414, 431]).toContain(statusOf(raw));
    raw.socket.destroy();
  });
});

test("all of it together took no more memory than the bounds allow", () => {
  // a body of 64 MiB, what is made of a part of it, and what has become garbage before it is collected
  expect(memoryMiB("VmHWM")).toBeLessThan(400);
});
