import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";

import { createCommits, storageFault } from "#src/hub/store/commits.ts";
import { systemClock } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";

function open() {
  const database = new Database(":memory:");
  database.run("CREATE TABLE t (n INTEGER PRIMARY KEY)");
  const log: string[] = [];
  const commits = createCommits(
    database,
    { commit: () => void log.push("commit"), rollback: () => void log.push("rollback") },
    systemClock,
  );
  const insert = (n: number) => commits.write(1, () => database.run("INSERT INTO t VALUES (?)", [n]).changes);
  const rows = () => database.query<{ n: number }, []>("SELECT n FROM t ORDER BY n").all();
  return { database, log, commits, insert, rows };
}

describe("group commit", () => {
  test("writes of one moment share a transaction, and resolve with their values after it", async () => {
    const { log, insert, rows } = open();
    const values = await Promise.all([1, 2, 3].map(insert));
    expect([values, log]).toEqual([[1, 1, 1], ["commit"]]);
    expect(rows().map((row) => row.n)).toEqual([1, 2, 3]);
  });

  test("a write that fails takes none of its neighbours with it, and leaves nothing behind", async () => {
    const { database, commits, insert, rows, log } = open();
    const bad = commits.write(1, () => {
      database.run("INSERT INTO t VALUES (99)");
      throw new Error("no");
    });
    const results = await Promise.allSettled([insert(1), bad, insert(2), insert(1)]);
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "fulfilled", "rejected"]);
    expect(rows().map((row) => row.n)).toEqual([1, 2]);
    expect(log).toEqual(["rollback", "rollback", "commit", "commit", "rollback"]);
    expect(await insert(3)).toBe(1);
  });

  test("flush writes at once, and counts what waits", async () => {
    const { commits, insert, rows } = open();
    const first = insert(1);
    expect([commits.waiting(), rows().length]).toEqual([1, 0]);
    commits.flush();
    expect([commits.waiting(), rows().length]).toEqual([0, 1]);
    await first;
  });

  for (const [code, kind] of [
    ["SQLITE_FULL", "unavailable"],
    ["SQLITE_IOERR_WRITE", "unavailable"],
    ["SQLITE_CONSTRAINT", "failed"],
  ] as const) {
    test(`${code} is ${kind}`, () => {
      expect(storageFault(Object.assign(new Error("x"), { code })).code).toBe(kind);
    });
  }

  test("a fault stays as it is", () => {
    const fault = new Fault("invalid", "x");
    expect(storageFault(fault)).toBe(fault);
  });
});
