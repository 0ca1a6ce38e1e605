/** The hub puts its agent on a whole host over SSH: with systemd, sshd and sudo, and with everything that goes wrong. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { RegisteredServer } from "#src/protocol/api.ts";
import type { Job } from "#src/protocol/job.ts";
import type { SshCheck } from "#src/protocol/ssh.ts";
import type { Host } from "#test/kit/host.ts";
import { until } from "#test/kit/wait.ts";

import {
  type SshHub,
  authorize,
  deployer,
  hostMissing,
  snapshot,
  startSshHost,
  startSshHub,
  story,
} from "./kit/ssh-host.ts";

setDefaultTimeout(300_000);

/** The agent's program is not of this version, so that going over to it shows. */
const older = "0.0.9";

describe.skipIf(hostMissing() !== undefined)("a host that the hub reaches over SSH", () => {
  let host: Host;
  let hub: SshHub;
  let server: RegisteredServer;
  const asRoot = () => ({ host: host.address, user: "root", auth: { kind: "key", privateKey: hub.privateKey } });

  beforeAll(async () => {
    host = await startSshHost();
    hub = await startSshHub(host.gateway);
    await authorize(host, hub.publicKey);
    server = await hub.addServer(asRoot());
  });
  afterAll(async () => {
    await hub?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
  });

  test("is left as it was when the job is cancelled while the hub waits for the agent", async () => {
    const before = await snapshot(host);
    const { id } = await hub.call<Job>("POST", `/api/servers/${server.id}/agent/deploy`, {
      apiUrl: "http://127.0.0.1:1",
    });
    await until(
      async () => (await hub.call<Job>("GET", `/api/jobs/${id}`)).steps[5]?.state === "running",
      "the last step",
      120_000,
    );
    expect(await host.run("systemctl is-active orion-agent")).toBe("active");
    await hub.call("DELETE", `/api/jobs/${id}`);
    const job = await hub.finished(id);
    expect([job.state, job.problem?.message]).toEqual(["cancelled", "the job was cancelled"]);
    expect(await snapshot(host)).toBe(before);
  });

  test("is left as it was when its disk is full, whether that shows before or in the middle", async () => {
    await host.run("mount -t tmpfs -o size=60m tmpfs /usr/local/bin");
    const before = await snapshot(host);
    const small = await hub.deploy(server.id);
    expect(small.problem?.message).toMatch(/^the disk of \/usr\/local\/bin on the host is too full: \d+ MB are free/);
    expect(await snapshot(host)).toBe(before);
    await host.run(
      "umount /usr/local/bin; mkdir /etc/orion; mount -t tmpfs -o size=8k tmpfs /etc/orion; dd if=/dev/zero of=/etc/orion/filler bs=1k count=8 2>/dev/null || true",
    );
    const filled = await snapshot(host);
    const job = await hub.deploy(server.id);
    expect([job.problem?.message, job.steps[4]?.output.includes("No space left on device")]).toEqual([
      "the agent could not be installed; the host was brought back",
      true,
    ]);
    expect(await snapshot(host)).toBe(filled);
    await host.run("umount /etc/orion; rmdir /etc/orion");
  });

  test("gets the agent, its service and its config, and reports", async () => {
    const job = await hub.deploy(server.id);
    expect(story(job)).toStartWith("done\n");
    expect(job.steps.map(({ state }) => state)).toEqual(Array.from({ length: 6 }, () => "done"));
    expect((await hub.server(server.id)).agent).toMatchObject({ status: "connected", transport: "agent" });
    expect(await host.run("systemctl is-enabled orion-agent; stat -c '%a %U' /etc/orion/config.json")).toBe(
      "enabled\n600 root",
    );
    expect(await host.run("ls -A /usr/local/bin")).toBe("orion");
    // nothing that anybody may read holds the token
    const { token } = JSON.parse(await host.run("cat /etc/orion/config.json")) as { token: string };
    expect(hub.said() + JSON.stringify(job)).not.toContain(token);
  });

  test("keeps config, scripts and buffer when the agent is put there again, and the old token is dead", async () => {
    await host.run("orion script add sleeper 'sleep 100000' --start");
    const pid = await host.run("orion script show sleeper --json | grep -o '\"pid\": *[0-9]*' | grep -o '[0-9]*'");
    const config = JSON.parse(await host.run("cat /etc/orion/config.json")) as Record<string, unknown>;
    await host.run("cat >/etc/orion/config.json", JSON.stringify({ ...config, heartbeatInterval: 15, mine: true }));
    const job = await hub.deploy(server.id);
    expect(story(job)).toStartWith("done\n");
    const now = JSON.parse(await host.run("cat /etc/orion/config.json")) as Record<string, unknown>;
    expect(now).toEqual({ ...config, heartbeatInterval: 15, mine: true, token: expect.any(String) });
    expect(now["token"]).not.toBe(config["token"]);
    expect(await host.run("orion script show sleeper --json | grep -o '\"pid\": *[0-9]*' | grep -o '[0-9]*'")).toBe(
      pid,
    );
    const old = await fetch(`${hub.url}/api/v1/agent/logs`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${String(config["token"])}`,
        "x-server-id": server.id,
        "content-type": "application/x-ndjson",
      },
    });
    expect(old.status).toBe(401);
  });

  test("goes on with the agent of before when the new one can't report", async () => {
    const before = await snapshot(host);
    const job = await hub.deploy(server.id, { apiUrl: "http://127.0.0.1:1" });
    expect([job.state, job.problem?.message]).toEqual(["failed", "the new agent did not report within 60 s"]);
    expect(await snapshot(host)).toBe(before);
    const since = Date.now();
    await until(async () => Date.parse((await hub.server(server.id)).agent.lastSeen ?? "") > since, "a report", 60_000);
  });

  test("goes over to the agent of another version, and its applications go on", async () => {
    const pid = await host.run("pgrep -f 'sleep 100000' | head -n 1");
    await using other = await startSshHub(host.gateway, { version: older });
    await authorize(host, other.publicKey);
    const { id } = await other.addServer({ ...asRoot(), auth: { kind: "key", privateKey: other.privateKey } });
    const job = await other.deploy(id, { apiUrl: other.url });
    expect(story(job)).toStartWith("done\n");
    expect((await other.server(id)).agent.version).toBe(older);
    expect(await host.run("orion --version; pgrep -f 'sleep 100000' | head -n 1")).toBe(`${older}\n${pid}`);
    // and back
    const back = await hub.deploy(server.id, { apiUrl: hub.url });
    expect(story(back)).toStartWith("done\n");
    expect(await host.run("pgrep -f 'sleep 100000' | head -n 1")).toBe(pid);
  });

  test("loses the agent again, but not its config", async () => {
    const started = await hub.call<{ id: string }>("POST", `/api/servers/${server.id}/agent/uninstall`);
    const job = await hub.finished(started.id);
    expect(story(job)).toStartWith("done\n");
    expect(
      await host.run("ls -A /usr/local/bin; ls /etc/orion/scripts.json; systemctl is-active orion-agent || true"),
    ).toBe("/etc/orion/scripts.json\ninactive");
    expect((await hub.server(server.id)).agent).toMatchObject({ status: "disconnected", version: null });
    expect((await hub.deploy(server.id)).state).toBe("done");
    await host.run(
      "systemctl disable --now orion-agent; rm -rf /usr/local/bin/orion* /etc/orion /etc/systemd/system/orion-agent.service /run/orion /var/log/orion-agent.log; systemctl daemon-reload; groupdel orion",
    );
  });

  test("is worked on by a user with sudo, with and without its password", async () => {
    const login = { host: host.address, user: deployer.user, auth: { kind: "password", password: deployer.password } };
    const one = await hub.addServer({ ...login, sudo: "none" }, "no-sudo");
    const none = await hub.deploy(one.id);
    expect(none.problem?.message).toBe("there is no Docker engine on the host that this user may use");
    const asked = await hub.addServer({ ...login, sudo: "without-password" }, "asked");
    expect((await hub.deploy(asked.id)).problem?.message).toBe(`sudo on ${host.address} wants a password of deploy`);
    const wrong = await hub.addServer({ ...login, sudo: "with-password", sudoPassword: "wrong" }, "wrong");
    expect((await hub.deploy(wrong.id)).problem?.message).toBe(
      `sudo on ${host.address} refused the password of deploy`,
    );
    const right = await hub.addServer({ ...login, sudo: "with-password" }, "right");
    const job = await hub.deploy(right.id);
    expect(story(job)).toStartWith("done\n");
    expect(JSON.stringify(job)).not.toContain(deployer.password);
    await host.run("echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy");
    expect((await hub.deploy(right.id)).state).toBe("done");
    expect((await hub.deploy(asked.id)).state).toBe("done");
  });

  test("that was installed anew is not signed in to", async () => {
    await host.run("rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh");
    const before = await snapshot(host);
    const job = await hub.deploy(server.id);
    expect([job.state, job.problem?.message]).toEqual([
      "failed",
      expect.stringContaining("has changed: approved is SHA256:"),
    ]);
    expect(await snapshot(host)).toBe(before);
    const path = `/api/servers/${server.id}/ssh/check`;
    const seen = await hub.call<SshCheck>("POST", path);
    expect(seen.status).toBe("changed");
    const approved = await hub.call<SshCheck>("POST", path, { approve: { hostKey: seen.hostKey?.fingerprint } });
    expect(approved.status).toBe("ok");
  });

  test("that does not let the hub in is not changed", async () => {
    await host.run("mv /root/.ssh/authorized_keys /root/.ssh/kept");
    const job = await hub.deploy(server.id);
    expect(job.problem?.message).toBe(`${host.address} refused the key of root`);
    await host.run("mv /root/.ssh/kept /root/.ssh/authorized_keys");
  });
});
