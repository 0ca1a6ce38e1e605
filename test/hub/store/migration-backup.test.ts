import { existsSync, readdirSync, statSync } from "node:fs";

import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Kysely } from "kysely";

import { openDatabase } from "#src/hub/store/database.ts";
import { openBlocks } from "#src/hub/store/blocks/blocks.ts";
import { systemClock, timestamp } from "#src/lib/clock.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { mountSmallDisk, smallDiskMissing } from "#test/e2e/kit/small-disk.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { makeOldStore } from "./blocks/old-store.ts";

setDefaultTimeout(60_000);

const makes = (table: string) => ({
  up: async (db: Kysely<unknown>) => await db.schema.createTable(table).addColumn("name", "text").execute(),
});
const first = { "0001-birds": makes("birds") };
const second = { ...first, "0002-fish": makes("fish") };
const third = { ...second, "0003-trees": makes("trees") };

async function open(file: string, migrations: Parameters<typeof openDatabase>[1]): Promise<readonly string[]> {
  const told: string[] = [];
  const { database } = await openDatabase(file, migrations, (message) => void told.push(message));
  database.run("INSERT INTO birds (name) VALUES ('wren')");
  database.close(true);
  return told;
}

const birdsIn = (file: string) => {
  using database = new Database(file, { readonly: true });
  return database.query<{ n: number }, []>("SELECT count(*) AS n FROM birds").get()?.n;
};
const names = (folder: string) => readdirSync(folder).filter((name) => name.includes("before"));

describe("a database whose tables are changed", () => {
  test("is copied before, and the newest copy is kept", async () => {
    await using folder = temporaryFolder();
    const file = folder.at("state.db");
    expect(await open(file, first)).toEqual([]);
    expect(await open(file, first)).toEqual([]);
    expect(names(folder.path)).toEqual([]);
    const copy = `${file}.before-0002-fish`;
    expect(await open(file, second)).toEqual([
      `${file} is changed for this version; as it was before, it is in ${copy}`,
    ]);
    expect([birdsIn(copy), birdsIn(file)]).toEqual([2, 3]);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    await open(file, third);
    expect(names(folder.path)).toEqual(["state.db.before-0003-trees"]);
    expect(birdsIn(`${file}.before-0003-trees`)).toBe(3);
  });

  test("is copied with everything in it when it is a log of the time before there were blocks", async () => {
    await using folder = temporaryFolder();
    const entry: LogEntry = {
      seq: 0,
      at: timestamp(0),
      source: "api",
      stream: "stdout",
      level: "info",
      message: "hello",
    };
    await makeOldStore(folder.path, "s1", [[entry]]);
    const told: string[] = [];
    const store = await openBlocks(
      folder.path,
      systemClock,
      () => undefined,
      (message) => void told.push(message),
    );
    store.close();
    const copy = folder.at("logs.db.before-0002-blocks");
    expect(told).toEqual([expect.stringContaining(copy)]);
    using database = new Database(copy, { readonly: true });
    expect(database.query("SELECT server, last_position FROM chunks").all()).toEqual([
      { server: "s1", last_position: 1 },
    ]);
  });

  const missing = smallDiskMissing();
  test.skipIf(missing !== undefined)("is left as it is where there is no room for the copy", async () => {
    await using place = temporaryFolder();
    await using disk = await mountSmallDisk(place.at("data"), 64 * 1024 * 1024);
    const file = place.at("data/state.db");
    await open(file, first);
    disk.fill(10 * 1024 * 1024);
    expect(await failureOf(open(file, second))).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("no room for a backup"),
      hint: expect.stringMatching(/^Free \d+ MiB on the disk of /),
    });
    {
      using database = new Database(file, { readonly: true });
      expect(database.query("SELECT 1 FROM sqlite_master WHERE name = 'fish'").all()).toEqual([]);
    }
    disk.free();
    expect((await open(file, second)).length).toBe(1);
    expect(existsSync(`${file}.before-0002-fish`)).toBe(true);
  });
});
