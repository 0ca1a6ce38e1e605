import { readFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { createVault } from "#src/hub/auth/vault.ts";
import { checkAccess } from "#src/hub/ssh/access-check.ts";
import { type AccessStore, createSshAccess } from "#src/hub/ssh/access.ts";
import { openSession, readHostKey } from "#src/hub/ssh/connection.ts";
import { lookAtHost } from "#src/hub/ssh/deploy/facts.ts";
import { type HubKeyStore, createHubKeys } from "#src/hub/ssh/hub-key.ts";
import { publicKeyOf } from "#src/hub/ssh/keys.ts";
import { check } from "#src/protocol/schema.ts";
import { sshRequest } from "#src/protocol/ssh.ts";

import { type Sshd, makeKey, sshdMissing, startSshd } from "./sshd.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

type Rows = Map<string, { readonly serverId: string; readonly body: string; readonly sealed: string }>;

/** Access over a store in memory; servers a1 and a2 are of one organization, b1 of another. */
async function accessOn(rows: Rows = new Map(), hubKeys = new Map<string, string>()) {
  const store: AccessStore & HubKeyStore = {
    sshRows: async () => [...rows.values()],
    putSsh: async (row) => rows.set(row.serverId, row).has(row.serverId),
    deleteSsh: async (id) => void rows.delete(id),
    hubKey: async (organization) => hubKeys.get(organization),
    putHubKey: async (organization, sealed) => {
      if (!hubKeys.has(organization)) hubKeys.set(organization, sealed);
    },
  };
  const vault = await createVault(new Uint8Array(32));
  const clock = createTestClock();
  const keys = createHubKeys(
    store,
    vault,
    () => clock.now(),
    () => undefined,
  );
  const organizationOf = (id: string) => ({ a: "north", b: "south" })[id.slice(0, 1)];
  const access = createSshAccess({ store, vault, keys, organizationOf, clock });
  await access.open();
  return { access, keys, rows, hubKeys };
}

const request = (value: unknown) => check(sshRequest, value, "the request");
const asked = (more: object = {}) => request({ host: "web-1", user: "root", ...more });

async function reasonOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => "it worked",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

describe("SSH details", () => {
  test("are shown without their secrets, and kept sealed", async () => {
    await using folder = temporaryFolder();
    makeKey(folder.at("key"), "-t", "ed25519", "-N", "open sesame");
    const privateKey = readFileSync(folder.at("key"), "utf8");
    const { access, rows } = await accessOn();
    const details = await access.put(
      "a1",
      asked({
        auth: { kind: "key", privateKey, passphrase: "open sesame" },
        sudo: "with-password",
        sudoPassword: "hunter2",
        jump: { host: "gate", port: 2222, user: "jim", auth: { kind: "password", password: "swordfish" } },
      }),
    );
    expect(details).toEqual({
      host: "web-1",
      port: 22,
      user: "root",
      auth: "key",
      publicKey: publicKeyOf(privateKey, "open sesame"),
      hostKey: null,
      sudo: "with-password",
      jump: { host: "gate", port: 2222, user: "jim", auth: "password", publicKey: null, hostKey: null },
      updatedAt: "2026-01-01T00:00:00.000Z",
    });
    const kept = JSON.stringify([...rows.values()]);
    for (const secret of ["PRIVATE KEY", "open sesame", "hunter2", "swordfish"]) expect(kept).not.toContain(secret);
    expect(await access.targetOf("a1")).toEqual({
      host: "web-1",
      port: 22,
      user: "root",
      hostKey: null,
      // opened once, because that takes half a second each time
      credentials: {
        kind: "key",
        privateKey: expect.stringContaining("-----BEGIN PRIVATE KEY-----"),
        passphrase: null,
      },
      sudo: "with-password",
      sudoPassword: "hunter2",
      jump: {
        host: "gate",
        port: 2222,
        user: "jim",
        hostKey: null,
        credentials: { kind: "password", password: "swordfish" },
      },
    });
  });

  test("are not brought elsewhere by another way to the same address", async () => {
    // Before, a jump host of one's own could pass itself off as the host, and was told its password.
    const { access } = await accessOn();
    const password = { kind: "password", password: "swordfish" };
    await access.put("a1", asked({ auth: password, sudo: "with-password", sudoPassword: "hunter2" }));
    const mine = { host: "evil", user: "me", auth: { kind: "password", password: "mine" } };
    expect(await reasonOf(access.put("a1", asked({ jump: mine })))).toBe(
      "auth is missing: what is kept is for root@web-1:22, by another way",
    );
    await access.put("a1", asked({ auth: { kind: "hub-key" }, sudo: "with-password", sudoPassword: "hunter2" }));
    expect(await reasonOf(access.put("a1", asked({ sudo: "with-password", jump: mine })))).toStartWith(
      "sudoPassword is missing",
    );
    await access.put("a1", asked({ auth: password, jump: mine }));
    expect(await reasonOf(access.put("a1", asked({ jump: { ...mine, auth: undefined } })))).toBe("it worked");
    expect(await reasonOf(access.put("a1", asked()))).toContain("by another way");
  });

  test("refuse a key that would take an hour to open", async () => {
    await using folder = temporaryFolder();
    const { access } = await accessOn();
    makeKey(folder.at("key"), "-t", "ed25519", "-N", "x", "-a", "1");
    const slow = (privateKey: string) =>
      access.put("a1", asked({ auth: { kind: "key", privateKey, passphrase: "x" } }));
    const patched = (text: string, what: "OPENSSH" | "ENCRYPTED", change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(text.replace(/-----[^-]+-----/g, ""), "base64");
      change(bytes);
      return `-----BEGIN ${what} PRIVATE KEY-----\n${bytes.toString("base64")}\n-----END ${what} PRIVATE KEY-----\n`;
    };
    const openSsh = patched(readFileSync(folder.at("key"), "utf8"), "OPENSSH", (bytes) =>
      bytes.writeUInt32BE(2 ** 31, 63),
    );
    expect(await reasonOf(slow(openSsh))).toBe(
      "the private key's passphrase is guarded by 2147483648 rounds; 128 are the most here",
    );
    const made = Bun.spawnSync([
      "sh",
      "-c",
      "openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -v2 aes-256-cbc -iter 70000 -passout pass:x",
    ]);
    const pkcs8 = patched(made.stdout.toString(), "ENCRYPTED", (bytes) => {
      bytes.writeUIntBE(0x7fffff, bytes.indexOf(Buffer.from([0x02, 0x03, 0x01, 0x11, 0x70])) + 2, 3);
    });
    expect(await reasonOf(slow(pkcs8))).toContain("guarded by 8388607 rounds");
  });

  test("live through a restart, and are gone when they are removed", async () => {
    const first = await accessOn();
    await first.access.put("a1", asked({ auth: { kind: "password", password: "swordfish" } }));
    const { access, rows } = await accessOn(first.rows, first.hubKeys);
    expect(access.ids()).toEqual(["a1"]);
    expect((await access.targetOf("a1"))?.credentials).toEqual({ kind: "password", password: "swordfish" });
    const told: string[] = [];
    access.onChange((id) => told.push(id));
    expect([await access.remove("a1"), await access.remove("a1")]).toEqual([true, false]);
    expect([access.has("a1"), rows.size, await access.targetOf("a1"), told]).toEqual([false, 0, null, ["a1"]]);
  });

  test("use the organization's own key where nothing else is said, another one for each organization", async () => {
    const { access, keys } = await accessOn();
    const [one, two, other] = [
      await access.put("a1", asked()),
      await access.put("a2", asked()),
      await access.put("b1", asked()),
    ];
    expect(one.publicKey).toBe(await keys.publicKey("north"));
    expect(two.publicKey).toBe(one.publicKey);
    expect(other.publicKey).not.toBe(one.publicKey);
    expect(one.publicKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/=]+ orion-hub$/);
    const target = await access.targetOf("a1");
    const credentials = target?.credentials;
    expect(credentials?.kind === "key" ? publicKeyOf(credentials.privateKey, null) : "").toBe(
      one.publicKey?.replace(" orion-hub", "") ?? "",
    );
  });

  test("keep secrets that are left out, but never for another host, port or user", async () => {
    const { access } = await accessOn();
    const hostKey = `SHA256:${"A".repeat(43)}`;
    const auth = { kind: "password", password: "swordfish" };
    await access.put("a1", asked({ auth, hostKey, sudo: "with-password", sudoPassword: "hunter2" }));
    await access.put("a1", asked({ sudo: "with-password" }));
    const kept = await access.targetOf("a1");
    expect([kept?.credentials, kept?.sudoPassword, kept?.hostKey]).toEqual([
      { kind: "password", password: "swordfish" },
      "hunter2",
      hostKey,
    ]);
    for (const change of [{ host: "evil" }, { port: 2222 }, { user: "eve" }]) {
      expect(await reasonOf(access.put("a1", asked(change)))).toBe(
        "auth is missing: what is kept is for root@web-1:22",
      );
    }
    // new credentials for a new place: nothing of the old place goes there
    await access.put("a1", asked({ host: "evil", auth: { kind: "hub-key" } }));
    const moved = await access.targetOf("a1");
    expect([moved?.hostKey, moved?.sudoPassword]).toEqual([null, null]);
  });

  test("are refused when a key can't be read, or sudo has no password to use", async () => {
    const { access } = await accessOn();
    const bad = asked({ auth: { kind: "key", privateKey: "nonsense" } });
    expect(await reasonOf(access.examine(bad))).toStartWith("the private key can't be read");
    expect(await reasonOf(access.put("a1", bad))).toStartWith("the private key can't be read");
    expect(await reasonOf(access.put("a1", asked({ sudo: "with-password" })))).toStartWith("sudoPassword is missing");
    expect(await reasonOf(access.put("c1", asked()))).toBe("there is no such server");
    expect(access.has("a1")).toBe(false);
  });
});

