/**
 * The embedded log store in process, beside plain SQLite rows and `zstd` of the flat file in the same run.
 * `bun test/bench/store.ts [LINES] [FOLDER]`; one JSON line per figure. With FOLDER the data stays there, for search.ts.
 */
import { Database } from "bun:sqlite";
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { readEntries } from "#src/hub/api/intake/ndjson.ts";
import { openBlocks } from "#src/hub/store/blocks/blocks.ts";
import { systemClock } from "#src/lib/clock.ts";
import { parseInstant } from "#src/lib/instant.ts";
import { release } from "#src/protocol/columns/release.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { report } from "./hub-process.ts";
import { cpuSeconds, forgetPeak, peakMiB, rounded } from "./process.ts";
import { beginMs, createLines, hourMs } from "./store-lines.ts";

const perDelivery = 5000;

/** A file of deliveries as agents send them: NDJSON in zstd, each after its length. And the messages alone. */
function make(deliveries: string, flat: string, total: number): void {
  const next = createLines(total);
  const out = openSync(deliveries, "w");
  const plain = openSync(flat, "w");
  for (let from = 0; from < total; from += perDelivery) {
    const lines = next(from, Math.min(total, from + perDelivery));
    const body = Bun.zstdCompressSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(""), { level: 1 });
    const head = Buffer.alloc(4);
    head.writeUInt32LE(body.length);
    writeSync(out, head);
    writeSync(out, body);
    writeSync(plain, lines.map((line) => `${line.message}\n`).join(""));
  }
  closeSync(out);
  closeSync(plain);
}

type Delivery = { readonly ndjson: Uint8Array; readonly zstd: Uint8Array };

function* read(file: string): Generator<Delivery> {
  const input = openSync(file, "r");
  const { size } = fstatSync(input);
  const head = Buffer.alloc(4);
  for (let at = 0; at < size;) {
    readSync(input, head, 0, 4, at);
    const zstd = new Uint8Array(head.readUInt32LE());
    readSync(input, zstd, 0, zstd.length, at + 4);
    at += 4 + zstd.length;
    const ndjson = Bun.zstdDecompressSync(zstd);
    yield { ndjson, zstd };
  }
  closeSync(input);
}

type Measured = { readonly lines: number; readonly bytes: number };

/** What is measured, each in a process of its own. */
const measures: Readonly<Record<string, (file: string, folder: string) => Promise<Measured>>> = {
  async inflating(file) {
    let lines = 0;
    for (const { ndjson } of read(file)) {
      lines += perDelivery;
      release(ndjson);
    }
    return { lines, bytes: 0 };
  },
  async "inflating and reading"(file) {
    let lines = 0;
    for (const { ndjson, zstd } of read(file)) {
      lines += readEntries(ndjson, zstd).columns.count;
      release(ndjson);
    }
    return { lines, bytes: 0 };
  },
  async blocks(file, folder) {
    // what is a day old would be pressed harder
    const clock = { ...systemClock, now: () => beginMs + hourMs };
    const store = await openBlocks(folder, clock, (error) => {
      throw error;
    });
    let lines = 0;
    // a few deliveries come at once, as from several agents, and share a commit
    const waiting: Promise<unknown>[] = [];
    for (const { ndjson, zstd } of read(file)) {
      const batch = readEntries(ndjson, zstd);
      release(ndjson);
      waiting.push(store.append({ serverId: "bench", batchId: null, ...batch }));
      lines += batch.columns.count;
      if (waiting.length >= 4) await Promise.all(waiting.splice(0));
    }
    await Promise.all(waiting);
    await store.compact();
    store.close();
    return { lines, bytes: statSync(join(folder, "logs.db")).size };
  },
  async "sqlite rows"(file, folder) {
    const database = new Database(join(folder, "rows.db"));
    for (const pragma of ["page_size = 8192", "journal_mode = WAL", "synchronous = FULL"])
      database.run(`PRAGMA ${pragma}`);
    database.run("CREATE TABLE lines (id INTEGER PRIMARY KEY, source TEXT, ms INTEGER, level TEXT, message TEXT)");
    database.run("CREATE INDEX by_source ON lines (source, ms)");
    const insert = database.prepare("INSERT INTO lines (source, ms, level, message) VALUES (?, ?, ?, ?)");
    let lines = 0;
    for (const { ndjson } of read(file)) {
      const entries = Bun.JSONL.parse(ndjson) as LogEntry[];
      database.run("BEGIN");
      for (const entry of entries) insert.run(entry.source, parseInstant(entry.at), entry.level, entry.message);
      database.run("COMMIT");
      lines += entries.length;
    }
    database.close(true);
    return { lines, bytes: statSync(join(folder, "rows.db")).size };
  },
};

