import { expect, setDefaultTimeout, test } from "bun:test";

import { Database } from "bun:sqlite";

import { backup } from "#src/hub/store/backup.ts";
import { openErrorStore } from "#src/hub/store/errors/errors.ts";
import type { ErrorStore } from "#src/hub/store/errors/port.ts";
import { restore } from "#src/hub/store/restore.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { GroupRow } from "#src/protocol/error-rows.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { makeData } from "../data.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const world = { clock: systemClock };
const nothing = {
  variants: [],
  routes: [],
  counts: [],
  samples: [],
  crashes: [],
  templates: [],
  releases: [],
  resume: null,
};

function group(id: number, rest: Partial<GroupRow> = {}): GroupRow {
  return {
    id,
    project: "p1",
    fingerprint: `v1:${id}`,
    kind: "error",
    level: "error",
    format: "python",
    type: "ValueError",
    value: "bad",
    culprit: "total",
    explanation: "{}",
    firstMs: 1,
    lastMs: 2,
    count: 3,
    state: "ignored",
    decidedAtMs: 4,
    decidedBy: "ann",
    resolvedIn: null,
    ignoredUntilMs: null,
    ignoredUntilCount: null,
    regressedAtMs: null,
    ...rest,
  };
}

async function withStore<T>(folder: string, work: (store: ErrorStore) => T): Promise<T> {
  const store = await openErrorStore(folder);
  try {
    return work(store);
  } finally {
    store.close();
  }
}

test("a backup holds error groups with what people have decided, as far as they were written before the logs", async () => {
  await using data = temporaryFolder();
  await using target = temporaryFolder();
  await makeData(data.path, "web", 1);
  await withStore(data.path, (store) => store.write({ ...nothing, groups: [group(1)], resume: "{}" }));
  const { manifest } = await backup(data.path, target.at("hub.tar"), world);
  expect(manifest.files.map(({ name }) => name)).toEqual(["errors.db", "logs.db", "auth.db", "state.db", "secret"]);
  await restore(target.at("hub.tar"), target.at("new"), { force: false, ...world });
  const [found, resume] = await withStore(target.at("new"), (store) => [store.group("v1:1"), store.resume()]);
  expect(found).toEqual(group(1));
  expect(resume).toBe("{}");
});

test("a backup with error groups of a newer Orion is refused", async () => {
  await using data = temporaryFolder();
  await using target = temporaryFolder();
  await makeData(data.path, "web", 1);
  await withStore(data.path, () => undefined);
  const database = new Database(data.at("errors.db"));
  database.run("INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-later', 'now')");
  database.close();
  await backup(data.path, target.at("hub.tar"), world);
  const failure = await failureOf(restore(target.at("hub.tar"), target.at("new"), { force: false, ...world }));
  expect(failure).toMatchObject({ code: "invalid", message: expect.stringContaining("newer Orion") });
});

test("a write is there whole or not at all", async () => {
  await using data = temporaryFolder();
  await withStore(data.path, (store) => {
    store.write({ ...nothing, groups: [group(1)] });
    // two groups of one fingerprint
    expect(() => store.write({ ...nothing, groups: [group(2), group(3, { fingerprint: "v1:2" })] })).toThrow("UNIQUE");
    expect(store.groupById(2)).toBeNull();
    expect(store.group("v1:1")?.count).toBe(3);
  });
});
