import { statSync } from "node:fs";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { probeOf } from "#src/hub/store/blocks/filter.ts";
import { timestamp } from "#src/lib/clock.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { append, everything, exported, openTestBlocks } from "./open.ts";

setDefaultTimeout(60_000);

const start = Date.UTC(2026, 5, 1, 12);
const day = 86_400_000;

let state = 1;
const random = (below: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};

function line(seq: number, ms: number, source: string, message: string): LogEntry {
  return { seq, at: timestamp(ms), source, stream: "stdout", level: "info", message };
}

describe("blocks", () => {
  test("of quiet sources share and are joined, so that a thousand small deliveries make few", async () => {
    await using blocks = await openTestBlocks(() => start);
    const expected: string[] = [];
    for (let n = 0; n < 100; n++) {
      const entries = Array.from({ length: 20 }, (_, i) =>
        line(n * 20 + i, start + n * 1000 + i, `quiet-${i}`, `tick ${n} of ${i}`),
      );
      expected.push(...entries.map((one) => one.message));
      await append(blocks.store, "s1", entries);
      if (n % 4 === 3) await blocks.store.compact();
    }
    await blocks.store.compact();
    const { lines, blocks: count } = blocks.store.sizes();
    expect(lines).toBe(2000);
    expect(count).toBeLessThanOrEqual(8);
    expect((await exported(blocks.store)).map((one) => one.message)).toEqual(expected);
    const own = await exported(blocks.store, { ...everything, sources: ["quiet-7"] });
    expect(own.filter((one) => one.source === "quiet-7").length).toBe(100);
  });

  test("are opened for few words, addresses and ids that they do not hold", async () => {
    await using blocks = await openTestBlocks(() => start);
    const address = () => `${10 + random(200)}.${random(256)}.${random(256)}.${random(256)}`;
    let seq = 0;
    for (let n = 0; n < 12; n++) {
      const entries = Array.from({ length: 3000 }, () => {
        seq++;
        return line(
          seq,
          start + seq,
          "web",
          `${address()} - - "GET /api/v1/users/${random(1e8)} HTTP/1.1" 200 ${random(50_000)} trace=${random(2 ** 31).toString(16)}${random(2 ** 31).toString(16)} rt=0.${random(1000)}`,
        );
      });
      await append(blocks.store, "s1", entries);
    }
    await blocks.store.compact();
    using snapshot = blocks.store.reader.snapshot();
    const pieces = [...snapshot.pieces(everything, "newest")];
    expect(pieces.every((piece) => piece.kind === "block")).toBe(true);
    const opened = (literals: readonly string[]) => {
      const probes = literals.map(probeOf);
      const asked = pieces.length * probes.length;
      return (
        pieces.reduce((sum, piece) => sum + probes.filter((probe) => snapshot.mayHold(piece, probe)).length, 0) / asked
      );
    };
    const many = (make: () => string) => Array.from({ length: 200 }, make);
    const shares = {
      words: opened(["Exception", "timeout", "refused", "panic", "out of memory"]),
      addresses: opened(many(address)),
      ids: opened(many(() => String(10_000_000 + random(9e7)))),
      traces: opened(
        many(
          () =>
            random(2 ** 31)
              .toString(16)
              .padStart(8, "1") +
            random(2 ** 31)
              .toString(16)
              .padStart(8, "2"),
        ),
      ),
    };
    expect(shares.words).toBeLessThan(0.05);
    expect(shares.addresses).toBeLessThan(0.25);
    expect(shares.ids).toBeLessThan(0.05);
    expect(shares.traces).toBeLessThan(0.1);
  });

  test("that are older than a day are pressed and hold the same", async () => {
    let now = start;
    await using blocks = await openTestBlocks(() => now);
    const entries = Array.from({ length: 30_000 }, (_, i) =>
      line(
        i,
        start + i,
        "web",
        `"GET /api/v1/orders/${random(1e5)}/items HTTP/1.1" ${200 + random(3)} ${random(5000)} "Mozilla/5.0 (X11; Linux x64) Firefox/${random(9)}"`,
      ),
    );
    await append(blocks.store, "s1", entries);
    await blocks.store.compact();
    const before = blocks.store.sizes().bytes;
    const held = await exported(blocks.store);
    now += 2 * day;
    await blocks.store.compact();
    expect(blocks.store.sizes().bytes).toBeLessThan(before);
    expect(await exported(blocks.store)).toEqual(held);
    for await (const { problem } of blocks.store.check()) expect(problem).toBeNull();
  });

  test("go by age as their origin has it, then the oldest beyond a size, and the file shrinks", async () => {
    await using blocks = await openTestBlocks(() => start);
    const noise = () => Array.from({ length: 12 }, () => random(2 ** 31).toString(36)).join(" ");
    for (let n = 0; n < 10; n++) {
      for (const server of ["short", "long"]) {
        await append(
          blocks.store,
          server,
          Array.from({ length: 1000 }, (_, i) => line(n * 1000 + i, start - (10 - n) * day + i, "web", noise())),
        );
      }
    }
    await blocks.store.compact();
    const whole = blocks.store.sizes().bytes;
    expect(
      await blocks.store.prune({
        since: (server) => (server === "short" ? start - 3 * day : start - 8 * day),
        shares: [],
        bytes: Infinity,
      }),
    ).toBe(9000);
    const aged = await exported(blocks.store);
    expect(aged.filter((one) => one.serverId === "short").length).toBe(3000);
    expect(aged.filter((one) => one.serverId === "long").length).toBe(8000);
    const half = whole / 4;
    await blocks.store.prune({ since: () => -Infinity, shares: [], bytes: half });
    const { bytes, lines } = blocks.store.sizes();
    expect(bytes).toBeLessThanOrEqual(half);
    const left = await exported(blocks.store);
    expect(left.length).toBe(lines);
    expect(left.length).toBeGreaterThan(0);
    // what is gone is older than what stayed, but for what ended in the same millisecond
    const [oldest] = left;
    const stayed = new Set(left.map((one) => one.id));
    const dayOf = (at: string | undefined) => at?.slice(0, 10) ?? "";
    expect(aged.filter((one) => !stayed.has(one.id)).every((one) => dayOf(one.at) <= dayOf(oldest?.at))).toBe(true);
    await blocks.reopen();
    expect(statSync(blocks.store.file).size).toBeLessThanOrEqual(half + 16_384);
  });
});
