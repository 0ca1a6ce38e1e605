/** Damage anywhere in the log's file: found, and mended but for what it hit. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";

import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { backup } from "#src/hub/store/backup.ts";
import { openBlocks } from "#src/hub/store/blocks/blocks.ts";
import { type Damage, checkData } from "#src/hub/store/check.ts";
import { lockFolder } from "#src/hub/store/lock.ts";
import { repairData } from "#src/hub/store/repair.ts";
import { restore } from "#src/hub/store/restore.ts";
import { openStateStore } from "#src/hub/store/state.ts";
import { systemClock, timestamp } from "#src/lib/clock.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { append, exported } from "./blocks/open.ts";
import { makeData } from "./data.ts";
import { server } from "./open.ts";

setDefaultTimeout(120_000);

const start = Date.UTC(2026, 5, 1);
const pageBytes = 8192;
const blockLines = 1500;
/** Some are joined. */
const largestBlockLines = 2 * blockLines;
/** Blocks whose first bytes lie on one page of the file, at most. */
const blocksOfPage = 7;

const line = (seq: number): LogEntry => ({
  seq,
  at: timestamp(start + seq * 1000),
  source: seq % 2 === 0 ? "api" : "web",
  stream: "stdout",
  level: "info",
  message: `GET /orders/${(seq * 7919) % 100_003} from 10.0.${seq % 256}.${(seq * 31) % 256}`,
});

/** A log of several servers, most of it in blocks. @returns its entries as text */
async function makeLogs(folder: string): Promise<readonly string[]> {
  mkdirSync(folder);
  const store = await openBlocks(folder, systemClock, (error) => {
    throw error;
  });
  for (const id of ["s1", "s2", "s3"]) {
    for (let from = 0; from < blockLines * 4; from += blockLines) {
      await append(
        store,
        id,
        Array.from({ length: blockLines }, (_, i) => line(from + i)),
      );
      await store.compact();
    }
  }
  await append(store, "s4", [line(1), line(2)]);
  const all = (await exported(store)).map((one) => JSON.stringify(one));
  store.close();
  return all;
}

async function damagesOf(folder: string): Promise<Damage[]> {
  const found: Damage[] = [];
  for await (const step of checkData(folder)) if (step.kind === "damage") found.push(step.damage);
  return found;
}

async function linesOf(folder: string): Promise<readonly string[]> {
  const store = await openBlocks(folder, systemClock, () => undefined);
  try {
    return (await exported(store)).map((one) => JSON.stringify(one));
  } finally {
    store.close();
  }
}

/** Where the root of a table or index begins. */
function beginningOf(file: string, name: string): number {
  using database = new Database(file, { readonly: true });
  const root = database
    .query<{ rootpage: number }, [string]>("SELECT rootpage FROM sqlite_master WHERE name = ?")
    .get(name);
  return ((root?.rootpage ?? 0) - 1) * pageBytes;
}

async function flip(file: string, offset: number, bit: number): Promise<void> {
  await using handle = await open(file, "r+");
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ (1 << bit);
  await handle.write(byte, 0, 1, offset);
}

