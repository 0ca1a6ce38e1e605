import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { backup } from "#src/hub/store/backup.ts";
import { lockFolder } from "#src/hub/store/lock.ts";
import { decide, finishReplacement, stagingFolder } from "#src/hub/store/replacement.ts";
import { restore } from "#src/hub/store/restore.ts";
import { systemClock } from "#src/lib/clock.ts";
import { failureOf } from "#test/kit/failure.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";
import { countData, makeData } from "./data.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const at = Date.parse("2026-01-01T00:00:00.000Z");
const gently = { force: false, clock: { now: () => at } };
const forced = { ...gently, force: true };
const restoreProgram = new URL("restore-program.ts", import.meta.url).pathname;
const fresh = { names: ["new"], servers: 8, lines: 80, strangers: 0, people: true };
const stale = { names: ["old"], servers: 5, lines: 50, strangers: 0, people: true };

let kept: Folder;
let archive: string;

beforeAll(async () => {
  kept = temporaryFolder();
  mkdirSync(kept.at("new"));
  mkdirSync(kept.at("old"));
  await makeData(kept.at("new"), "new", 8);
  await makeData(kept.at("old"), "old", 5);
  archive = kept.at("hub.tar");
  await backup(kept.at("new"), archive, { clock: systemClock });
});
afterAll(async () => await kept[Symbol.asyncDispose]());

/** A folder with the old data. */
function oldData(): Folder {
  const folder = temporaryFolder();
  cpSync(kept.at("old"), folder.path, { recursive: true });
  return folder;
}

/** Every file in a folder and what is in it, the lock left out. */
function contents(folder: string): Record<string, string> {
  const names = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => name !== "hub.lock").sort();
  return Object.fromEntries(
    names
      .filter((name) => statSync(join(folder, name)).isFile())
      .map((name) => [name, Bun.hash(readFileSync(join(folder, name))).toString(36)]),
  );
}

describe("restoring a backup", () => {
  test("to an empty folder, or one that is not there, gives a hub's data that only its owner may read", async () => {
    await using folder = temporaryFolder();
    const report = await restore(archive, folder.at("deep", "data"), gently);
    expect(report.aside).toBeNull();
    expect(report.manifest.files.map((file) => file.name).sort()).toEqual(["auth.db", "logs.db", "secret", "state.db"]);
    expect(countData(folder.at("deep", "data"))).toEqual(fresh);
    expect(readFileSync(folder.at("deep", "data", "secret"))).toEqual(readFileSync(kept.at("new", "secret")));
    const modes = ["", "state.db", "secret"].map((name) => statSync(folder.at("deep", "data", name)).mode & 0o777);
    expect(modes).toEqual([0o700, 0o600, 0o600]);
    expect(readdirSync(folder.at("deep", "data")).filter((name) => name.startsWith("restore"))).toEqual([]);
  });

  test("over data is refused, or with force moves that aside, whole and with its write-ahead log", async () => {
    await using folder = oldData();
    {
      // a hub that was killed: its last writes are in the log beside
      const database = new Database(folder.at("state.db"));
      database.run("PRAGMA wal_autocheckpoint = 0");
      database.run("UPDATE servers SET version = '9.9.9'");
      cpSync(folder.at("state.db"), folder.at("copy.db"));
      cpSync(folder.at("state.db-wal"), folder.at("copy.db-wal"));
      database.close();
      for (const side of ["", "-wal"]) renameSync(folder.at(`copy.db${side}`), folder.at(`state.db${side}`));
    }
    const before = contents(folder.path);
    expect(await failureOf(restore(archive, folder.path, gently))).toMatchObject({ code: "conflict" });
    expect(contents(folder.path)).toEqual(before);
    const { aside } = await restore(archive, folder.path, forced);
    expect(aside).toBe(folder.at("before-restore-2026-01-01T00-00-00.000Z"));
    expect(countData(folder.path)).toEqual(fresh);
    expect(contents(aside ?? "")).toEqual(before);
    using old = new Database(join(aside ?? "", "state.db"));
    expect(old.query("SELECT DISTINCT version FROM servers").values()).toEqual([["9.9.9"]]);
  });

  test("is refused while a hub runs there", async () => {
    await using folder = oldData();
    const unlock = lockFolder(folder.path);
    const error = await failureOf(restore(archive, folder.path, forced));
    expect(error).toMatchObject({ code: "conflict", message: expect.stringContaining(`pid ${process.pid}`) });
    unlock();
    expect(countData(folder.path)).toEqual(stale);
  });

  test("takes away what the backup has not", async () => {
    await using folder = oldData();
    await using without = temporaryFolder();
    cpSync(kept.at("new"), without.at("data"), { recursive: true });
    for (const name of ["auth.db", "secret"]) rmSync(without.at("data", name));
    await backup(without.at("data"), without.at("hub.tar"), { clock: systemClock });
    const { aside } = await restore(without.at("hub.tar"), folder.path, forced);
    expect(["auth.db", "secret"].map((name) => existsSync(folder.at(name)))).toEqual([false, false]);
    expect(["auth.db", "secret"].map((name) => existsSync(join(aside ?? "", name)))).toEqual([true, true]);
  });

  test("gives the files to the owner of the folder (needs root)", async () => {
    if (process.getuid?.() !== 0) return;
    await using folder = oldData();
    spawnSync("chown", ["-R", "65534:65534", folder.path]);
    await restore(archive, folder.path, forced);
    const owners = readdirSync(folder.path).map((name) => statSync(folder.at(name)).uid);
    expect(new Set(owners)).toEqual(new Set([65534]));
  });
});

