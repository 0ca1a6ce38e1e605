import { connect } from "node:net";

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { createAdmission } from "#src/hub/api/intake/admission.ts";
import type { Logs } from "#src/hub/api/ports.ts";
import { type ConnectionWorld, createConnection } from "#src/hub/api/intake/stream-connection.ts";
import { createPace } from "#src/hub/api/intake/stream-pace.ts";
import type { LogsPage } from "#src/protocol/api.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { maxFrameBytes, maxInflatedFrameBytes, streamAnswer } from "#src/protocol/stream.ts";
import { startHub } from "#test/hub/kit/hub.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { until } from "#test/kit/wait.ts";
import { type IngestRig, entries, openStream, startIngest } from "./ingest-rig.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

let rig: IngestRig;
beforeAll(async () => {
  rig = await startIngest();
});
afterAll(async () => await rig[Symbol.asyncDispose]());

let servers = 0;
const newServer = () => `server-${++servers}`;
const frame = (list: readonly LogEntry[]) => ({ type: "logs", seq: list.at(-1)?.seq ?? 0, entries: list });
const ack = (seq: number) => ({ type: "ack", seq });
const seqsOf = (id: string) => rig.stored(id).map((entry) => entry.seq);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const zstd = (value: unknown) => new Uint8Array(Bun.zstdCompressSync(JSON.stringify(value)));

/** A store whose writes wait until they are let go, or fail. */
function heldStore() {
  const waiting: PromiseWithResolvers<void>[] = [];
  return {
    waiting,
    logs: (store: Logs): Logs => ({
      ...store,
      async append(batch) {
        const gate = Promise.withResolvers<void>();
        waiting.push(gate);
        await gate.promise;
        return await store.append(batch);
      },
    }),
  };
}

describe("frames", () => {
  test("are stored and acknowledged in order, however many are on their way", async () => {
    const id = newServer();
    await using stream = rig.stream(id);
    await stream.opened;
    for (let i = 0; i < 200; i++) stream.send(frame(entries(i * 10 + 1, i * 10 + 10)));
    await until(() => stream.answers.length === 200, "all acknowledgements");
    expect(stream.answers).toEqual(numbers(1, 200).map((i) => ack(i * 10)));
    expect(seqsOf(id)).toEqual(numbers(1, 2000));
  });

  test("may be compressed", async () => {
    const id = newServer();
    await using stream = rig.stream(id);
    await stream.opened;
    const sent = entries(1, 3, { stream: "container", fields: { container: "odoo", containerId: "abc" } });
    stream.send(zstd(frame(sent)));
    await until(() => stream.answers.length > 0);
    expect(rig.stored(id).map(({ id: _id, serverId: _server, ...entry }) => entry)).toEqual(sent);
  });

  test("that are repeated, over another stream or by POST, add nothing", async () => {
    const id = newServer();
    await using first = rig.stream(id);
    await using second = rig.stream(id);
    await Promise.all([first.opened, second.opened]);
    for (const stream of [first, second]) {
      stream.send(frame(entries(1, 5)));
      await until(() => stream.answers.length > 0);
    }
    second.send(frame(entries(4, 8)));
    await until(() => second.answers.length === 2);
    const body = entries(1, 9)
      .map((entry) => JSON.stringify(entry))
      .join("\n");
    const response = await rig.post("/api/v1/agent/logs", body, { authorization: `Bearer ${id}` });
    expect(await response.json()).toEqual({ accepted: 1, duplicates: 8 });
    expect(seqsOf(id)).toEqual(numbers(1, 9));
  });

  test("with a message over 1 MiB are cut and marked", async () => {
    const id = newServer();
    await using stream = rig.stream(id);
    await stream.opened;
    const long = "x".repeat(1_048_576 + 5);
    stream.send(frame(entries(1, 1, { message: long })));
    await until(() => stream.answers.length > 0);
    expect(rig.stored(id).map(({ message, fields }) => [message.length, fields])).toEqual([
      [1_048_576, { cut: true, length: long.length }],
    ]);
  });

  test("are acknowledged only once they are durable", async () => {
    const held = heldStore();
    await using own = await startIngest({ logs: held.logs });
    await using stream = own.stream();
    await stream.opened;
    stream.send(frame(entries(1, 5)));
    await until(() => held.waiting.length === 1);
    expect([stream.answers, own.stored("server-1")]).toEqual([[], []]);
    held.waiting[0]?.resolve();
    await until(() => stream.answers.length > 0);
    expect(own.stored("server-1").length).toBe(5);
  });
});