describe("a flipped bit in the log's file", () => {
  const places = (size: number) =>
    fc.oneof(
      { weight: 3, arbitrary: fc.nat(size - 1) },
      // what leads to everything else: the heads of pages, and the schema
      {
        weight: 3,
        arbitrary: fc.tuple(fc.nat(size / pageBytes - 1), fc.nat(60)).map(([page, at]) => page * pageBytes + at),
      },
      { weight: 1, arbitrary: fc.nat(pageBytes - 1) },
    );

  test("is found or does no harm, and costs no more than what lies there", async () => {
    await using folder = temporaryFolder();
    const whole = await makeLogs(folder.at("whole"));
    const known = new Set(whole);
    const { size } = statSync(folder.at("whole/logs.db"));
    const copy = folder.at("copy");
    await fc.assert(
      fc.asyncProperty(places(size), fc.nat(7), async (offset, bit) => {
        rmSync(copy, { recursive: true, force: true });
        mkdirSync(copy);
        copyFileSync(folder.at("whole/logs.db"), `${copy}/logs.db`);
        await flip(`${copy}/logs.db`, offset, bit);
        if ((await damagesOf(copy)).length === 0) {
          expect(await linesOf(copy)).toEqual(whole);
          return;
        }
        const { structure, logs } = await repairData(copy, systemClock);
        expect(structure.filter(({ outcome }) => outcome === "broken")).toEqual([]);
        expect(await damagesOf(copy)).toEqual([]);
        const left = await linesOf(copy);
        expect(left.filter((one) => !known.has(one))).toEqual([]);
        const lost = whole.length - left.length;
        expect(lost).toBeLessThanOrEqual(largestBlockLines * blocksOfPage);
        if (structure.length === 0) {
          expect(lost).toBe(logs?.lines ?? 0);
          expect(lost).toBeLessThanOrEqual(largestBlockLines);
        }
      }),
      { numRuns: 60, interruptAfterTimeLimit: 15_000 },
    );
  });

  test("in the number of its format is mended, and nothing is lost", async () => {
    await using folder = temporaryFolder();
    await makeData(folder.path, "web", 2);
    const whole = await linesOf(folder.path);
    // sqlite.org/fileformat.html, section 1.3.10
    await flip(folder.at("logs.db"), 47, 5);
    expect((await damagesOf(folder.path)).map(({ kind }) => kind)).toContain("structure");
    expect((await repairData(folder.path, systemClock)).structure).toMatchObject([{ outcome: "rewritten" }]);
    expect(await damagesOf(folder.path)).toEqual([]);
    expect(await linesOf(folder.path)).toEqual(whole);
  });

  test("in an index is mended, and nothing is lost", async () => {
    await using folder = temporaryFolder();
    const whole = await makeLogs(folder.at("data"));
    const file = folder.at("data/logs.db");
    const page = beginningOf(file, "blocks_by_end");
    // the first cell of a leaf: where it is stands behind the page's head; three bytes before its first column
    // (sqlite.org/fileformat.html, section 1.6)
    const cell = readFileSync(file).readUInt16BE(page + 8);
    await flip(file, page + cell + 6, 3);
    expect((await damagesOf(folder.at("data"))).map(({ kind }) => kind)).toContain("structure");
    const { structure } = await repairData(folder.at("data"), systemClock);
    expect(structure).toMatchObject([{ file: "logs.db", outcome: "reindexed", aside: null }]);
    expect(await damagesOf(folder.at("data"))).toEqual([]);
    expect(await linesOf(folder.at("data"))).toEqual(whole);
  });
});

describe("a log of which a page can't be followed", () => {
  test("is made anew of all that can be read; the damaged file is kept", async () => {
    await using folder = temporaryFolder();
    const data = folder.at("data");
    const whole = await makeLogs(data);
    const file = `${data}/logs.db`;
    // the kind of the page: there is none like it
    await flip(file, beginningOf(file, "block_words"), 6);
    const { structure, logs } = await repairData(data, systemClock);
    expect(structure).toMatchObject([
      {
        file: "logs.db",
        outcome: "rebuilt",
        salvaged: { blocks: 12, lines: whole.length - 2, unreadable: 0, lost: [] },
      },
    ]);
    expect(logs).toMatchObject({ blocks: 0, lines: 0 });
    expect(existsSync(structure[0]?.aside ?? "")).toBe(true);
    expect(dirname(structure[0]?.aside ?? "")).toBe(data);
    expect(await damagesOf(data)).toEqual([]);
    expect(await linesOf(data)).toEqual(whole);
    const store = await openBlocks(data, systemClock, () => undefined);
    // what was delivered is still known, and positions go on
    expect(await append(store, "s1", [line(0), line(blockLines * 4)])).toEqual({ accepted: 1, duplicates: 1 });
    expect(store.head()).toBe(whole.length + 1);
    store.close();
  });
});

describe("a log of which the page of all blocks can't be followed", () => {
  test("is made anew of what indexes and bodies say, and nothing is lost", async () => {
    await using folder = temporaryFolder();
    const data = folder.at("data");
    const whole = await makeLogs(data);
    await flip(`${data}/logs.db`, beginningOf(`${data}/logs.db`, "blocks"), 0);
    const { structure } = await repairData(data, systemClock);
    expect(structure).toMatchObject([
      { outcome: "rebuilt", salvaged: { blocks: 12, lines: whole.length - 2, unreadable: 0, lost: [] } },
    ]);
    expect(await damagesOf(data)).toEqual([]);
    expect(await linesOf(data)).toEqual(whole);
  });

  test("has the blocks of which the filters are as they were: others are told as lost", async () => {
    await using folder = temporaryFolder();
    const data = folder.at("data");
    const whole = await makeLogs(data);
    const file = `${data}/logs.db`;
    const database = new Database(file);
    const changed = "block = (SELECT min(block) FROM block_words)";
    expect(database.run(`UPDATE block_words SET filter = zeroblob(length(filter)) WHERE ${changed}`).changes).toBe(1);
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    database.close();
    await flip(file, beginningOf(file, "blocks"), 0);
    const { structure } = await repairData(data, systemClock);
    expect(structure).toMatchObject([{ outcome: "rebuilt", salvaged: { unreadable: 1 } }]);
    const left = await linesOf(data);
    expect(left.length).toBeLessThan(whole.length);
    expect(left.filter((one) => !whole.includes(one))).toEqual([]);
  });
});

