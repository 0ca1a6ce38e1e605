/**
 * How each figure of the log store grows with what lies in it: `bun test/bench/store-growth.ts [MILLIONS] [FOLDER]`, one
 * JSON line at 1, 2, 5, 10, 20, 50 and 100 million lines. The lines of one hour are appended again and again, each time an
 * hour later. It ends early when the disk is nearly full, or after ten minutes.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { readEntries } from "#src/hub/api/intake/ndjson.ts";
import type { BlockStore, EntrySearch } from "#src/hub/store/log-port.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { systemClock } from "#src/lib/clock.ts";
import { release } from "#src/protocol/columns/release.ts";
import { parseQuery } from "#src/protocol/query-parser.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import { report } from "./hub-process.ts";
import { cpuSeconds, forgetPeak, median, peakMiB, rounded } from "./process.ts";
import { beginMs, createLines, hourMs } from "./store-lines.ts";

const million = 1_000_000;
const steps = [1, 2, 5, 10, 20, 50, 100];
const perDelivery = 5000;
const longestMs = 600_000;
/** Free space that is left alone. */
const spareBytes = 2 * 1024 ** 3;
/** Each question is asked so often; the median counts. */
const runs = 5;

const everything: LogSelection = {
  scope: null,
  servers: null,
  sources: null,
  streams: null,
  level: null,
  fromMs: null,
  toMs: null,
  query: { kind: "all" },
};

/** A million lines in deliveries as agents send them, each after its length. */
function make(file: string): void {
  const next = createLines(million);
  const out = openSync(file, "w");
  for (let from = 0; from < million; from += perDelivery) {
    const text = next(from, from + perDelivery).map((line) => `${JSON.stringify(line)}\n`);
    const body = Bun.zstdCompressSync(text.join(""), { level: 1 });
    const head = Buffer.alloc(4);
    head.writeUInt32LE(body.length);
    writeSync(out, head);
    writeSync(out, body);
  }
  closeSync(out);
}

/** Appends the million once more, `round` hours later. */
async function append(store: BlockStore, file: string, round: number): Promise<void> {
  const input = openSync(file, "r");
  const { size } = fstatSync(input);
  const head = Buffer.alloc(4);
  const waiting: Promise<unknown>[] = [];
  for (let at = 0; at < size;) {
    readSync(input, head, 0, 4, at);
    const zstd = new Uint8Array(head.readUInt32LE());
    readSync(input, zstd, 0, zstd.length, at + 4);
    at += 4 + zstd.length;
    const ndjson = Bun.zstdDecompressSync(zstd);
    const { columns, bytes } = readEntries(ndjson, zstd);
    release(ndjson);
    for (let i = 0; i < columns.count; i++) {
      columns.times[i] = (columns.times[i] ?? 0) + round * hourMs;
      columns.seqs[i] = (columns.seqs[i] ?? 0) + round * million;
    }
    waiting.push(store.append({ serverId: "bench", batchId: null, columns, bytes, zstd: null }));
    if (waiting.length >= 4) await Promise.all(waiting.splice(0));
  }
  await Promise.all(waiting);
  closeSync(input);
}

function ask(text: string, more: Partial<EntrySearch> = {}): EntrySearch {
  const parsed = parseQuery(text);
  if (parsed.query === undefined) throw new Error(`no query: ${text}`);
  const page = { order: "newest", limit: 100, cursor: null, budgetMs: null } as const;
  return { ...everything, ...page, query: parsed.query, ...more };
}

async function hits(store: BlockStore, search: EntrySearch): Promise<number> {
  let found = 0;
  for await (const part of store.search(search)) if (part.kind === "hits") found += part.entries.length;
  return found;
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const started = performance.now();
    await work();
    times.push(performance.now() - started);
  }
  return rounded(median(times));
}

async function grow(store: BlockStore, file: string, folder: string, millions: number): Promise<void> {
  const ends = performance.now() + longestMs;
  let rounds = 0;
  for (const step of steps.filter((one) => one <= millions)) {
    const from = rounds;
    forgetPeak(process.pid);
    const [started, cpu] = [performance.now(), cpuSeconds(process.pid)];
    for (; rounds < step; rounds++) {
      const { bavail, bsize } = statfsSync(folder);
      if (performance.now() > ends || bavail * bsize < spareBytes) break;
      await append(store, file, rounds);
    }
    await store.compact();
    if (rounds === from) break;
    const lines = (rounds - from) * million;
    const seconds = (performance.now() - started) / 1000;
    const ingested = {
      linesPerSecond: Math.round(lines / seconds),
      cpuSecondsPerMillion: rounded(((cpuSeconds(process.pid) - cpu) / lines) * million),
      peakRssMiB: Math.round(peakMiB(process.pid)),
    };
    const { bytes, blocks } = store.sizes();
    report({
      bench: "store-growth",
      millions: rounds,
      ...ingested,
      bytesPerLine: rounded(bytes / (rounds * million)),
      blocks,
      lastHundredMs: await milliseconds(() => hits(store, ask("", { sources: ["web3"] }))),
      // two lines of each million
      rareWordMs: await milliseconds(() => hits(store, ask("zebra", { fromMs: beginMs, toMs: beginMs + hourMs }))),
      absentWordMs: await milliseconds(() => hits(store, ask("xylophone"))),
      absentNumberMs: await milliseconds(() => hits(store, ask("order-918273645"))),
      countPerMinuteMs: await milliseconds(() => store.histogram(everything, 60_000, null)),
      rssMiB: Math.round(process.memoryUsage.rss() / 1024 ** 2),
    });
    if (rounds < step) break;
  }
}

async function main(): Promise<void> {
  const millions = Number(process.argv[2] ?? 10);
  const kept = process.argv[3];
  const folder = kept ?? mkdtempSync(join(tmpdir(), "orion-bench-"));
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "deliveries");
  try {
    // in a process of its own, so that what it leaves in memory is not measured
    if (!existsSync(file)) {
      const made = Bun.spawnSync({ cmd: [process.execPath, import.meta.path, "--make", file], stderr: "inherit" });
      if (made.exitCode !== 0) throw new Error("the lines could not be made");
    }
    for (const side of ["", "-wal", "-shm"]) rmSync(join(folder, `logs.db${side}`), { force: true });
    // what is a day old would be pressed harder meanwhile
    const clock = { ...systemClock, now: () => beginMs };
    const store = await openBlockStore(folder, clock, (error) => {
      throw error;
    });
    await grow(store, file, folder, millions);
    store.close();
  } finally {
    if (kept === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

const [, , word, made] = process.argv;
if (word === "--make" && made !== undefined) make(made);
else await main();