describe("what is not a frame", () => {
  const [good] = entries(1, 1);
  const bomb = () => zstd({ type: "logs", seq: 1, entries: "x".repeat(maxInflatedFrameBytes) });
  const rows: readonly (readonly [string, () => unknown, number, string])[] = [
    ["text that is no JSON", () => "hello", 4400, "the message is not JSON"],
    ["JSON of another kind", () => "null", 4400, "the frame is not valid"],
    ["an unknown type", () => ({ type: "hello" }), 4400, "the frame is not valid: type"],
    ["no entries", () => ({ type: "logs", seq: 1, entries: [] }), 4400, "the frame is not valid: entries"],
    ["a bad entry", () => frame([{ ...good, level: "loud" } as unknown as LogEntry]), 4400, "entries.0.level"],
    ["a seq that is not exact", () => `{"type":"logs","seq":1e300,"entries":[${JSON.stringify(good)}]}`, 4400, "seq"],
    ["too many entries", () => frame(entries(1, 20_001, { message: "" })), 4400, "entries"],
    ["bytes that are no zstd", () => new Uint8Array([1, 2, 3]), 1007, "not valid zstd"],
    ["zstd of something else", () => new Uint8Array(Bun.zstdCompressSync(new Uint8Array([255, 254]))), 1007, ""],
    ["a bomb", bomb, 1009, "after decompression"],
    ["deep nesting", () => "[".repeat(1_000_000), 4400, "not JSON"],
  ];
  for (const [name, message, code, why] of rows) {
    test(`${name}: said, and closed with ${code}`, async () => {
      const id = newServer();
      await using stream = rig.stream(id);
      await stream.opened;
      stream.send(message());
      const { code: closed, reason } = await stream.ended;
      expect(closed).toBe(code);
      expect(stream.answers).toEqual([{ type: "error", code, message: expect.stringContaining(why) }]);
      expect(streamAnswer.parse(stream.answers[0]).type).toBe("error");
      expect(String(stream.answers[0]?.["message"])).toStartWith(reason);
      expect(rig.stored(id)).toEqual([]);
    });
  }

  test("a message over the limit closes the stream with 1009", async () => {
    await using stream = rig.stream(newServer());
    await stream.opened;
    stream.send(" ".repeat(maxFrameBytes + 1));
    expect((await stream.ended).code).toBe(1009);
  });

  test("nothing that is sent makes the hub fail", async () => {
    const text = JSON.stringify(frame(entries(1, 2)));
    const mutated = fc
      .array(fc.tuple(fc.nat(text.length), fc.nat(6), fc.constantFrom("", '"', "{", "[", "9", "-", "null", "é")), {
        minLength: 1,
        maxLength: 5,
      })
      .map((edits) => edits.reduce((now, [at, cut, put]) => now.slice(0, at) + put + now.slice(at + cut), text));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          mutated,
          fc.json(),
          fc.uint8Array(),
          mutated.map((it) => zstd(it)),
        ),
        async (message) => {
          await using stream = rig.stream(newServer());
          await stream.opened;
          stream.send(message);
          const told = await until(() => stream.answers[0]);
          if (told["type"] === "error") expect([1007, 1009, 4400]).toContain((await stream.ended).code);
          else expect(told["type"]).toBe("ack");
        },
      ),
      { numRuns: 300 },
    );
    expect(rig.said.filter((line) => line.startsWith("error"))).toEqual([]);
  });
});

describe("who may open a stream", () => {
  test("nobody without the token of the server", async () => {
    const refused = openStream(rig.url, "server-1", "wrong");
    expect((await refused.ended).code).toBe(1006);
    const headers = { upgrade: "websocket", connection: "upgrade", authorization: "Bearer x", "x-server-id": "y" };
    expect((await fetch(`${rig.url}/api/v1/agent/stream`, { headers })).status).toBe(401);
  });

  test("without a handshake: 426", async () => {
    const response = await fetch(`${rig.url}/api/v1/agent/stream`, { headers: { authorization: "Bearer server-1" } });
    expect([response.status, response.headers.get("upgrade")]).toEqual([426, "websocket"]);
  });

  test("of many streams of one server the oldest is closed with 4409", async () => {
    const id = newServer();
    const first = rig.stream(id);
    await first.opened;
    const more = Array.from({ length: 4 }, () => rig.stream(id));
    await Promise.all(more.map((stream) => stream.opened));
    expect((await first.ended).code).toBe(4409);
    for (const stream of more) await stream[Symbol.asyncDispose]();
    await until(() => rig.ingest.stream.count() === 0);
  });

  test("a token that dies closes its streams with 4401, those of others stay", async () => {
    await using own = await startIngest();
    await using dead = own.stream("dead");
    await using other = own.stream("other");
    await Promise.all([dead.opened, other.opened]);
    own.kill("dead");
    expect((await dead.ended).code).toBe(4401);
    expect(dead.answers).toEqual([{ type: "error", code: 4401, message: "the agent token was rotated or revoked" }]);
    other.send(frame(entries(1, 1)));
    await until(() => other.answers.length > 0);
    expect((await openStream(own.url, "dead").ended).code).toBe(1006);
  });
});

