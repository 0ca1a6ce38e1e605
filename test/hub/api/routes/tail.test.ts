import { connect } from "node:net";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import type { Server, StoredEntry, StoredEvent } from "#src/protocol/api.ts";
import { type Sent, type TestHub, crash, entries, entry, readEvents, startHub } from "#test/hub/kit/hub.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

/** Reads events until `enough`, then hangs up. */
async function take(
  hub: TestHub,
  path: string,
  enough: (sent: readonly Sent[]) => boolean,
  headers: Record<string, string> = {},
  ready: () => Promise<unknown> = async () => undefined,
): Promise<Sent[]> {
  const stop = new AbortController();
  const response = await hub.fetch(path, { headers, signal: stop.signal });
  expect(response.headers.get("content-type")).toStartWith("text/event-stream");
  const sent: Sent[] = [];
  for await (const one of readEvents(response)) {
    sent.push(one);
    if (one.event === "ready") await ready();
    if (enough(sent)) break;
  }
  stop.abort();
  return sent;
}

const logsOf = (sent: readonly Sent[]) =>
  sent.filter((one) => one.event === "log").map((one) => one.data as StoredEntry);
const seqs = (sent: readonly Sent[]) => logsOf(sent).map((line) => line.seq);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe("the live tail", () => {
  test("begins with what comes after it was opened", async () => {
    await using hub = await startHub();
    const agent = await hub.agent();
    await agent.logs(entries(1, 10));
    const sent = await take(
      hub,
      "/api/logs/tail",
      (all) => logsOf(all).length >= 5,
      {},
      () => agent.logs(entries(11, 15)),
    );
    expect(seqs(sent)).toEqual(numbers(11, 15));
    expect(sent[0]).toEqual({ event: "ready", id: "10", data: { position: "10" } });
  });

  test("resumes behind the last id without gap or repeat, again and again, while lines pour in", async () => {
    await using hub = await startHub();
    const agent = await hub.agent();
    const last = 3000;
    const pour = async () => {
      for (let from = 1; from <= last; from += 100) {
        await agent.logs(entries(from, from + 99));
        await Bun.sleep(1);
      }
    };
    const pouring = pour();
    const got: number[] = [];
    let id = "0";
    while (got.length < last) {
      const wanted = Math.min(300 + (got.length % 170), last - got.length);
      const sent = await take(hub, "/api/logs/tail", (all) => logsOf(all).length >= wanted, { "last-event-id": id });
      got.push(...seqs(sent));
      id = sent.at(-1)?.id ?? id;
    }
    await pouring;
    expect(got).toEqual(numbers(1, last));
  });

  test("survives a restart of the hub", async () => {
    await using first = await startHub();
    const agent = await first.agent();
    await agent.logs(entries(1, 5));
    await first.hub.stop();
    await using second = await startHub({ folder: first.folder });
    const again = await second.agent();
    const enough = (all: readonly Sent[]) => logsOf(all).length >= 6;
    const sent = await take(second, "/api/logs/tail", enough, { "last-event-id": "2" }, () =>
      again.logs(entries(6, 8)),
    );
    expect(seqs(sent)).toEqual(numbers(3, 8));
  });

  test("lets through what its filter says", async () => {
    await using hub = await startHub();
    const [one, two] = [await hub.agent("one"), await hub.agent("two")];
    const path = `/api/logs/tail?source=api&server=${one.id}&level=warn&q=NEEDLE`;
    const sent = await take(
      hub,
      path,
      (all) => logsOf(all).length >= 2,
      {},
      async () => {
        await two.logs([entry(1, { level: "error", message: "needle of another server" })]);
        await one.logs([
          entry(1, { level: "error", message: "a Needle" }),
          entry(2, { level: "info", message: "needle, but only info" }),
          entry(3, { level: "fatal", message: "hay" }),
          entry(4, { level: "fatal", message: "needle", source: "worker" }),
          entry(5, { level: "warn", message: "last needle" }),
        ]);
      },
    );
    expect(logsOf(sent).map((line) => line.message)).toEqual(["a Needle", "last needle"]);
  });

  test("an id from the future goes on with what comes", async () => {
    await using hub = await startHub();
    const agent = await hub.agent();
    await agent.logs(entries(1, 3));
    const enough = (all: readonly Sent[]) => logsOf(all).length >= 1;
    const sent = await take(hub, "/api/logs/tail?after=99999", enough, {}, () => agent.logs(entries(4, 4)));
    expect(seqs(sent)).toEqual([4]);
  });

  test("a reader that does not read costs nothing, and gets everything in order when it does", async () => {
    await using hub = await startHub();
    const agent = await hub.agent();
    const { port, hostname } = new URL(hub.url);
    const socket = connect(Number(port), hostname);
    let text = "";
    socket.pause();
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.write(
      `GET /api/logs/tail?after=0 HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: ${hub.headers["authorization"]}\r\n\r\n`,
    );
    const before = process.memoryUsage().rss;
    const message = "x".repeat(900);
    for (let from = 1; from <= 60_000; from += 2000) await agent.logs(entries(from, from + 1999, { message }));
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024);
    socket.resume();
    await until(() => text.includes('"seq":60000,'), "the last line");
    socket.destroy();
    expect([...text.matchAll(/^id: (\d+)\nevent: log$/gm)].map((match) => Number(match[1]))).toEqual(
      numbers(1, 60_000),
    );
  });

  test("all streams end when the hub stops", async () => {
    await using hub = await startHub();
    const responses = await Promise.all([hub.get("/api/logs/tail"), hub.get("/api/live")]);
    const stopped = hub.hub.stop();
    for (const response of responses) expect(await response.text()).toStartWith(":");
    await stopped;
  });
});

describe("the live stream of servers and events", () => {
  test("begins with all servers, then tells of each change and each new event", async () => {
    await using hub = await startHub();
    const agent = await hub.agent("web-1");
    await hub.agent("web-2");
    await agent.event(crash({ script: "before" }));
    const sent = await take(
      hub,
      "/api/live",
      (all) => all.some((one) => one.event === "event") && all.filter((one) => one.event === "server").length >= 3,
      {},
      async () => {
        await agent.beat();
        await agent.event(crash({ script: "after" }));
      },
    );
    const servers = sent.filter((one) => one.event === "server").map((one) => one.data as Server);
    expect(servers.map((server) => server.hostname)).toEqual(["web-1", "web-2", "web-1"]);
    expect(servers[2]).toMatchObject({ agent: { status: "connected" }, latest: { hostname: "web-1" } });
    const events = sent.filter((one) => one.event === "event").map((one) => one.data as StoredEvent);
    expect(events.map((one) => "script" in one.event && one.event.script)).toEqual(["after"]);
  });

  test("resumes events behind the last id", async () => {
    await using hub = await startHub();
    const agent = await hub.agent();
    for (const script of ["a", "b", "c"]) await agent.event(crash({ script }));
    const enough = (all: readonly Sent[]) => all.filter((one) => one.event === "event").length >= 2;
    const sent = await take(hub, "/api/live", enough, { "last-event-id": "1" });
    expect(sent.filter((one) => one.event === "event").map((one) => one.id)).toEqual(["2", "3"]);
  });
});
