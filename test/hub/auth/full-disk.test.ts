import { describe, expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";

import type { DBAdapter } from "better-auth";

import { tellFailures } from "#src/hub/auth/telling-adapter.ts";
import { storageFault } from "#src/hub/store/commits.ts";
import { Fault } from "#src/protocol/fault.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { createBrowser } from "#test/hub/kit/browser.ts";
import { password } from "#test/hub/kit/people.ts";

type Disk = AsyncDisposable & { readonly path: string };

/** A file system of its own, a small one. */
function smallDisk(folder: Folder): Disk {
  const path = folder.at("disk");
  mkdirSync(path);
  run("mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "orion-test", path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      run("umount", "-l", path);
    },
  };
}

function run(...command: string[]): void {
  const { success, stderr } = Bun.spawnSync(command);
  if (!success) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
}

/** Writes until nothing fits any more. */
async function fill(path: string): Promise<void> {
  const file = Bun.spawnSync(["dd", "if=/dev/zero", `of=${path}`, "bs=4k"]);
  expect(file.stderr.toString()).toContain("No space left");
}

/** Asks for everything that writes to the accounts, and expects to be told to wait. */
async function expectPatience(hub: TestHub, owner: Awaited<ReturnType<TestHub["owner"]>>): Promise<void> {
  const asked: readonly (readonly [string, Promise<Response>])[] = [
    ["sign-in", owner.send("POST", "/api/auth/sign-in", { email: "owner@example.com", password })],
    ["name", owner.send("PATCH", "/api/auth/person", { name: "Another" })],
    ["second factor", owner.send("POST", "/api/auth/two-factor", { password })],
    ["invitation", owner.send("POST", "/api/organization/invitations", { email: "a@example.com", role: "viewer" })],
    ["organization", owner.send("PATCH", "/api/organization", { name: "Another" })],
    ["device", hub.nobody.send("POST", "/api/auth/device/code", { client_id: "orion-cli" })],
  ];
  const answers = await Promise.all(asked.map(async ([name, answer]) => [name, await answer] as const));
  const seen = answers.map(([name, { status, headers }]) => [name, status, headers.has("retry-after")]);
  expect(seen).toEqual(asked.map(([name]) => [name, 503, true]));
}

describe.if(process.getuid?.() === 0)("accounts on a full disk (as root, for a small tmpfs)", () => {
  test("ask people to wait, and are as before when there is room again", async () => {
    await using folder = temporaryFolder();
    await using disk = smallDisk(folder);
    await using hub = await startHub({ folder: disk.path });
    const owner = await hub.owner();
    await fill(`${disk.path}/ballast`);
    await expectPatience(hub, owner);
    // one that takes a transaction
    const another = hub.hub.operator.createOwner({ email: "another@example.com", password });
    expect(await another.then(undefined, codeOf)).toBe("unavailable");
    // who is signed in already stays so
    expect((await owner.get("/api/auth/session")).status).toBe(200);
    rmSync(`${disk.path}/ballast`);
    const credentials = { email: "owner@example.com", password };
    expect((await createBrowser(hub.url).send("POST", "/api/auth/sign-in", credentials)).status).toBe(200);
    expect((await owner.send("PATCH", "/api/auth/person", { name: "Another" })).status).toBe(200);
    await hub.hub.operator.createOwner({ email: "another@example.com", password });
    expect(hub.said.filter((line) => line.startsWith("error"))).toEqual([]);
  });
});

describe("a database that fails", () => {
  const failing = (code: string, message = "") => {
    const fail = async () => {
      throw Object.assign(new Error(message), { code });
    };
    return tellFailures({ id: "test", update: fail, transaction: fail } as unknown as DBAdapter, storageFault);
  };
  const update = (adapter: DBAdapter) => adapter.update({ model: "user", where: [], update: {} });

  for (const [what, code, fault] of [
    ["because the disk is read-only", "SQLITE_READONLY", "unavailable"],
    ["because the disk is broken", "SQLITE_IOERR_WRITE", "unavailable"],
    ["because we asked for something wrong", "SQLITE_CONSTRAINT_UNIQUE", "failed"],
    ["where another one does", "ENOENT", "none"],
  ] as const) {
    test(`${what}: ${fault}`, async () => {
      expect(await update(failing(code)).then(undefined, codeOf)).toBe(fault);
    });
  }

  test("within a transaction, which is undone by then, is not hidden by that", async () => {
    const adapter = failing("SQLITE_ERROR", "cannot rollback - no transaction is active");
    expect(await adapter.transaction(async () => undefined).then(undefined, codeOf)).toBe("unavailable");
    expect(await update(failing("SQLITE_ERROR", "no such table: user")).then(undefined, codeOf)).toBe("failed");
  });
});

const codeOf = (error: unknown) => (error instanceof Fault ? error.code : "none");