describe("a file that is no good", () => {
  const damaged: [string, (whole: Uint8Array) => Uint8Array | string, RegExp][] = [
    ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((tenth): [string, (whole: Uint8Array) => Uint8Array, RegExp] => [
      `torn at ${tenth * 10} %`,
      (whole) => whole.subarray(0, Math.floor((whole.length * tenth) / 10)),
      tenth === 0
        ? /is not a backup of a hub/
        : /can't be restored: it ends (?:within [\w.-]+|where another file should begin)/,
    ]),
    ["torn before its last block", (whole) => whole.subarray(0, whole.length - 1024 - 512), /it ends within secret/],
    ["empty", () => "", /is not a backup of a hub/],
    ["text", () => "hello\n".repeat(500), /is not a backup of a hub/],
    ["zeroes", () => new Uint8Array(10_240), /is not a backup of a hub/],
    ["a database", () => readFileSync(kept.at("old", "state.db")), /is not a backup of a hub/],
    [
      "of a newer Orion",
      (whole) => Buffer.from(Buffer.from(whole).toString("latin1").replace('"format": 1', '"format": 2'), "latin1"),
      /is of a newer Orion/,
    ],
  ];
  for (const [name, damage, message] of damaged) {
    test(`(${name}) is refused with a reason, and changes nothing`, async () => {
      await using folder = oldData();
      const before = contents(folder.path);
      const bad = kept.at(`bad-${Bun.hash(name).toString(36)}.tar`);
      await Bun.write(bad, damage(await Bun.file(archive).bytes()));
      const error = await failureOf(restore(bad, folder.path, forced));
      expect(error).toMatchObject({ code: "invalid", message: expect.stringMatching(message) });
      expect(contents(folder.path)).toEqual(before);
      const nowhere = folder.at("not-there");
      await failureOf(restore(bad, nowhere, forced));
      expect(existsSync(nowhere)).toBe(false);
    });
  }

  test("with a bit turned anywhere is refused, unless it is one that means nothing", async () => {
    const whole = await Bun.file(archive).bytes();
    for (let n = 1; n < 24; n++) {
      const place = Math.floor((whole.length * n) / 24);
      const bad = Uint8Array.from(whole);
      bad[place] = (bad[place] ?? 0) ^ 0x10;
      await Bun.write(kept.at("bit.tar"), bad);
      await using folder = oldData();
      const outcome = await restore(kept.at("bit.tar"), folder.path, forced).then(
        () => fresh,
        (error: unknown) => {
          expect(error).toMatchObject({ code: "invalid" });
          return stale;
        },
      );
      // padding and times may change without harm; then all of it is there
      expect(countData(folder.path)).toEqual(outcome);
    }
  });

  test("of a hub with tables that this one does not know is refused", async () => {
    await using newer = temporaryFolder();
    cpSync(kept.at("new"), newer.at("data"), { recursive: true });
    {
      using database = new Database(newer.at("data", "state.db"));
      database.run("INSERT INTO kysely_migration (name, timestamp) VALUES ('0999-of-the-future', '2030')");
    }
    await backup(newer.at("data"), newer.at("hub.tar"), { clock: systemClock });
    await using folder = oldData();
    expect(await failureOf(restore(newer.at("hub.tar"), folder.path, forced))).toMatchObject({
      code: "invalid",
      message: "state.db is of a newer Orion than this one",
    });
    expect(countData(folder.path)).toEqual(stale);
  });

  test("that is not there is named", async () => {
    await using folder = temporaryFolder();
    const error = await failureOf(restore(folder.at("none.tar"), folder.path, gently));
    expect(error).toMatchObject({ code: "not-found", message: expect.stringContaining(folder.at("none.tar")) });
  });
});

describe("a restore that is killed", () => {
  test("at any moment leaves the old data or the new, and the next one to lock the folder finds it whole", async () => {
    const outcomes = new Set<string>();
    for (let round = 0; round < 12; round++) {
      await using folder = oldData();
      await using program = startProgram([process.execPath, restoreProgram, archive, folder.path], {
        cwd: process.cwd(),
      });
      await until(() => program.output().includes("begins"));
      // a restore of this size takes some 30 ms
      await Bun.sleep(round * 4);
      program.kill("SIGKILL");
      await program.exited;
      lockFolder(folder.path)();
      expect(readdirSync(folder.path).filter((name) => name.startsWith("restore"))).toEqual([]);
      const counted = countData(folder.path);
      expect<unknown[]>([stale, fresh]).toContainEqual(counted);
      outcomes.add(counted.names.join());
    }
    expect(outcomes.size).toBeGreaterThan(0);
  });

  test("after it was decided is finished, at whichever step it was stopped", async () => {
    const steps = ["state.db", "auth.db", "logs.db", "secret", "all"];
    for (const step of steps) {
      await using folder = oldData();
      await using source = temporaryFolder();
      const { manifest } = await restore(archive, source.at("data"), gently);
      cpSync(source.at("data"), stagingFolder(folder.path), {
        recursive: true,
        filter: (path) => !path.endsWith("hub.lock"),
      });
      decide(folder.path, manifest, "before");
      expect(await failureOf(backup(folder.path, folder.at("b.tar"), { clock: systemClock }))).toMatchObject({
        code: "conflict",
      });
      // up to this file all had been exchanged, and of this one the old had been moved
      for (const part of ["state.db", "auth.db", "logs.db", "secret"]) {
        mkdirSync(folder.at("before"), { recursive: true });
        renameSync(folder.at(part), folder.at("before", part));
        if (part === step) break;
        renameSync(folder.at("restore.ready", part), folder.at(part));
      }
      finishReplacement(folder.path);
      finishReplacement(folder.path);
      expect(countData(folder.path)).toEqual(fresh);
      expect(countData(folder.at("before"))).toEqual(stale);
      expect(readdirSync(folder.path).filter((name) => name.startsWith("restore"))).toEqual([]);
    }
  });
});
