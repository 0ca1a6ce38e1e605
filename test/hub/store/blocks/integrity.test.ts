import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { type Blocks, openBlocks } from "#src/hub/store/blocks/blocks.ts";
import type { Checked } from "#src/hub/store/log-port.ts";
import { systemClock, timestamp } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { makeOldStore } from "./old-store.ts";
import { append, arrived, everything, exported, openTestBlocks } from "./open.ts";

setDefaultTimeout(60_000);

const start = Date.UTC(2026, 5, 1);

/** `count` lines of one second each after `from`. */
const lines = (from: number, count: number, source = "api"): LogEntry[] =>
  Array.from({ length: count }, (_, i) => ({
    seq: from + i,
    at: timestamp(start + (from + i) * 1000),
    source,
    stream: "stdout",
    level: "info",
    message: `GET /orders/${(from + i) * 7919} from 10.0.${i % 256}.${(i * 31) % 256}`,
    ...(i % 3 === 0 ? { fields: { user: `u${i}` } } : {}),
  }));

async function problems(store: Pick<Blocks, "check">) {
  const found: Checked[] = [];
  for await (const one of store.check()) if (one.problem !== null) found.push(one);
  return found;
}

/** Every byte string of a block, and how to read and change it. */
const parts = [
  ["block_bodies", "body", "block"],
  ["block_words", "filter", "block"],
  ["block_numbers", "filter", "block"],
  ["blocks", "counts", "id"],
] as const;

describe("a damaged block", () => {
  test("is found by check wherever a byte of it was flipped, and costs itself alone", async () => {
    await using blocks = await openTestBlocks(() => start);
    await append(blocks.store, "s1", lines(0, 3000));
    await append(blocks.store, "s2", lines(0, 3000));
    await blocks.store.compact();
    const file = blocks.store.file;
    using database = new Database(file);
    for (const [table, column, key] of parts) {
      const [first] = database
        .query<{ id: number; bytes: Uint8Array }, []>(
          `SELECT ${key} AS id, ${column} AS bytes FROM ${table} ORDER BY 1`,
        )
        .all();
      if (first === undefined) throw new Error("there is no block");
      const { length } = first.bytes;
      const places = new Set([
        0,
        1,
        2,
        3,
        17,
        18,
        40,
        length >> 1,
        length - 1,
        ...Array.from({ length: 12 }, (_, i) => (i * 7919) % length),
      ]);
      for (const place of places) {
        if (place >= length) continue;
        const bad = first.bytes.slice();
        bad[place] = (bad[place] ?? 0) ^ (1 << (place % 8));
        database.query(`UPDATE ${table} SET ${column} = ? WHERE ${key} = ?`).run(bad, first.id);
        expect((await problems(blocks.store)).map(({ block }) => block)).toEqual([`block ${first.id}`]);
      }
      database.query(`UPDATE ${table} SET ${column} = ? WHERE ${key} = ?`).run(first.bytes, first.id);
      expect(await problems(blocks.store)).toEqual([]);
    }
    for (const column of [
      "lines",
      "first_ms",
      "last_ms",
      "levels",
      "streams",
      "first_position",
      "last_position",
      "origin",
    ]) {
      database.run(`UPDATE blocks SET ${column} = ${column} + 1 WHERE id = (SELECT min(id) FROM blocks)`);
      expect((await problems(blocks.store)).length).toBe(1);
      database.run(`UPDATE blocks SET ${column} = ${column} - 1 WHERE id = (SELECT min(id) FROM blocks)`);
    }
  });

  test("is put aside by repair with what it was, and the rest can be read", async () => {
    await using blocks = await openTestBlocks(() => start);
    for (const server of ["s1", "s2", "s3"]) await append(blocks.store, server, lines(0, 1000));
    await blocks.store.compact();
    await append(blocks.store, "s4", lines(0, 10));
    await append(blocks.store, "s5", lines(0, 10));
    using database = new Database(blocks.store.file);
    database.run("UPDATE block_bodies SET body = substr(body, 1, 100) || x'00' || substr(body, 102) WHERE block = 2");
    database.run("UPDATE chunks SET body = substr(body, 1, 30) || x'00' || substr(body, 32) WHERE server = 's4'");
    await blocks.reopen();
    {
      using snapshot = blocks.store.reader.snapshot();
      const opened = [...snapshot.pieces(everything, "newest")].map((piece) => {
        try {
          return snapshot.open(piece).count;
        } catch (error) {
          return error instanceof Fault ? error.code : "other";
        }
      });
      expect(opened.filter((one) => one === "failed").length).toBe(2);
    }
    expect((await problems(blocks.store)).length).toBe(2);
    const repaired = await blocks.store.repair();
    expect(repaired).toMatchObject({ mended: 0, blocks: 2, lines: 1010, senders: 0 });
    expect(repaired.lost).toMatchObject([
      { block: "block 2", serverId: "s2", sources: ["api"], lines: 1000, firstMs: start, lastMs: start + 999_000 },
      { serverId: "s4", sources: ["api"], lines: 10, firstMs: start, lastMs: start + 9000 },
    ]);
    expect(await problems(blocks.store)).toEqual([]);
    const left = await exported(blocks.store);
    expect(
      Object.fromEntries(
        ["s1", "s2", "s3", "s4", "s5"].map((id) => [id, left.filter((one) => one.serverId === id).length]),
      ),
    ).toEqual({ s1: 1000, s2: 0, s3: 1000, s4: 0, s5: 10 });
    expect(
      database.query<{ n: number }, []>("SELECT count(*) AS n FROM quarantine WHERE body IS NOT NULL").get()?.n,
    ).toBe(2);
    expect(arrived(blocks.store).length).toBe(2010);
  });
});