async function measure(name: string, file: string, folder: string): Promise<void> {
  const work = measures[name];
  if (work === undefined) throw new Error(`nothing is called ${name}`);
  forgetPeak(process.pid);
  const started = performance.now();
  const cpu = cpuSeconds(process.pid);
  const { lines, bytes } = await work(file, folder);
  const seconds = (performance.now() - started) / 1000;
  const used = cpuSeconds(process.pid) - cpu;
  console.log(JSON.stringify({ name, lines, seconds, cpuSeconds: used, peakRssMiB: peakMiB(process.pid), bytes }));
}

type Figure = {
  readonly name: string;
  readonly lines: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssMiB: number;
  readonly bytes: number;
};

function inProcess(name: string, file: string, folder: string): Figure {
  const child = Bun.spawnSync({
    cmd: [process.execPath, import.meta.path, "--measure", name, file, folder],
    stderr: "inherit",
  });
  if (child.exitCode !== 0) throw new Error(`${name} ended with ${child.exitCode}`);
  const figure = JSON.parse(child.stdout.toString()) as Figure;
  report({
    bench: "store",
    name,
    lines: figure.lines,
    linesPerSecond: Math.round(figure.lines / figure.seconds),
    cpuSecondsPerMillion: rounded((figure.cpuSeconds / figure.lines) * 1e6),
    peakRssMiB: Math.round(figure.peakRssMiB),
    bytesPerLine: rounded(figure.bytes / figure.lines),
  });
  return figure;
}

function main(): void {
  const total = Number(process.argv[2] ?? 5_000_000);
  const kept = process.argv[3];
  const folder = kept ?? mkdtempSync(join(tmpdir(), "orion-bench-"));
  mkdirSync(folder, { recursive: true });
  const [deliveries, flat] = [join(folder, "deliveries"), join(folder, "flat.txt")];
  try {
    if (!existsSync(flat)) make(deliveries, flat, total);
    rmSync(join(folder, "logs.db"), { force: true });
    rmSync(join(folder, "rows.db"), { force: true });
    const inflated = inProcess("inflating", deliveries, folder);
    inProcess("inflating and reading", deliveries, folder);
    const blocks = inProcess("blocks", deliveries, folder);
    const rows = inProcess("sqlite rows", deliveries, folder);
    const zstd = Bun.spawnSync({ cmd: ["zstd", "-3", "-q", "-f", "-k", flat] });
    const flatSize = zstd.exitCode === 0 ? statSync(`${flat}.zst`).size : Number.NaN;
    report({
      bench: "store",
      name: "ratios",
      speedToRows: rounded(rows.seconds / blocks.seconds),
      cpuToRows: rounded(blocks.cpuSeconds / rows.cpuSeconds),
      bytesToRows: rounded(blocks.bytes / rows.bytes),
      bytesToZstd: rounded(blocks.bytes / flatSize),
      zstdBytesPerLine: rounded(flatSize / blocks.lines),
      // what comes into the process as NDJSON need not be inflated
      cpuSecondsPerMillionFromNdjson: rounded(((blocks.cpuSeconds - inflated.cpuSeconds) / blocks.lines) * 1e6),
      linesPerSecondFromNdjson: Math.round(blocks.lines / (blocks.seconds - inflated.seconds)),
    });
  } finally {
    if (kept === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

const [, , mode, name = "", file = "", folder = ""] = process.argv;
if (mode === "--measure") await measure(name, file, folder);
else main();
