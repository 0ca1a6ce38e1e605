import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { StoredEntry } from "#src/protocol/api.ts";
import { timestamp } from "#src/lib/clock.ts";
import { type Clickhouse, haveClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { freshDatabase, havePostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";
import { fillHub, traceback } from "./filled-hub.ts";
import { type Rest, fillRest, measureDays } from "./filled-rest.ts";
import { type TestHub, createAgent, crash, entries, entry, startHub } from "./kit/hub.ts";
import { codeOf } from "./kit/authenticator.ts";
import { createClient } from "./kit/people.ts";
import { answersOf, answersToPeople, bringBack, migrate, nearly, settings, signInAs } from "./moving.ts";
import { follow } from "./shared-hubs.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(180_000);

/** Every agent has its traceback twice. */
const tracebacks = 6;

describe.skipIf(!havePostgres || !haveClickhouse)("a hub that moves (needs PostgreSQL and ClickHouse)", () => {
  let clickhouse: Clickhouse;
  beforeAll(async () => {
    clickhouse = await startClickhouse();
  });
  afterAll(async () => {
    await clickhouse[Symbol.asyncDispose]();
  });

  test("answers and goes on as before, there and when it has come back", async () => {
    await using folder = temporaryFolder();
    await using again = temporaryFolder();
    await using database = await freshDatabase();
    const target = { databaseUrl: database.url, clickhouseUrl: await clickhouse.freshDatabase() };
    const onDatabases = { ...settings, ...target, secretFile: join(folder.path, "secret") };
    let rest: Rest;
    {
      await using hub = await startHub({ folder: folder.path, settings });
      await (await fillHub(hub, 100)).more();
      rest = await fillRest(hub);
      await grouped(hub, tracebacks);
    }
    await measureDays(folder.path, rest.server.id);
    const readerOf = (hub: TestHub) => createClient(hub.url, { authorization: `Bearer ${rest.key}` });
    const agentOf = (hub: TestHub) => createAgent(hub.url, rest.server);
    /** What is seen of a hub, and of what it adds when agents repeat what they have sent. */
    const look = async (hub: TestHub, code: string) => {
      await repeated(hub);
      const owner = await signInAs(hub.url, rest.owner, code);
      return { ...(await answersOf(readerOf(hub), rest)), people: await answersToPeople(owner) };
    };
    async function repeated(hub: TestHub): Promise<void> {
      const lines = await agentOf(hub).logs(entries(1, 50));
      expect(await lines.json()).toMatchObject({ accepted: 0, duplicates: 50 });
      const application = createClient(hub.url, { authorization: `Bearer ${rest.source.token}` });
      const headers = { "x-batch-id": "till 1", "content-type": "application/json" };
      const body = JSON.stringify([{ message: "sold" }, { message: "not sold", level: "error" }]);
      const batch = await application.fetch("/api/logs", { method: "POST", headers, body });
      expect(await batch.json()).toMatchObject({ accepted: 0, duplicates: 2 });
      expect((await agentOf(hub).event({ ...crash(), seq: 51 })).status).toBe(202);
    }
    /** New lines have higher numbers, and reach who reads on from where he was; new errors count once. */
    async function goesOn(hub: TestHub, seq: number, last: string, errors: number): Promise<string> {
      const reader = readerOf(hub);
      await using tail = await follow(reader, "/api/logs/tail", last === "" ? {} : { "last-event-id": last });
      const error = traceback.map((message, i) =>
        entry(seq + i, { at: timestamp(Date.now()), stream: "stderr", level: "error", message }),
      );
      expect((await agentOf(hub).logs(error)).status).toBe(202);
      const lineOf = (wanted: number) => (one: { event: string; data: unknown }) =>
        one.event === "log" && (one.data as StoredEntry).seq === wanted;
      const seen = await tail.sees(lineOf(seq + 3), "the new lines");
      const lines = tail.sent.filter(({ event }) => event === "log").map(({ data }) => data as StoredEntry);
      // what came while nobody read is before it
      if (last !== "") expect(lines.map((line) => line.seq)).toEqual([seq - 1, seq, seq + 1, seq + 2, seq + 3]);
      expect(Math.min(...lines.map(({ id }) => Number(id)))).toBeGreaterThan(Number(last.split(/\D/)[0]));
      await grouped(reader, errors);
      expect((await agentOf(hub).logs([entry(seq + 4)])).status).toBe(202);
      return seen.id ?? "";
    }

    let before: Awaited<ReturnType<typeof look>>;
    let last: string;
    {
      await using hub = await startHub({ folder: folder.path, settings, untouched: true });
      expect((await agentOf(hub).event({ ...crash(), seq: 51 })).status).toBe(202);
      last = await goesOn(hub, 52, "", tracebacks + 1);
      before = await look(hub, rest.owner.backupCodes[0] ?? "");
    }
    expect(await migrate(folder.path, { ...target, finish: true })).toMatchObject({ state: "done", differences: [] });
    expect(await failureOf(startHub({ folder: folder.path, settings }))).toMatchObject({
      code: "conflict",
      message: expect.stringContaining(`${folder.path} was moved to`) as unknown,
    });
    {
      await using hub = await startHub({ folder: again.at("one"), settings: onDatabases, untouched: true });
      expect(await look(hub, codeOf(rest.owner.codesUri, Date.now() + 30_000))).toEqual(before);
      last = await goesOn(hub, 57, last, tracebacks + 2);
      before = await look(hub, rest.owner.backupCodes[1] ?? "");
    }
    const back = again.at("back");
    expect(await bringBack(folder.path, back, { ...target, finish: false })).toMatchObject({ state: "copying" });
    expect(await failureOf(startHub({ folder: back, settings }))).toMatchObject({
      message: expect.stringContaining("holds a part of the hub") as unknown,
    });
    expect(await bringBack(folder.path, back, { ...target, finish: true })).toMatchObject({
      state: "done",
      differences: [],
    });
    // nobody starts on the databases, or where it was before
    expect(await failureOf(startHub({ folder: again.at("two"), settings: onDatabases }))).toMatchObject({
      code: "conflict",
      message: expect.stringContaining(`were moved to ${back}`) as unknown,
    });
    expect(await failureOf(startHub({ folder: folder.path, settings }))).toMatchObject({ code: "conflict" });
    await using hub = await startHub({ folder: back, settings, untouched: true });
    const after = await look(hub, rest.owner.backupCodes[2] ?? "");
    expect({ ...after, metrics: nearly(after.metrics, before.metrics) as unknown[] }).toEqual(before);
    await goesOn(hub, 62, last, tracebacks + 3);
    // neither does anybody bring it to where it was, or into another hub
    expect(await failureOf(migrate(folder.path, target))).toMatchObject({ code: "conflict" });
    await using other = await startHub();
    expect(await failureOf(migrate(other.folder, target))).toMatchObject({ code: "conflict" });
    expect(await failureOf(bringBack(folder.path, other.folder, { ...target, finish: false }))).toMatchObject({
      code: "conflict",
    });
  });
});

/** Waits until so many tracebacks have been counted: not one more. */
async function grouped(hub: Pick<TestHub, "json">, wanted: number): Promise<void> {
  const count = async (): Promise<number> => {
    const { groups } = await hub.json<{ groups: { type: string; count: number }[] }>("/api/errors");
    return groups.reduce((sum, group) => (group.type === "ValueError" ? sum + group.count : sum), 0);
  };
  await until(async () => (await count()) >= wanted, `${wanted} errors`);
  expect(await count()).toBe(wanted);
}
