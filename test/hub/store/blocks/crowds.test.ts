/** Very many senders, sources, days and bytes: what blocks are made of them, and what it costs. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { createGathering } from "#src/hub/store/blocks/gathering.ts";
import { timestamp } from "#src/lib/clock.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { append, everything, exported, openTestBlocks } from "./open.ts";

setDefaultTimeout(60_000);

const start = Date.UTC(2026, 5, 1, 12);
const day = 86_400_000;
const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

function line(seq: number, ms: number, source: string, message: string): LogEntry {
  return { seq, at: timestamp(ms), source, stream: "stdout", level: "info", message };
}

/** What is stored, as its pieces have it. */
function pieces(blocks: Awaited<ReturnType<typeof openTestBlocks>>) {
  using snapshot = blocks.store.reader.snapshot();
  return [...snapshot.pieces(everything, "oldest")];
}

describe("blocks of very many", () => {
  // Before, the rank of a source had to fit sixteen bits while deliveries were sorted out: lines went to other names.
  test("sources of one server are few, and each line has its own source", async () => {
    await using blocks = await openTestBlocks(() => start);
    const count = 40_000;
    for (let n = 0; n < 2; n++) {
      const entries = Array.from({ length: count }, (_, i) => line(n * count + i, start + i, `s${n * count + i}`, "x"));
      await append(blocks.store, "s1", entries);
    }
    await blocks.store.compact();
    expect(pieces(blocks).length).toBeLessThanOrEqual(16);
    const wrong = (await exported(blocks.store)).filter((one) => one.source !== `s${one.seq}`);
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(blocks.store.sizes().lines).toBe(2 * count);
  });

  // Before, a source took 12 KiB while its lines waited, and 40,000 of them half a gigabyte.
  test("sources take memory by what they say while they wait", () => {
    const gathering = createGathering();
    const count = 20_000;
    const { columns } = delivery(
      "s1",
      Array.from({ length: count }, (_, i) => line(i, start, `quiet-${i}`, "x")),
    );
    Bun.gc(true);
    const before = process.memoryUsage();
    gathering.add("s1", columns, 1);
    for (let n = 1; n < 20; n++) gathering.add(`server-${n}`, columns, 1 + n * count);
    Bun.gc(true);
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    expect(gathering.count).toBe(20 * count);
    expect(grown / gathering.count).toBeLessThan(400);
  });

  // Before, each of a thousand days made a block of its own, and finding where they end took the square of their number.
  test("days share blocks, in the order of their times", async () => {
    await using blocks = await openTestBlocks(() => start);
    const entries = Array.from({ length: 20_000 }, (_, i) => line(i, ((i * 7919) % 20_000) * day, "app", `day ${i}`));
    await append(blocks.store, "s1", entries);
    await blocks.store.compact();
    expect(pieces(blocks).length).toBeLessThanOrEqual(128);
    const expected = entries.toSorted((a, b) => a.at.localeCompare(b.at)).map((one) => one.message);
    expect((await exported(blocks.store)).map((one) => one.message)).toEqual(expected);
  });

  // Before, fields counted for nothing: a block of them took hundreds of megabytes, and so did what waited for it.
  test("bytes in fields are cut into blocks like messages", async () => {
    await using blocks = await openTestBlocks(() => start);
    const big = "x".repeat(60 * kibibyte);
    for (let n = 0; n < 10; n++) {
      const entries = Array.from({ length: 60 }, (_, i) => ({
        ...line(n * 60 + i, start + n * 60 + i, "app", "hi"),
        fields: { big: `${big}${i}` },
      }));
      await append(blocks.store, "s1", entries);
    }
    expect(Math.max(...pieces(blocks).map((piece) => piece.rawBytes))).toBeLessThan(4 * mebibyte + 100 * kibibyte);
    await blocks.store.compact();
    expect(Math.max(...pieces(blocks).map((piece) => piece.rawBytes))).toBeLessThan(mebibyte + 100 * kibibyte);
    expect((await exported(blocks.store)).map((one) => one.seq)).toEqual(Array.from({ length: 600 }, (_, i) => i));
  });

  test("deliveries that are turned into blocks while others come keep their order, and none waits for ever", async () => {
    await using blocks = await openTestBlocks(() => start);
    const all: Promise<unknown>[] = [];
    for (let n = 0; n < 300; n++) {
      const entries = Array.from({ length: 700 }, (_, i) => line(n * 700 + i, start + n, "app", `${n} ${i}`));
      all.push(append(blocks.store, `s${n % 3}`, entries));
    }
    await Promise.all(all);
    await blocks.store.compact();
    // all of one millisecond: in the order of arrival, which is that of the calls
    const seqs = (await exported(blocks.store)).map((one) => one.seq);
    expect(seqs).toEqual(Array.from({ length: 210_000 }, (_, i) => i));
  });

  test("small deliveries are rewritten a few times only, and in the end they are few", async () => {
    let now = start;
    await using blocks = await openTestBlocks(() => now);
    let made = 0;
    for (let n = 0; n < 100; n++) {
      await append(blocks.store, "s1", [line(n, start + n, "app", `tick ${n}`)]);
      await blocks.store.compact();
      made = Math.max(made, ...pieces(blocks).map((piece) => piece.id));
    }
    // a hundred of one line, and twelve of eight; one of sixty-four, which those are joined to
    expect(made).toBeLessThan(120);
    expect(pieces(blocks).length).toBeLessThan(16);
    now += 2 * day;
    await blocks.reopen();
    await blocks.store.compact();
    expect(pieces(blocks).map((piece) => piece.lines)).toEqual([100]);
  });
});