/** A connection without a socket; what it does with one goes into `did`. */
function bareConnection(own: IngestRig, did: string[], more: Partial<ConnectionWorld> = {}) {
  const note = (what: string) => () => void did.push(what);
  return createConnection(
    "server-1",
    {
      send: (text) => void did.push(text),
      cork: (work) => work(),
      ping: note("ping"),
      close: (code) => void did.push(`close ${code}`),
      terminate: note("terminate"),
      pause: note("pause"),
      resume: note("resume"),
    },
    {
      logs: own.logs,
      admission: createAdmission(() => 0),
      clock: createTestClock(),
      gatherMs: () => 0,
      error: (text) => void did.push(text),
      ...more,
    },
  );
}

describe("a hub that can't", () => {
  test("a full disk closes the stream with 1013, and nothing behind the failed frame is acknowledged", async () => {
    const held = heldStore();
    await using own = await startIngest({ logs: held.logs });
    await using stream = own.stream();
    await stream.opened;
    for (const n of [1, 3, 5]) stream.send(frame(entries(n, n)));
    (await until(() => held.waiting[0])).resolve();
    (await until(() => held.waiting[1])).reject(new Fault("unavailable", "no space left"));
    expect((await stream.ended).code).toBe(1013);
    expect(held.waiting.length).toBe(2);
    expect(stream.answers).toEqual([
      ack(1),
      { type: "error", code: 1013, message: "no space left", seq: 3, retryAfterMs: 5000 },
    ]);
  });

  test("a defect closes it with 1011 and is logged", async () => {
    const held = heldStore();
    await using own = await startIngest({ logs: held.logs });
    await using stream = own.stream();
    await stream.opened;
    stream.send(frame(entries(1, 1)));
    (await until(() => held.waiting[0])).reject(new Error("boom"));
    expect((await stream.ended).code).toBe(1011);
    expect(own.said.filter((line) => line.startsWith("error"))).toEqual([
      "error the stream of server server-1 failed: boom",
    ]);
  });

  test("when it stops, what was sent is answered, the stream is closed with 1012, and no new one is let in", async () => {
    const held = heldStore();
    await using own = await startIngest({ logs: held.logs });
    await using stream = own.stream();
    await stream.opened;
    stream.send(frame(entries(1, 5)));
    const gate = await until(() => held.waiting[0]);
    const closing = own.ingest.stream.close();
    expect((await openStream(own.url, "late").ended).code).toBe(1006);
    gate.resolve();
    await closing;
    expect((await stream.ended).code).toBe(1012);
    expect(stream.answers).toEqual([ack(5), { type: "error", code: 1012, message: "the hub is stopping" }]);
  });

  test("a store that is slow holds the sender back, and everything arrives", async () => {
    const held = heldStore();
    await using own = await startIngest({ logs: held.logs });
    await using stream = own.stream();
    await stream.opened;
    const message = "x".repeat(100_000);
    for (let n = 0; n < 100; n++) stream.send(frame(entries(n * 10 + 1, n * 10 + 10, { message })));
    for (let n = 0; n < 100; n++) (await until(() => held.waiting[n])).resolve();
    await until(() => stream.answers.length === 100, "all acknowledgements");
    expect(own.stored("server-1").map((entry) => entry.seq)).toEqual(numbers(1, 1000));
  });

  test("past 4 MiB of unacknowledged frames a connection is not read, until half of them are durable", async () => {
    const held = heldStore();
    await using own = await startIngest({ logs: held.logs });
    const did: string[] = [];
    const connection = bareConnection(own, did);
    const message = "x".repeat(1_000_000);
    for (let n = 1; n <= 5; n++) connection.receive(JSON.stringify(frame(entries(n, n, { message }))));
    expect(did).toEqual(["pause"]);
    for (let n = 0; n < 5; n++) (await until(() => held.waiting[n])).resolve();
    await connection.settle();
    const acks = [1, 2, 3].map((n) => JSON.stringify(ack(n)));
    expect(did).toEqual(["pause", ...acks, "resume", JSON.stringify(ack(4)), JSON.stringify(ack(5))]);
  });

  test("while there are very many frames, each waits for others of its stream, until that is enough", async () => {
    const clock = createTestClock();
    await using own = await startIngest();
    const did: string[] = [];
    const connection = bareConnection(own, did, { clock, gatherMs: () => 200 });
    const receive = (from: number, to: number, message = "short") =>
      connection.receive(JSON.stringify(frame(entries(from, to, { message }))));
    receive(1, 1);
    clock.advance(199);
    receive(2, 2);
    expect(own.stored("server-1")).toEqual([]);
    clock.advance(1);
    await until(() => did.length === 2, "both acknowledgements");
    // a megabyte is worth a write of its own
    receive(3, 3, "x".repeat(1_000_000));
    await until(() => did.length === 3, "the acknowledgement of the large one");
    receive(4, 4);
    await connection.settle();
    expect(did).toEqual([1, 2, 3, 4].map((n) => JSON.stringify(ack(n))));
    expect(clock.waiting()).toBe(0);
  });

  test("how long that is grows with the frames, and is nothing while there are few", () => {
    const clock = createTestClock();
    const pace = createPace(() => clock.monotonic());
    const during = (framesPerSecond: number) => {
      for (let n = 0; n <= framesPerSecond; n++) {
        pace.count();
        clock.advance(1000 / framesPerSecond);
      }
      return Math.round(pace.gatherMs());
    };
    expect([500, 5000, 50_000, 500].map(during)).toEqual([0, 100, 250, 0]);
  });

  test("frames that wait are written together, but never across a number that may still come", async () => {
    const held = heldStore();
    await using own = await startIngest({ logs: held.logs });
    await using stream = own.stream();
    await stream.opened;
    stream.send(frame(entries(1, 2)));
    await until(() => held.waiting.length === 1);
    for (const [from, to] of [
      [3, 4],
      [5, 5],
      [8, 9],
      [10, 10],
    ] as const)
      stream.send(frame(entries(from, to)));
    // a server's ping is answered in turn, so all of them have been read by then
    const pong = Promise.withResolvers<void>();
    stream.socket.addEventListener("pong", () => pong.resolve());
    stream.socket.ping();
    await pong.promise;
    for (let n = 0; n < 3; n++) (await until(() => held.waiting[n])).resolve();
    await until(() => stream.answers.length === 5, "all acknowledgements");
    expect(held.waiting.length).toBe(3);
    const body = entries(6, 7)
      .map((entry) => JSON.stringify(entry))
      .join("\n");
    const posting = own.post("/api/v1/agent/logs", body, { authorization: "Bearer server-1" });
    (await until(() => held.waiting[3])).resolve();
    expect(await (await posting).json()).toEqual({ accepted: 2, duplicates: 0 });
    expect(own.stored("server-1").map((entry) => entry.seq)).toEqual([1, 2, 3, 4, 5, 8, 9, 10, 6, 7]);
  });
});

