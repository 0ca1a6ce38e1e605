/** `orion server ssh …`, `deploy-agent` and `uninstall-agent` against a real hub and a real sshd. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { SshDetails } from "#src/protocol/ssh.ts";
import { type Sshd, sshdMissing, startSshd } from "#test/hub/ssh/sshd.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

import { orion } from "../orion.ts";

setDefaultTimeout(30_000);

describe.skipIf(sshdMissing() !== undefined)("orion server ssh", () => {
  let hub: TestHub;
  let home: Folder;
  let sshd: Sshd;
  let env: Record<string, string>;
  const run = (...words: string[]) => orion(["server", ...words], { env });

  beforeAll(async () => {
    hub = await startHub();
    home = temporaryFolder("orion-home-");
    sshd = await startSshd();
    const { token } = await hub.hub.operator.createKey({ name: "cli", scopes: ["view:servers", "manage:servers"] });
    env = { ORION_API_URL: hub.url, ORION_API_TOKEN: token, HOME: home.path };
    await hub.agent("web-1");
  });
  afterAll(async () => {
    await hub?.[Symbol.asyncDispose]();
    await sshd?.[Symbol.asyncDispose]();
    await home?.[Symbol.asyncDispose]();
  });

  const at = () => `${sshd.user}@127.0.0.1:${sshd.port}`;

  test("says how a server is reached, shows its key to be approved, and tries it out", async () => {
    expect((await run("ssh", "show", "web-1")).err).toContain("the server has no SSH details");
    const key = await run("ssh", "key");
    sshd.authorize(key.out);
    const set = await run("ssh", "set", "web-1", at());
    expect([set.code, set.out]).toEqual([
      1,
      expect.stringContaining(
        `host key: ${sshd.hostKey} (ssh-ed25519)\nnobody has approved the host key of 127.0.0.1 yet`,
      ),
    ]);
    const approved = await run("ssh", "check", "web-1", "--approve", sshd.hostKey);
    expect([approved.code, approved.err]).toEqual([0, ""]);
    expect(approved.out).toContain(`host key: ${sshd.hostKey} (ssh-ed25519), approved\n`);
    expect(approved.out).toEndWith("the hub can sign in\n");
    const shown = await run("ssh", "show", "web-1");
    expect(shown.out).toBe(
      `${at()}, with the hub's own key\n  public key: ${key.out}  host key: ${sshd.hostKey}\n  sudo: none\n`,
    );
  });

  test("takes a key from a file, and a password that nobody sees again", async () => {
    const withKey = await run(
      "ssh",
      "set",
      "web-1",
      at(),
      "--key",
      sshd.at("user"),
      "--host-key",
      sshd.hostKey,
      "--json",
    );
    expect([withKey.code, JSON.parse(withKey.out)]).toEqual([0, expect.objectContaining({ status: "ok" })]);
    await Bun.write(home.at("password"), "swordfish\n");
    await run("ssh", "set", "web-1", at(), "--password-file", home.at("password"), "--sudo", "with-password");
    const shown = await run("ssh", "show", "web-1", "--json");
    expect(shown.out).not.toContain("swordfish");
    expect(JSON.parse(shown.out) as SshDetails).toMatchObject({
      auth: "password",
      sudo: "with-password",
      publicKey: null,
    });
  });

  test("goes back to the hub's own key when that is said", async () => {
    // Before, a server whose password was kept could only be forgotten.
    const set = await run("ssh", "set", "web-1", at(), "--hub-key", "--host-key", sshd.hostKey);
    expect([set.code, set.out]).toEqual([0, expect.stringContaining("the hub can sign in")]);
  });

  test("refuses what can't be meant", async () => {
    for (const [words, message] of [
      [["ssh", "set", "web-1", "web-1"], '"web-1" is no address to sign in to'],
      [["ssh", "set", "web-1", "a@b", "--sudo", "maybe"], `--sudo can't be "maybe"`],
      [["ssh", "set", "web-1", "a@b", "--key", "/nonexistent"], "--key can't be read"],
      [["ssh", "set", "web-1", "a@b", "--key", "k", "--password-file", "p"], "can't go together"],
      [["ssh", "set", "web-1", "a@b", "--key", "k", "--hub-key"], "--hub-key can't go together"],
      [["add", "b", "--password-stdin", "--password-file", "p"], "can't go together"],
      [["add", "b", "--method", "magic"], `--method can't be "magic"`],
      [["deploy-agent", "web-1", "--method", "magic"], `--method can't be "magic"`],
      [["uninstall-agent", "web-1"], "there is no terminal to ask"],
    ] as const) {
      const { code, err } = await run(...words);
      expect([code, err]).toEqual([2, expect.stringContaining(message)]);
    }
  });

  test("deploy-agent shows each step and ends with what went wrong; a job may also be left alone", async () => {
    await run("ssh", "set", "web-1", at(), "--key", sshd.at("user"), "--host-key", sshd.hostKey);
    await run("ssh", "set", "web-1", `${sshd.user}@127.0.0.1:1`, "--key", sshd.at("user"));
    const deployed = await run("deploy-agent", "web-1");
    expect([deployed.code, deployed.out]).toEqual([
      1,
      expect.stringMatching(
        /^connect\n {2}can't connect to 127\.0\.0\.1:1: .*\nthe agent of web-1: failed: can't connect /s,
      ),
    ]);
    const started = await run("deploy-agent", "web-1", "--no-wait");
    expect(started.out).toMatch(/^[0-9a-f-]{36}\n$/);
    const json = await run("uninstall-agent", "web-1", "--yes", "--json");
    expect([json.code, JSON.parse(json.out)]).toEqual([
      1,
      expect.objectContaining({ kind: "uninstall", state: "failed" }),
    ]);
  });

  test("add registers a server, has its key approved, and goes on to put the agent there", async () => {
    const words = [
      "add",
      `127.0.0.1:${sshd.port}`,
      "--name",
      "web-2",
      "--ssh-user",
      sshd.user,
      "--key",
      sshd.at("user"),
    ];
    const first = await run(...words);
    expect([first.code, first.out, first.err]).toEqual([
      1,
      expect.stringContaining("nobody has approved the host key of 127.0.0.1 yet"),
      expect.stringContaining("orion server deploy-agent web-2"),
    ]);
    // given again, it goes on with the same server
    const second = await run(...words, "--host-key", sshd.hostKey, "--no-deploy", "--json");
    expect([second.code, JSON.parse(second.out)]).toEqual([
      0,
      { id: expect.any(String), hostname: "web-2", check: expect.objectContaining({ status: "ok" }) },
    ]);
    // which fails: a hub that runs from its source has no program to send
    const deployed = await run(...words, "--host-key", sshd.hostKey, "--method", "binary");
    expect([deployed.code, deployed.out]).toEqual([
      1,
      expect.stringMatching(/^connect\n {2}signed in; host key SHA256:/),
    ]);
    expect(deployed.out).toContain("the agent of web-2: failed");
  });

  test("add leaves a server alone whose agent reports", async () => {
    await (await hub.agent("web-3")).beat();
    const { code, err } = await run("add", `root@127.0.0.1:${sshd.port}`, "--name", "web-3");
    expect([code, err]).toEqual([
      1,
      expect.stringContaining("there is a server web-3 already, whose agent has reported"),
    ]);
  });

  test("remove forgets it", async () => {
    expect((await run("ssh", "remove", "web-1")).out).toBe("The hub has forgotten how to reach web-1\n");
    const again = await run("deploy-agent", "web-1");
    expect([again.code, again.err]).toEqual([1, expect.stringContaining("the server has no SSH details")]);
  });
});