describe("a log in which no blocks are yet", () => {
  const sender = "the-sender-of-all";

  /** @returns its entries as text */
  async function makeDeliveries(data: string, deliveries: number): Promise<readonly string[]> {
    mkdirSync(data);
    const store = await openBlocks(data, systemClock, (error) => {
      throw error;
    });
    for (let i = 0; i < deliveries; i++) await append(store, sender, [line(2 * i), line(2 * i + 1)]);
    const all = (await exported(store)).map((one) => JSON.stringify(one));
    store.close();
    return all;
  }

  test.each([
    { of: "deliveries", deliveries: 6 },
    { of: "nothing", deliveries: 0 },
  ])("of $of is made anew", async ({ deliveries }) => {
    await using folder = temporaryFolder();
    const data = folder.at("data");
    const whole = await makeDeliveries(data, deliveries);
    // there is no such kind of page
    await flip(`${data}/logs.db`, beginningOf(`${data}/logs.db`, "chunks_by_position"), 5);
    const { structure } = await repairData(data, systemClock);
    expect(structure).toMatchObject([{ file: "logs.db", outcome: "rebuilt" }]);
    expect(await damagesOf(data)).toEqual([]);
    expect(await linesOf(data)).toEqual(whole);
  });

  test("tells which deliveries it could not keep", async () => {
    await using folder = temporaryFolder();
    const data = folder.at("data");
    await makeDeliveries(data, 2);
    await flip(`${data}/logs.db`, beginningOf(`${data}/logs.db`, "chunks"), 5);
    const { structure } = await repairData(data, systemClock);
    expect(structure).toMatchObject([
      {
        outcome: "rebuilt",
        salvaged: {
          lost: [
            { block: "delivery 1", lines: 2, serverId: sender },
            { block: "delivery 3", lines: 2, serverId: sender },
          ],
        },
      },
    ]);
  });

  test("is checked to the end when a page gives the same rows again and again", async () => {
    await using folder = temporaryFolder();
    const data = folder.at("data");
    const whole = await makeDeliveries(data, 6);
    // the upper byte of how many rows are on the page
    await flip(`${data}/logs.db`, beginningOf(`${data}/logs.db`, "chunks") + 3, 0);
    expect((await damagesOf(data)).map(({ kind }) => kind)).toContain("structure");
    await repairData(data, systemClock);
    expect(await damagesOf(data)).toEqual([]);
    expect((await linesOf(data)).filter((one) => !whole.includes(one))).toEqual([]);
  });

  test("gives nobody's lines to another", async () => {
    await using folder = temporaryFolder();
    const data = folder.at("data");
    const file = `${data}/logs.db`;
    const whole = await makeDeliveries(data, 2);
    const page = beginningOf(file, "chunks");
    await flip(file, readFileSync(file).indexOf(sender, page), 0);
    expect((await damagesOf(data)).map(({ kind }) => kind)).toContain("structure");
    await repairData(data, systemClock);
    expect(await damagesOf(data)).toEqual([]);
    expect(await linesOf(data)).toEqual(whole);
  });
});