describe("silence", () => {
  test("is broken by a ping every 30 s, and a stream that answers none for 90 s is closed with 4408", async () => {
    const clock = createTestClock();
    await using own = await startIngest({ clock });
    await using live = own.stream("live");
    await live.opened;
    let pings = 0;
    live.socket.addEventListener("ping", () => void pings++);
    // a bare socket that makes a handshake and never reads or answers
    const { port } = new URL(own.url);
    const mute = connect(Number(port), "127.0.0.1");
    let said = "";
    mute.on("data", (data) => void (said += data.toString("latin1")));
    const gone = new Promise((resolve) => mute.once("close", resolve));
    mute.write(
      `GET /api/v1/agent/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer mute\r\nX-Server-ID: mute\r\n\r\n`,
    );
    await until(() => own.ingest.stream.count() === 2);
    for (let n = 1; n <= 3; n++) {
      clock.advance(30_000);
      await until(() => pings === n, `ping ${n}`);
      // what comes back is heard
      live.send(frame(entries(n, n)));
      await until(() => live.answers.length === n);
    }
    await gone;
    expect(said).toContain("nothing was heard for 90 s");
    await until(() => own.ingest.stream.count() === 1);
  });
});

describe("through the hub", () => {
  test("an agent streams with its token, and a hub that stops says so when all is answered", async () => {
    const hub = await startHub();
    const { id, token } = await hub.agent("web-1");
    await using stream = openStream(hub.url, id, token);
    await stream.opened;
    stream.send(frame(entries(1, 3)));
    await until(() => stream.answers.length > 0);
    const page = await hub.json<LogsPage>(`/api/logs?server=${id}`);
    expect(page.entries.map((entry) => entry.seq)).toEqual([3, 2, 1]);
    await hub[Symbol.asyncDispose]();
    expect((await stream.ended).code).toBe(1012);
  });
});
