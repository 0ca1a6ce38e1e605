/**
 * Error groups: what 10,000 of them take in memory and on the disk, what an event costs, and how fast lists are there.
 * Events come by hand, so that the figures are of groups alone (test/bench/errors.ts has lines through assembly).
 * `bun test/bench/error-groups.ts [GROUPS]` (10000 unless told); one JSON line a figure. Bars: memory 64 MiB.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createErrors } from "#src/hub/errors/errors.ts";
import type { ErrorEvent } from "#src/hub/errors/event.ts";
import { openErrorStore } from "#src/hub/store/errors/errors.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import { frame, message, part, traceback } from "../hub/errors/events.ts";
import { createTestEvents } from "../hub/errors/rig.ts";
import { rounded } from "./process.ts";

const groups = Number(process.argv[2] ?? 10_000);
const floodEvents = 200_000;

const folder = mkdtempSync(join(tmpdir(), "orion-bench-errors-"));
const store = await openErrorStore(folder);
let listener: ((arrived: Arrived) => void) | undefined;
let head = 0;
// what "lines" are, by their first position, until they are taken: the assembly hands it on
const batches = new Map<number, readonly ErrorEvent[]>();
const arrivedAt = (firstPosition: number): Arrived => ({
  serverId: "s1",
  firstPosition,
  columns: { count: batches.get(firstPosition)?.length ?? 0 } as Arrived["columns"],
});
const errors = createErrors({
  store,
  log: {
    onArrival(one) {
      listener = one;
      return () => undefined;
    },
    async *arrivalsAfter(position) {
      for (const first of batches.keys()) if (first > position) yield arrivedAt(first);
    },
    head: () => head,
    extentSince: async () => ({ after: head, oldestMs: new Map() }),
  },
  events: createTestEvents(),
  makeAssembly: (onEvent) => ({
    add({ firstPosition }) {
      batches.get(firstPosition)?.forEach(onEvent);
      batches.delete(firstPosition);
    },
    advance: () => undefined,
    openFrom: () => null,
    openAt: () => [],
    endOthers: () => undefined,
  }),
  openStaging: () => Promise.reject(new Error("nobody asks for it")),
  owners: { projectOf: () => "p1", nameOf: (origin) => origin },
  clock: systemClock,
  workedMs: () => performance.now(),
  warn: (text) => process.stderr.write(`${text}\n`),
});
errors.start();
await Bun.sleep(10);

async function take(events: readonly ErrorEvent[]): Promise<void> {
  const firstPosition = head + 1;
  head += events.length;
  batches.set(firstPosition, events);
  listener?.(arrivedAt(firstPosition));
  // as a hub whose ingest waits for nothing, but with bounded memory here
  while (batches.size > 0) await Bun.sleep(1);
}

/** A traceback of 12 frames and 30 lines, as real ones have them. */
function eventOf(n: number, position: number): ErrorEvent {
  const frames = Array.from({ length: 12 }, (_, i) =>
    frame(`handler_${i === 0 ? n : i}`, {
      line: i + (position % 90),
      inApplication: i % 3 === 0,
      code: "return next(call)",
    }),
  );
  return traceback({
    firstPosition: position,
    atMs: Date.now(),
    serverId: `s${n % 50}`,
    source: `app-${n % 20}`,
    release: `1.${n % 7}`,
    parts: [part("ValueError", `order ${position} of customer ${n} is not valid`, frames)],
    lines: Array.from(
      { length: 30 },
      (_, i) => `  File "/srv/app/shop/module_${i}.py", line ${position % 90}, in handler_${i}`,
    ),
    before: Array.from({ length: 20 }, (_, i) => `10:00:${i} INFO request ${position} of customer ${i} came in`),
  });
}

const say = (figure: string, value: number, unit: string) =>
  process.stdout.write(`${JSON.stringify({ bench: "error-groups", figure, value: rounded(value), unit })}\n`);
/** What is in use once the allocator has had time to give back what is not. */
async function memory() {
  Bun.gc(true);
  await Bun.sleep(1500);
  Bun.gc(true);
  const { rss, heapUsed } = process.memoryUsage();
  return { rss: rss / 1024 ** 2, heap: heapUsed / 1024 ** 2 };
}

const before = await memory();
let cpu = process.cpuUsage();
for (let n = 0; n < groups; n += 50) {
  await take(Array.from({ length: Math.min(50, groups - n) }, (_, i) => eventOf(n + i, head + 1 + i)));
}
say("CPU of an event of a new group", cpuMicroseconds() / groups, "us");
errors.list(listOf("last"));
const filled = await memory();
say("memory of groups", filled.rss - before.rss, "MiB");
say("heap of groups", filled.heap - before.heap, "MiB");

const some = Array.from({ length: 1000 }, (_, i) => eventOf(i % 10, head + 1 + i));
cpu = process.cpuUsage();
for (let n = 0; n < floodEvents; n += 1000) {
  await take(some.map((event, i) => ({ ...event, firstPosition: head + 1 + i, lastPosition: head + 1 + i })));
}
say("CPU of an event of a known group", cpuMicroseconds() / floodEvents, "us");

cpu = process.cpuUsage();
for (let n = 0; n < floodEvents; n += 1000) {
  const lines = Array.from({ length: 1000 }, (_, i) => {
    const text = `order ${n + i} of customer c${i % 977}x was refused by bank ${i % 13}: limit reached`;
    return message(text, { atMs: Date.now(), level: "warn", firstPosition: head + 1 + i });
  });
  await take(lines);
}
say("CPU of a bad line without a traceback", cpuMicroseconds() / floodEvents, "us");
say("memory after a flood", (await memory()).rss - before.rss, "MiB");

errors.list(listOf("last"));
for (const sort of ["last", "count"] as const) {
  const started = performance.now();
  for (let n = 0; n < 20; n++) errors.list(listOf(sort));
  say(`a list of 50 by ${sort}`, (performance.now() - started) / 20, "ms");
}
const started = performance.now();
for (let n = 0; n < 20; n++) errors.list({ ...listOf("last"), text: "handler_77", source: "app-17" });
say("a list by text and source", (performance.now() - started) / 20, "ms");
errors.stop();
const counted = errors.list({ ...listOf("count"), limit: 1 }).groups[0]?.count;
if (counted !== floodEvents / 10 + 1) throw new Error(`the greatest group has ${counted} events`);
say("samples", store.sizes().samples, "samples");
store.close();
say("disk", statSync(join(folder, "errors.db")).size / 1024 ** 2, "MiB");
rmSync(folder, { recursive: true });

/** Since `cpu`, of all threads; how fast events are taken is up to the follower, which leaves most of the time to others. */
function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage(cpu);
  return user + system;
}

function listOf(sort: "last" | "count") {
  const nothing = { state: null, text: null, source: null, server: null, release: null, sinceMs: null, cursor: null };
  return { projects: ["p1"], kinds: ["error"] as const, ...nothing, sort, limit: 50 };
}
