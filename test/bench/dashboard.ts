/**
 * How smooth the pages are under load, in Chromium without a graphics card: a thousand servers that report, 20,000 lines
 * a second into a log that is watched, a million lines to scroll through. One JSON line for each.
 * `bun test/bench/dashboard.ts [SERVERS] [LINES_A_SECOND] [LINES] [SECONDS]`
 *
 * Frames are the differences between calls of requestAnimationFrame; with 60 a second each takes 16.7 ms. A long task is one that
 * keeps the page from answering for more than 50 ms (W3C Long Tasks API). The hub, the sender, this program and the
 * browser share the machine.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Fleet, spread, startFleet } from "#test/browser/fleet.ts";
import { type Inspector, inspectAt } from "#test/browser/inspect.ts";
import { entriesOf } from "#test/browser/lines.ts";
import { simulateServers } from "#test/browser/servers.ts";
import { createAgent, ndjson } from "#test/hub/kit/hub.ts";
import { createClient, signIn } from "#test/hub/kit/people.ts";
import { until } from "#test/kit/wait.ts";
import { type Target, quantile, registerAt, report, startHubProcess } from "./hub-process.ts";

const [, , mode = "", ...rest] = process.argv;
const heartbeatSeconds = 30;
/** Lines in one delivery. */
const perBatch = 5000;
const hourMs = 3_600_000;

/** In the page: begins to watch its frames. */
const watch = `(() => {
  window.orionFrames = [];
  window.orionLong = [];
  new PerformanceObserver((list) => orionLong.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask" });
  let last = performance.now();
  const next = (at) => { orionFrames.push(at - last); last = at; requestAnimationFrame(next); };
  requestAnimationFrame((at) => { last = at; requestAnimationFrame(next); });
})()`;

type Frames = { readonly frames: readonly number[]; readonly long: readonly number[] };

/** The lines of a delivery, already compressed; `atMs`: of its first and behind its last. */
function delivery(first: number, fromMs: number, toMs: number): Uint8Array<ArrayBuffer> {
  const [server] = simulateServers(1);
  if (server === undefined) throw new Error("no server");
  const text = ndjson(entriesOf(server, { count: perBatch, seq: first, fromMs, toMs }));
  return new Uint8Array(Bun.zstdCompressSync(text, { level: 1 }));
}

async function deliver(target: Target, body: Uint8Array<ArrayBuffer>): Promise<void> {
  const headers = { "content-type": "application/x-ndjson", "content-encoding": "zstd" };
  const response = await createAgent(target.url, target).post("logs", body, headers);
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}

/** A process of its own: so many lines a second, in deliveries of a twentieth of that, until it is ended. */
async function send(target: Target, perSecond: number, first: number): Promise<void> {
  const [server] = simulateServers(1);
  const count = Math.ceil(perSecond / 20);
  const startedMs = Date.now();
  if (server === undefined) return;
  for (let turn = 0; ; turn++) {
    const dueMs = startedMs + turn * 50;
    await Bun.sleep(Math.max(0, dueMs - Date.now()));
    const now = Date.now();
    const text = ndjson(entriesOf(server, { count, seq: first + turn * count, fromMs: now - 50, toMs: now }));
    await deliver(target, new Uint8Array(Bun.zstdCompressSync(text, { level: 1 })));
  }
}

/** Heartbeats of all, spread over the half minute as real ones are. @returns ends them */
function keepBeating(fleet: Fleet): () => Promise<void> {
  const stop = new AbortController();
  const run = (async () => {
    const { members } = fleet;
    for (let i = 0; !stop.signal.aborted; i = (i + 1) % members.length) {
      const member = members[i];
      if (member === undefined) break;
      await fleet.beatOf(member);
      await Bun.sleep((heartbeatSeconds * 1000) / members.length);
    }
  })();
  return async () => {
    stop.abort();
    await run;
  };
}

