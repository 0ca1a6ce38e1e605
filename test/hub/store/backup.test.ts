import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync } from "node:fs";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { backup } from "#src/hub/store/backup.ts";
import { restore } from "#src/hub/store/restore.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { openStateStore } from "#src/hub/store/state.ts";
import { systemClock } from "#src/lib/clock.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { entries } from "#test/hub/kit/hub.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";
import { countData, makeData } from "./data.ts";
import { server } from "./open.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const world = { clock: systemClock };
const backupProgram = new URL("backup-program.ts", import.meta.url).pathname;

describe("a backup", () => {
  test("is one private file with a manifest first, and leaves nothing else behind", async () => {
    await using data = temporaryFolder();
    await using target = temporaryFolder();
    await makeData(data.path, "web", 3);
    const report = await backup(data.path, target.at("hub.tar"), world);
    expect(readdirSync(target.path)).toEqual(["hub.tar"]);
    expect(statSync(target.at("hub.tar")).mode & 0o777).toBe(0o600);
    expect(report.bytes).toBe(statSync(target.at("hub.tar")).size);
    const listed = spawnSync("tar", ["-tf", target.at("hub.tar")])
      .stdout.toString()
      .trim()
      .split("\n");
    expect(listed).toEqual(["manifest.json", "logs.db", "auth.db", "state.db", "secret"]);
    const shown = spawnSync("tar", ["-xOf", target.at("hub.tar"), "manifest.json"]).stdout.toString();
    expect(JSON.parse(shown)).toEqual(report.manifest);
    const secret = report.manifest.files.find((file) => file.name === "secret");
    expect(secret?.sha256).toBe(new Bun.CryptoHasher("sha256").update(readFileSync(data.at("secret"))).digest("hex"));
  });

  test("is told of in the hub's audit trail, while it runs too", async () => {
    await using data = temporaryFolder();
    await makeData(data.path, "web", 1);
    const state = await openStateStore(data.path, systemClock);
    const report = await backup(data.path, data.at("hub.tar"), world);
    expect(report.untraced).toBeNull();
    const search = {
      organizationId: "o",
      unowned: true,
      action: null,
      target: null,
      actor: null,
      limit: 9,
      before: null,
    };
    expect((await state.audit(search)).entries).toMatchObject([
      { action: "hub.backed-up", actor: { kind: "hub" }, target: { name: data.at("hub.tar") }, address: null },
    ]);
    state.close();
  });

  test("takes the place of an older one, and of what a killed one has left", async () => {
    await using data = temporaryFolder();
    await using target = temporaryFolder();
    await makeData(data.path, "web", 1);
    await Bun.write(target.at("hub.tar"), "old");
    // 2 ** 22 is the highest pid there can be (proc_sys_kernel(5)): nobody has one above it
    mkdirSync(target.at(".hub.tar.4194305.partial"));
    mkdirSync(target.at(".other.tar.4194305.partial"));
    await backup(data.path, target.at("hub.tar"), world);
    expect(readdirSync(target.path).sort()).toEqual([".other.tar.4194305.partial", "hub.tar"]);
    expect(statSync(target.at("hub.tar")).size).toBeGreaterThan(10_000);
  });

  test("of a folder without a hub's data is refused", async () => {
    await using data = temporaryFolder();
    const error = await failureOf(backup(data.path, data.at("hub.tar"), world));
    expect(error).toMatchObject({ code: "not-found", message: `there is no hub's data in ${data.path}` });
  });

  test("that can't be written says so, and leaves the old one", async () => {
    await using data = temporaryFolder();
    await makeData(data.path, "web", 1);
    const error = await failureOf(backup(data.path, data.at("nowhere", "hub.tar"), world));
    expect(error).toMatchObject({ code: "failed", message: expect.stringContaining(data.at("nowhere")) });
  });

  test("of a hub that is being written to is of one moment: every server that its logs name is in it", async () => {
    await using data = temporaryFolder();
    await using target = temporaryFolder();
    await makeData(data.path, "web", 50);
    const state = await openStateStore(data.path, systemClock);
    const logs = await openBlockStore(data.path, systemClock, () => undefined);
    const done = new AbortController();
    let written = 0;
    const writing = (async () => {
      while (!done.signal.aborted) {
        const id = `late-${written}`;
        await state.putServer(server(id, { hostname: id }));
        await logs.append(delivery(id, entries(1, 200)));
        written++;
      }
    })();
    await until(() => written > 20);
    for (let round = 0; round < 3; round++) {
      const before = written;
      const file = target.at(`${round}.tar`);
      // another process, as `orion hub backup` is
      await using program = startProgram([process.execPath, backupProgram, data.path, file], { cwd: process.cwd() });
      expect([await program.exited, program.output()]).toEqual([0, ""]);
      const after = written;
      await restore(file, target.at(`restored-${round}`), { ...world, force: false });
      const counted = countData(target.at(`restored-${round}`));
      expect(counted.strangers).toBe(0);
      expect(counted.people).toBe(true);
      expect(counted.servers).toBeGreaterThanOrEqual(50 + before);
      expect(counted.servers).toBeLessThanOrEqual(50 + after + 1);
      expect(counted.lines).toBeGreaterThanOrEqual(500 + before * 200);
      expect(after).toBeGreaterThan(before);
    }
    done.abort();
    await writing;
    state.close();
    logs.close();
    expect(countData(data.path).servers).toBe(50 + written);
  });

  test("on a disk without room says so and leaves nothing (needs root)", async () => {
    if (process.getuid?.() !== 0) return;
    await using data = temporaryFolder();
    await using target = temporaryFolder();
    await makeData(data.path, "web", 20);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "orion-test", target.path]);
    if (mounted.status !== 0) return;
    try {
      const error = await failureOf(backup(data.path, target.at("hub.tar"), world));
      expect(error).toMatchObject({ code: "unavailable", hint: "Choose a disk with more free space" });
      expect(readdirSync(target.path)).toEqual([]);
    } finally {
      spawnSync("umount", ["-l", target.path]);
    }
  });

  test("of a folder that another user owns works for root, and leaves it usable (needs root)", async () => {
    if (process.getuid?.() !== 0 || !existsSync("/usr/bin/setpriv")) return;
    await using data = temporaryFolder();
    await using target = temporaryFolder();
    await makeData(data.path, "web", 1);
    spawnSync("chown", ["-R", "65534:65534", data.path]);
    chmodSync(data.path, 0o700);
    await backup(data.path, target.at("hub.tar"), world);
    const owners = readdirSync(data.path).map((name) => statSync(data.at(name)).uid);
    expect(new Set(owners)).toEqual(new Set([65534]));
  });
});
