import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { type Copy, openCopy } from "#src/hub/store/errors/shared-copy.ts";
import { type Addition, type ErrorLog, createErrorLog } from "#src/hub/store/errors/shared-log.ts";
import { unpackEntry } from "#src/hub/store/errors/shared-operations.ts";
import { createRequests } from "#src/hub/store/errors/shared-requests.ts";
import type { ErrorLogTables } from "#src/hub/store/errors/shared-tables.ts";
import { createTurn } from "#src/hub/store/errors/shared-turn.ts";
import { failureOf } from "#test/kit/failure.ts";
import { havePostgres } from "#test/kit/postgres.ts";
import { createSkippingClock } from "#test/kit/skipping-clock.ts";
import { until } from "#test/kit/wait.ts";
import { group, nothing, openHubs } from "./shared-kit.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

/** A turn over a real log, which a test can make fail. */
async function openTurn() {
  const hubs = await openHubs();
  const queries = hubs.postgres.queries<ErrorLogTables>();
  const real = createErrorLog(queries, hubs.postgres.patient<ErrorLogTables>());
  const clock = createSkippingClock();
  const requests = createRequests(queries, clock, () => undefined);
  const copy: Copy = await openCopy(hubs.folder(), "copy.db");
  const head = await real.begin("mine");
  copy.setMark({ logId: head.logId, position: 0, term: "" });
  const state = { overs: 0, add: real.add, tries: 0 };
  const log: ErrorLog = {
    ...real,
    add(addition: Addition) {
      state.tries++;
      return state.add(addition);
    },
  };
  const turn = createTurn({
    term: "mine",
    copy,
    log,
    clock,
    warn: () => undefined,
    save: () => Promise.reject(new Error("nothing is made anew here")),
    onAdded: () => undefined,
    onSnapshot: () => undefined,
    onOver: () => void state.overs++,
  });
  return {
    hubs,
    real,
    clock,
    requests,
    copy,
    state,
    turn,
    write(id: number) {
      const writes = { ...nothing, groups: [group(id)] };
      turn.perform({ op: "write", writes }, () => copy.store.write(writes));
    },
    /** What is in the log: the ids that were written, and what was told with each. */
    async added() {
      const rows = await real.read(0);
      const entries = await Promise.all(rows.map(({ body }) => unpackEntry(body)));
      return entries.map(({ operation, told }) => [
        operation.op === "write" ? operation.writes.groups.map(({ id }) => id) : operation.op,
        told,
      ]);
    },
    async [Symbol.asyncDispose]() {
      turn.end();
      copy.close();
      await hubs[Symbol.asyncDispose]();
    },
  };
}

const away = () => Promise.reject(new Error("the database is away"));

describe.skipIf(!havePostgres)("a turn (needs PostgreSQL)", () => {
  test("adds everything in order, each once, although answers of Postgres are lost", async () => {
    await using rig = await openTurn();
    const lose = async (addition: Addition) => {
      await rig.real.add(addition);
      return await away();
    };
    rig.state.add = lose;
    rig.write(1);
    rig.turn.tell("one");
    rig.write(2);
    await until(() => rig.state.tries > 0);
    rig.write(3);
    rig.turn.tell("three");
    rig.state.add = rig.real.add;
    rig.clock.skip(1000);
    await rig.turn.settled();
    expect(await rig.added()).toEqual([
      [[1], ["one"]],
      [[2], []],
      [[3], ["three"]],
    ]);
    expect(rig.copy.mark()).toMatchObject({ position: 3, term: "mine" });
    expect(rig.state.overs).toBe(0);
  });

  test("gives each answer once, with what was done for it", async () => {
    await using rig = await openTurn();
    const ask = () => rig.requests.ask("?", { woken: () => Bun.sleep(5) });
    const asked = [ask(), ask()];
    const taken = await until(async () => {
      const all = await rig.requests.take("mine");
      return all.length === 2 ? all : null;
    });
    const [first = "", second = ""] = taken.map(({ id }) => id);
    rig.state.add = away;
    rig.write(1);
    rig.turn.answer(first, "done");
    await until(() => rig.state.tries > 0);
    // beside something that may be in Postgres already
    rig.turn.answer(second, "refused");
    const answers = async () =>
      (await rig.hubs.database.query("SELECT 1 FROM error_requests WHERE answer IS NOT NULL")).length;
    expect(await answers()).toBe(0);
    rig.state.add = async (addition: Addition) => {
      rig.state.add = rig.real.add;
      await rig.real.add(addition);
      return await away();
    };
    rig.clock.skip(1000);
    await until(() => rig.state.add === rig.real.add);
    rig.clock.skip(1000);
    await rig.turn.settled();
    const got = await Promise.all(asked);
    expect(got.toSorted((x, y) => (x.answer < y.answer ? -1 : 1))).toEqual([
      { answer: "done", position: 1 },
      { answer: "refused", position: 1 },
    ]);
    expect(await rig.added()).toEqual([[[1], []]]);
  });

  test("takes up what is asked without waiting for what is being answered", async () => {
    await using rig = await openTurn();
    const asked = [1, 2].map(() => rig.requests.ask("?", { woken: () => Bun.sleep(5) }));
    const [first = "", second = ""] = await until(async () => {
      const all = await rig.requests.take("mine");
      return all.length === 2 ? all.map(({ id }) => id) : null;
    });
    const queries = rig.hubs.postgres.queries<ErrorLogTables>();
    await queries.transaction().execute(async (transaction) => {
      const answering = transaction.updateTable("error_requests").set({ answer: "done", position: 0 });
      await answering.where("id", "=", first).execute();
      expect((await rig.requests.take("mine")).map(({ id }) => id)).toEqual([second]);
    });
    rig.turn.answer(second, "done");
    expect((await Promise.all(asked)).map(({ answer }) => answer)).toEqual(["done", "done"]);
  });

  test("refuses more while too much waits, and says when it can't tell what has become of something", async () => {
    await using rig = await openTurn();
    rig.state.add = away;
    let done = 0;
    expect(() => {
      for (; done < 1000; done++) rig.write(done + 1);
    }).toThrow("too much waits");
    expect(done).toBe(500);
    const settled = failureOf(rig.turn.settled());
    rig.clock.skip(10_000);
    expect(await settled).toMatchObject({ code: "unavailable", message: expect.stringContaining("does not answer") });
    rig.state.add = rig.real.add;
    rig.clock.skip(1000);
    await rig.turn.settled();
    rig.write(501);
    await rig.turn.settled();
    expect(await rig.added()).toHaveLength(501);
  });

  test("is over when another one has begun: nothing of what comes late is added", async () => {
    await using rig = await openTurn();
    rig.write(1);
    await rig.turn.settled();
    await rig.real.begin("another");
    rig.write(2);
    expect(await failureOf(rig.turn.settled())).toMatchObject({ code: "unavailable" });
    expect(rig.state.overs).toBe(1);
    expect(() => rig.write(3)).toThrow("another hub");
    expect(await rig.added()).toEqual([[[1], []]]);
  });

  test("is over when the log was set back, as by a restore of the database", async () => {
    await using rig = await openTurn();
    for (const id of [1, 2, 3]) rig.write(id);
    await rig.turn.settled();
    await rig.hubs.database.query("DELETE FROM error_log WHERE position > 1; UPDATE error_head SET position = 1");
    rig.write(4);
    expect(await failureOf(rig.turn.settled())).toMatchObject({ code: "unavailable" });
    expect(rig.state.overs).toBe(1);
    expect(await rig.added()).toEqual([[[1], []]]);
  });
});