async function main(): Promise<void> {
  const [servers = 1000, perSecond = 20_000, lines = 1_000_000, seconds = 10] = [mode, ...rest].flatMap((text) =>
    text === "" ? [] : [Number(text)],
  );
  const folder = mkdtempSync(join(tmpdir(), "orion-bench-"));
  try {
    await using hub = await startHubProcess(folder);
    const { url, apiKey } = hub.target;
    const fleet = await startFleet({ url, ...createClient(url, { authorization: `Bearer ${apiKey}` }) }, servers);
    await fleet.beat();
    const teller = await registerAt(hub, "teller");
    const deliveries = Math.ceil(lines / perBatch);
    const startMs = Date.now() - 0.95 * hourMs;
    const stepMs = (0.9 * hourMs) / deliveries;
    await spread(Array.from({ length: deliveries }), async (_, n) => {
      await deliver(teller, delivery(1 + n * perBatch, startMs + n * stepMs, startMs + (n + 1) * stepMs));
    });
    const stopBeating = keepBeating(fleet);
    await using inspector = await inspectAt(1440, 900);
    await inspector.enter(url, await signIn(url, "owner@example.com"));
    await inspector.browser.view.cdp("Performance.enable");

    async function measure(name: string, work: () => Promise<Readonly<Record<string, unknown>>>): Promise<void> {
      const { browser } = inspector;
      const cpu = hub.cpuSeconds();
      const began = performance.now();
      await browser.run(watch);
      const more = await work();
      const { frames, long } = await browser.run<Frames>("({ frames: orionFrames, long: orionLong })");
      const took = (performance.now() - began) / 1000;
      report({
        bench: "dashboard",
        name,
        frames: frames.length,
        frameMsP50: quantile(frames, 0.5),
        frameMsP95: quantile(frames, 0.95),
        frameMsMax: quantile(frames, 1),
        longTasks: long.length,
        longestTaskMs: quantile(long, 1),
        heapMiB: await heapMiB(inspector),
        hubCpuShare: Number(((hub.cpuSeconds() - cpu) / took).toFixed(2)),
        hubRssMiB: hub.rssMiB().now,
        ...more,
      });
    }

    // first paint with nothing cached, then once more as somebody who comes back
    for (const name of ["cold", "warm"]) {
      await inspector.open(`${url}/`);
      const { paintMs, shift } = await inspector.timing();
      report({ bench: "dashboard", name: `paint, ${name}`, paintMs, shift, bytes: inspector.transferred() });
    }
    await measure(`overview of ${servers} servers, at rest`, async () => {
      await Bun.sleep(seconds * 1000);
      return {};
    });
    await measure(`overview of ${servers} servers, scrolled`, async () => await scroll(inspector, seconds, 400));
    await measure(`overview of ${servers} servers, sorted and searched`, async () => {
      const took: number[] = [];
      for (const word of ["web-1", "odoo", "edge-20", ""]) {
        const began = performance.now();
        await inspector.browser.fill("Find servers", word);
        await until(() =>
          inspector.browser.run<boolean>(
            `new URLSearchParams(location.search).get("q") === ${word === "" ? "null" : JSON.stringify(word)}`,
          ),
        );
        await inspector.settle();
        took.push(performance.now() - began);
      }
      return { searchMsMedian: quantile(took, 0.5) };
    });

    await inspector.open(`${url}/logs`);
    const counted = () => inspector.browser.see(".histogram figcaption", "lines");
    await measure(`${lines} lines in view, scrolled`, async () => {
      const turns = await scroll(inspector, seconds, -600);
      return { ...turns, says: await counted() };
    });

    await using sender = startSender(teller, perSecond, 1 + deliveries * perBatch);
    await inspector.open(`${url}/logs`);
    await measure(`${perSecond} lines/s watched`, async () => {
      await Bun.sleep(2 * seconds * 1000);
      if (sender.exitCode !== null) throw new Error("the sender ended");
      const elements = await inspector.browser.run<number>(`document.querySelectorAll("[role=log] *").length`);
      return { elements, says: await counted(), notes: await inspector.browser.texts(".over .said:not([hidden])") };
    });
    await stopBeating();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function startSender(target: Target, perSecond: number, first: number) {
  const cmd = [process.execPath, import.meta.path, "--send", JSON.stringify(target), String(perSecond), String(first)];
  return Bun.spawn({ cmd, stdout: "inherit", stderr: "inherit" });
}

/** Turns the wheel, as fast as it is taken, for so many seconds. */
async function scroll({ browser }: Inspector, seconds: number, by: number): Promise<Readonly<Record<string, unknown>>> {
  const end = performance.now() + seconds * 1000;
  let [turns, direction] = [0, 1];
  while (performance.now() < end) {
    await browser.view.scroll(0, by * direction);
    // up and down again: a list has an end
    if (++turns % 60 === 0) direction = -direction;
  }
  return { wheelTurns: turns };
}

async function heapMiB({ browser }: Inspector): Promise<number> {
  await browser.view.cdp("HeapProfiler.collectGarbage");
  const { usedSize } = await browser.view.cdp<{ readonly usedSize: number }>("Runtime.getHeapUsage");
  return Math.round(usedSize / 1024 ** 2);
}

if (mode === "--send") {
  const [target = "{}", perSecond = "0", first = "1"] = rest;
  await send(JSON.parse(target) as Target, Number(perSecond), Number(first));
} else await main();