describe.skipIf(sshdMissing() !== undefined)("a check", () => {
  async function checked(sshd: Sshd, change: object = {}) {
    const { access, keys } = await accessOn();
    const target = sshd.target();
    const { credentials } = target;
    const privateKey = credentials.kind === "key" ? credentials.privateKey : "";
    const auth = { kind: "key", privateKey };
    await access.put("a1", request({ host: target.host, port: target.port, user: target.user, auth, ...change }));
    const world = { access, openSession, readHostKey, look: lookAtHost };
    const run = async (approve: { hostKey?: string; jumpHostKey?: string } = {}) =>
      (await checkAccess(world, "a1", approve)) ?? { answer: undefined, approved: [] };
    return { access, keys, run };
  }

  test("shows the host key, and looks at the host once it is approved", async () => {
    await using sshd = await startSshd();
    const { access, run } = await checked(sshd);
    const seen = { fingerprint: sshd.hostKey, type: "ssh-ed25519" };
    expect((await run()).answer).toEqual({
      status: "unapproved",
      hostKey: { ...seen, approved: null },
      jumpHostKey: null,
      host: null,
      problem: {
        message: "nobody has approved the host key of 127.0.0.1 yet",
        hint: expect.stringContaining("ssh-keygen"),
      },
    });
    expect(sshd.output()).not.toContain("Accepted");
    const wrong = await run({ hostKey: `SHA256:${"A".repeat(43)}` });
    expect([wrong.answer?.status, wrong.approved]).toEqual(["unapproved", []]);
    const { answer, approved } = await run({ hostKey: sshd.hostKey });
    expect([answer?.status, answer?.host?.cpu, approved]).toEqual([
      "ok",
      process.arch === "x64" ? "x86_64" : "aarch64",
      [sshd.hostKey],
    ]);
    expect((await access.details("a1"))?.hostKey).toBe(sshd.hostKey);
    expect((await run()).approved).toEqual([]);
  });

  test("stops at a key that has changed", async () => {
    await using sshd = await startSshd();
    const pinned = `SHA256:${"A".repeat(43)}`;
    const { answer } = await (await checked(sshd, { hostKey: pinned })).run();
    expect([answer?.status, answer?.hostKey?.approved, answer?.problem?.message]).toEqual([
      "changed",
      pinned,
      "the host key of 127.0.0.1 has changed: somebody may stand in between, or the host was installed anew",
    ]);
    expect(sshd.output()).not.toContain("Accepted");
  });

  test("has the jump host's key approved before the host behind it is asked", async () => {
    await using far = await startSshd();
    await using near = await startSshd();
    const { access, keys, run } = await checked(far, { jump: { host: "127.0.0.1", port: near.port, user: near.user } });
    near.authorize(await keys.publicKey("north"));
    const first = await run();
    expect([first.answer?.status, first.answer?.hostKey, first.answer?.jumpHostKey?.fingerprint]).toEqual([
      "unapproved",
      null,
      near.hostKey,
    ]);
    const second = await run({ jumpHostKey: near.hostKey });
    expect([second.answer?.status, second.answer?.hostKey?.fingerprint]).toEqual(["unapproved", far.hostKey]);
    const third = await run({ hostKey: far.hostKey });
    expect(third.answer?.status).toBe("ok");
    expect((await access.details("a1"))?.jump?.hostKey).toBe(near.hostKey);
  });

  test("says why the host lets nobody in", async () => {
    await using sshd = await startSshd();
    const { run } = await checked(sshd, { auth: { kind: "hub-key" }, hostKey: sshd.hostKey });
    const { answer } = await run();
    expect(answer).toMatchObject({
      status: "failed",
      problem: { message: `127.0.0.1:${sshd.port} refused the key of ${sshd.user}` },
    });
  });
});
