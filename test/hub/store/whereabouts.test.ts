import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";

import {
  databasesInUse,
  livingDatabases,
  noteStores,
  readStoresNote,
  refuseUntold,
} from "#src/hub/store/whereabouts.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

const none = { postgres: null, clickhouse: null };
const both = { postgres: "db:5432", clickhouse: "ch:8123" };

describe("the note of where a hub's stores are", () => {
  test("is there while one of them is elsewhere, and read as it was written", async () => {
    await using folder = temporaryFolder();
    expect(readStoresNote(folder.path)).toBeNull();
    noteStores(folder.path, none);
    expect(existsSync(folder.at("stores.json"))).toBe(false);
    for (const stores of [both, { ...none, clickhouse: "ch:8123" }]) {
      noteStores(folder.path, stores);
      expect(readStoresNote(folder.path)).toEqual(stores);
    }
    noteStores(folder.path, none);
    expect(readStoresNote(folder.path)).toBeNull();
  });

  test("refuses whoever is not told of a store that the hub has, and nobody else", async () => {
    await using folder = temporaryFolder();
    refuseUntold(folder.path, none);
    noteStores(folder.path, both);
    refuseUntold(folder.path, both);
    // an address may change
    refuseUntold(folder.path, { postgres: "other:5432", clickhouse: "other:8123" });
    expect(() => refuseUntold(folder.path, none)).toThrow("has its state and accounts at db:5432, and databaseUrl");
    expect(() => refuseUntold(folder.path, { ...both, clickhouse: null })).toThrow("clickhouseUrl is not set");
    noteStores(folder.path, { ...none, clickhouse: "ch:8123" });
    refuseUntold(folder.path, { ...none, clickhouse: "ch:8123" });
  });

  test("counts also when it can't be read", async () => {
    await using folder = temporaryFolder();
    writeFileSync(folder.at("stores.json"), '{"postgres":');
    expect(() => refuseUntold(folder.path, none)).toThrow("databaseUrl is not set");
    refuseUntold(folder.path, both);
  });
});

test("the databases of a folder that are a hub's depend on where its stores are", () => {
  const rows = [none, { ...none, postgres: "db" }, { ...none, clickhouse: "ch" }, both];
  expect(rows.map((stores) => [livingDatabases(stores), databasesInUse(stores).length])).toEqual([
    [["state.db", "auth.db", "logs.db", "metrics.db", "errors.db"], 5],
    [["logs.db", "metrics.db"], 3],
    [["state.db", "auth.db", "errors.db", "ledger.db"], 4],
    [[], 1],
  ]);
});