describe("a block whose figures or filters are damaged", () => {
  const damages = [
    ["words", "UPDATE block_words SET filter = substr(filter, 1, 100) || x'5a' || substr(filter, 102) WHERE block = 1"],
    ["numbers", "UPDATE block_numbers SET filter = x'00' || substr(filter, 2) WHERE block = 1"],
    ["counts", "UPDATE blocks SET counts = substr(counts, 1, 3) || x'7f' || substr(counts, 5) WHERE id = 1"],
    ["times", "UPDATE blocks SET last_ms = last_ms + 1000000 WHERE id = 1"],
    ["the number of lines", "UPDATE blocks SET lines = lines + 1 WHERE id = 1"],
    ["levels", "UPDATE blocks SET levels = 31 WHERE id = 1"],
    ["sources", "DELETE FROM block_sources WHERE block = 1"],
    ["their checksum", "UPDATE blocks SET crc = crc + 1 WHERE id = 1"],
  ] as const;
  for (const [what, text] of damages) {
    test(`(${what}) is made anew by repair, and nothing is lost`, async () => {
      await using blocks = await openTestBlocks(() => start);
      for (const server of ["s1", "s2"]) await append(blocks.store, server, lines(0, 1500));
      await blocks.store.compact();
      const before = await exported(blocks.store);
      using database = new Database(blocks.store.file);
      expect(database.run(text).changes).toBe(1);
      expect((await problems(blocks.store)).map(({ block }) => block)).toEqual(["block 1"]);
      expect(await blocks.store.repair()).toEqual({ mended: 1, blocks: 0, lines: 0, senders: 0, lost: [] });
      expect(await problems(blocks.store)).toEqual([]);
      expect(await exported(blocks.store)).toEqual(before);
    });
  }

  test("(whose it is) goes back to whom it belongs, and to nobody else", async () => {
    await using blocks = await openTestBlocks(() => start);
    for (const server of ["s1", "s2"]) await append(blocks.store, server, lines(0, 1500));
    await blocks.store.compact();
    const before = await exported(blocks.store);
    using database = new Database(blocks.store.file);
    database.run("UPDATE blocks SET origin = 2 WHERE id = 1");
    expect(await blocks.store.repair()).toMatchObject({ mended: 1, blocks: 0 });
    expect(await exported(blocks.store)).toEqual(before);
    database.run("UPDATE origins SET name = 's9' WHERE name = 's1'");
    await blocks.reopen();
    expect(await blocks.store.repair()).toMatchObject({ mended: 1, blocks: 0 });
    expect(await exported(blocks.store)).toEqual(before);
    database.run("UPDATE origins SET name = 's7' WHERE name = 's1'");
    database.run("UPDATE senders SET server = 's8' WHERE server = 's1'");
    await blocks.reopen();
    expect(await blocks.store.repair()).toMatchObject({ mended: 0, blocks: 1, lines: 1500 });
    expect((await exported(blocks.store)).every((one) => one.serverId === "s2")).toBe(true);
  });
});