describe("the list of a log's migrations", () => {
  test.each([
    ["a time", "UPDATE kysely_migration SET timestamp = 'B' || substr(timestamp, 2) WHERE name = '0001-chunks'"],
    ["the order", "UPDATE kysely_migration SET timestamp = '9' || substr(timestamp, 2) WHERE name = '0001-chunks'"],
    ["a name", "UPDATE kysely_migration SET name = '0001-chunkr' WHERE name = '0001-chunks'"],
  ])("is mended where %s is damaged, without which no hub starts", async (_, damage) => {
    await using folder = temporaryFolder();
    await makeData(folder.path, "web", 2);
    const whole = await linesOf(folder.path);
    const database = new Database(folder.at("logs.db"));
    database.run(damage);
    database.close();
    expect(await damagesOf(folder.path)).toMatchObject([{ kind: "structure", file: "logs.db" }]);
    expect((await repairData(folder.path, systemClock)).structure).toMatchObject([
      { file: "logs.db", outcome: "rewritten" },
    ]);
    expect(await damagesOf(folder.path)).toEqual([]);
    expect(await linesOf(folder.path)).toEqual(whole);
  });

  test("with those of a newer Orion is left as it is", async () => {
    await using folder = temporaryFolder();
    await makeData(folder.path, "web", 2);
    using database = new Database(folder.at("logs.db"));
    database.run("INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-later', '2999-01-01T00:00:00.000Z')");
    database.run("CREATE TABLE later (id INTEGER PRIMARY KEY)");
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    const before = readFileSync(folder.at("logs.db"));
    const { structure, logs } = await repairData(folder.path, systemClock);
    expect(structure).toMatchObject([{ file: "logs.db", outcome: "broken", aside: null }]);
    expect(logs).toBeNull();
    expect(readFileSync(folder.at("logs.db")).equals(before)).toBe(true);
  });
});

describe("a check", () => {
  test("of a sound hub finds nothing, while it is written to, and changes nothing", async () => {
    await using folder = temporaryFolder();
    await makeData(folder.path, "web", 5);
    const state = await openStateStore(folder.path, systemClock);
    const store = await openBlocks(folder.path, systemClock, () => undefined);
    let seq = 0;
    const writing = (async () => {
      for (let i = 0; i < 20; i++) {
        await append(
          store,
          "s1",
          Array.from({ length: 500 }, () => line(seq++)),
        );
        await state.putServer(server(`late-${i}`));
        if (i % 5 === 0) await store.compact();
      }
    })();
    for (let i = 0; i < 5; i++) expect(await damagesOf(folder.path)).toEqual([]);
    await writing;
    const steps: string[] = [];
    for await (const step of checkData(folder.path)) if (step.kind === "begin") steps.push(step.file);
    expect(steps).toEqual(["state.db", "auth.db", "logs.db"]);
    expect(await exported(store)).toHaveLength(10_050);
    await backup(folder.path, folder.at("hub.tar"), { clock: systemClock });
    await restore(folder.at("hub.tar"), folder.at("restored"), { clock: systemClock, force: false });
    expect(await damagesOf(folder.at("restored"))).toEqual([]);
    store.close();
    state.close();
  });

  test("tells of a database that is none, and of a block with where it is from", async () => {
    await using folder = temporaryFolder();
    await makeData(folder.path, "web", 2);
    await Bun.write(folder.at("auth.db"), "this is no database at all ".repeat(100));
    using database = new Database(folder.at("logs.db"));
    database.run("UPDATE chunks SET body = x'00112233' WHERE server = 'web-1'");
    expect(await damagesOf(folder.path)).toMatchObject([
      { kind: "structure", file: "auth.db" },
      { kind: "block", file: "logs.db", serverId: "web-1", sources: ["api"], lines: 10, block: "delivery 11" },
    ]);
  });

  test("of a folder without a hub's data is refused", async () => {
    await using folder = temporaryFolder();
    expect(await failureOf(damagesOf(folder.path))).toMatchObject({ code: "not-found" });
  });
});

describe("a repair", () => {
  test("of a sound hub changes nothing", async () => {
    await using folder = temporaryFolder();
    await makeData(folder.path, "web", 2);
    const before = readdirSync(folder.path);
    const logs = { mended: 0, blocks: 0, lines: 0, senders: 0, lost: [] };
    expect(await repairData(folder.path, systemClock)).toEqual({ structure: [], logs });
    const after = readdirSync(folder.path).filter((name) => !/-(?:wal|shm)$|\.lock$/.test(name));
    expect(before).toEqual(expect.arrayContaining(after));
  });

  test("is refused while a hub runs on the folder", async () => {
    await using folder = temporaryFolder();
    await makeData(folder.path, "web", 1);
    const unlock = lockFolder(folder.path);
    expect(await failureOf(repairData(folder.path, systemClock))).toMatchObject({ code: "conflict" });
    unlock();
  });
});