describe("what is remembered of a sender", () => {
  // Before, a wrong digit made the next thousand lines count as repeated, and they were gone without a word.
  test("is found damaged, takes nothing in then, and is forgotten by repair", async () => {
    await using blocks = await openTestBlocks(() => start);
    await append(blocks.store, "s1", lines(0, 100));
    await append(blocks.store, "s2", lines(0, 100));
    using database = new Database(blocks.store.file);
    database.run("UPDATE senders SET ranges = '[[0,999]]' WHERE server = 's1'");
    await blocks.reopen();
    expect((await problems(blocks.store)).map(({ block, serverId }) => [block, serverId])).toEqual([
      ["sender s1", "s1"],
    ]);
    expect(await append(blocks.store, "s1", lines(100, 5)).catch((error: unknown) => error)).toMatchObject({
      code: "failed",
    });
    expect(await append(blocks.store, "s2", lines(100, 5))).toEqual({ accepted: 5, duplicates: 0 });
    expect(await blocks.store.repair()).toMatchObject({ senders: 1, blocks: 0 });
    expect(await append(blocks.store, "s1", lines(100, 5))).toEqual({ accepted: 5, duplicates: 0 });
    expect(await problems(blocks.store)).toEqual([]);
  });
});

describe("positions", () => {
  test("go on behind all that were given, whatever the counter says", async () => {
    await using blocks = await openTestBlocks(() => start);
    await append(blocks.store, "s1", lines(0, 100));
    await blocks.store.compact();
    await append(blocks.store, "s1", lines(100, 50));
    using database = new Database(blocks.store.file);
    database.run("UPDATE counters SET value = 3 WHERE name = 'position'");
    await blocks.reopen();
    expect(blocks.store.head()).toBe(150);
    await append(blocks.store, "s1", lines(150, 10));
    expect((await exported(blocks.store)).map((one) => one.id)).toEqual(
      Array.from({ length: 160 }, (_, i) => String(i + 1)),
    );
  });
});

describe("an older log store", () => {
  test("is read as it is, and its deliveries become blocks", async () => {
    await using folder = temporaryFolder();
    const sent = lines(0, 2500).map((line, i) => ({ ...line, source: i % 2 === 0 ? "api" : "web" }));
    const deliveries = Array.from({ length: 25 }, (_, i) => sent.slice(i * 100, i * 100 + 100));
    await makeOldStore(folder.path, "s1", deliveries);
    const failures: unknown[] = [];
    const store = await openBlocks(folder.path, systemClock, (error) => void failures.push(error));
    const expected = sent.map((line, i) => ({ ...line, id: String(i + 1), serverId: "s1" }));
    expect(await exported(store)).toEqual(expected);
    await store.compact();
    expect(await exported(store)).toEqual(expected);
    expect(store.sizes().blocks).toBe(2);
    expect([store.head(), store.lastSeq("s1")]).toEqual([2500, 2499]);
    expect(await append(store, "s1", sent.slice(0, 100))).toEqual({ accepted: 0, duplicates: 100 });
    expect(failures).toEqual([]);
    store.close();
  });
});
