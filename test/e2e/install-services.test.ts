/** install.sh on a whole host with systemd, with a stand-in for the program: users, units, upgrades, removal. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { type Host, hostMissing, startHost } from "#test/kit/host.ts";
import { type Releases, fakeRelease, serveReleases } from "../install/releases.ts";
import { script } from "../install/run.ts";

const missing = hostMissing();

/** Tells systemd that it is ready, as the process itself: others of this user are not believed. */
const ready =
  'socket(S, AF_UNIX, SOCK_DGRAM, 0); send(S, "READY=1", 0, sockaddr_un($ENV{NOTIFY_SOCKET})); exec qw(sleep infinity)';

/** Lives like the agent and the hub, as far as systemd can tell; asked to replace the agent in place, it does `reexec`. */
const standIn = (reexec: string): string => `case "$1 $2" in
  "agent reexec") ${reexec}; exit ;;
  "hub admin") echo "http://127.0.0.1:8420/setup#once"; exit ;;
esac
case "$1" in
  agent) systemd-notify --ready --pid=$$ && exec sleep infinity ;;
  hub) touch /var/lib/orion/hub.db && { touch /etc/orion/x || true; } && exec perl -MSocket -e '${ready}' ;;
esac`;
/** An agent of a version that can't be replaced in place yet. */
const old = standIn("exit 2");

describe.skipIf(missing !== undefined)(
  `install.sh under systemd${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    let host: Host;
    let releases: Releases;
    let text: string;

    /** `cat install.sh | bash -s -- args` on the host. */
    const install = (args = "") => host.exec(`ORION_DOWNLOAD_URL=${releases.url} bash -s -- ${args}`, text);
    const pidOf = (service: string) => host.run(`systemctl show --property MainPID --value ${service}`);

    beforeAll(async () => {
      text = await Bun.file(script).text();
      host = await startHost();
      releases = serveReleases(host.gateway);
      await releases.publish("latest", fakeRelease("1.0.0", old));
    }, 120_000);
    afterAll(async () => {
      await releases?.[Symbol.asyncDispose]();
      await host?.[Symbol.asyncDispose]();
    });

    test("installs program, user, folders and units, starts nothing, and says the next step", async () => {
      const outcome = await install();
      expect(outcome).toEqual({
        code: 0,
        stdout: expect.stringMatching(
          /orion 1\.0\.0 is installed: \/usr\/local\/bin\/orion\nNext: write \/etc\/orion\/config\.json/,
        ),
        stderr: "",
      });
      expect(await host.run("stat -c '%a %U:%G' /usr/local/bin/orion /etc/orion /var/lib/orion")).toBe(
        "755 root:root\n750 root:orion\n750 orion:orion",
      );
      expect(await host.run("getent passwd orion | cut -d: -f1,6,7; id -gn orion")).toBe(
        "orion:/var/lib/orion:/usr/sbin/nologin\norion",
      );
      expect(await host.run("systemctl is-active orion-agent orion-hub || true")).toBe("inactive\ninactive");
      expect(await host.run("systemctl is-enabled orion-agent orion-hub || true")).toBe("disabled\ndisabled");
      expect(await host.run("ls -A /usr/local/bin /etc/systemd/system | grep -c '\\.new$' || true")).toBe("0");
    }, 30_000);

    test("systemd finds nothing wrong with the units", async () => {
      const outcome = await host.exec("systemd-analyze verify orion-agent.service orion-hub.service");
      expect(outcome).toEqual({ code: 0, stdout: "", stderr: "" });
    }, 30_000);

    test("an upgrade keeps the config and restarts an agent that can't be replaced in place; an equal release restarts nothing", async () => {
      await host.run(
        `printf '{"heartbeatInterval": 10}' > /etc/orion/config.json && systemctl enable --now --quiet orion-agent`,
      );
      const first = await pidOf("orion-agent");
      expect((await install()).stdout).not.toContain("restarted");
      expect(await pidOf("orion-agent")).toBe(first);

      await releases.publish("latest", fakeRelease("1.1.0", old));
      const outcome = await install();
      expect(outcome.stdout).toContain("restarted orion-agent\nNext: orion status\n");
      expect(await pidOf("orion-agent")).not.toBe(first);
      expect(await host.run("systemctl is-active orion-agent orion-hub || true")).toBe("active\ninactive");
      expect(await host.run("cat /etc/orion/config.json")).toBe('{"heartbeatInterval": 10}');
    }, 30_000);

    test("an upgrade has a running agent replaced in place, or says why it goes on as it was", async () => {
      const [does, fails] = [standIn("true"), standIn("echo 'orion: it failed' >&2; exit 1")];
      // the program before is the one that asks for it
      await releases.publish("latest", fakeRelease("1.1.1", does));
      expect((await install()).code).toBe(0);
      const first = await pidOf("orion-agent");
      await releases.publish("latest", fakeRelease("1.1.2", fails));
      expect((await install()).stdout).toContain("replaced the running orion-agent; its applications go on\n");
      await releases.publish("latest", fakeRelease("1.1.3", old));
      const outcome = await install();
      expect([outcome.code, outcome.stderr]).toEqual([
        1,
        "install.sh: the running orion-agent goes on with the program before: it failed\n",
      ]);
      expect(await pidOf("orion-agent")).toBe(first);
    }, 30_000);

    test("--hub starts the hub as the user orion, which may write its data and nothing else", async () => {
      const outcome = await install("--hub");
      expect(outcome.stderr).toBe("");
      expect(outcome.stdout).toContain("the hub runs: http://127.0.0.1:8420");
      expect(outcome.stdout).toContain("make its first owner: http://127.0.0.1:8420/setup#once");
      await host.until("test -e /var/lib/orion/hub.db");
      expect(await host.run(`ps -o user= -p ${await pidOf("orion-hub")}`)).toBe("orion");
      expect(await host.run("systemctl is-enabled orion-hub; ls /etc/orion")).toBe("enabled\nconfig.json");
    }, 30_000);

    test("a service that does not start again after an upgrade is told", async () => {
      await releases.publish("latest", fakeRelease("1.2.0", "exit 1"));
      const outcome = await install();
      expect([outcome.code, outcome.stderr]).toEqual([
        1,
        expect.stringContaining("orion-agent did not start again: see journalctl -u orion-agent\n"),
      ]);
      await releases.publish("latest", fakeRelease("1.3.0", old));
      expect((await install()).code).toBe(0);
    }, 30_000);

    test("after a reboot what was enabled runs", async () => {
      await host.reboot();
      expect(await host.until("systemctl is-active orion-agent orion-hub")).toBe("active\nactive");
    }, 60_000);

    test("--uninstall stops both and keeps config, data and user", async () => {
      const outcome = await install("--uninstall");
      expect([outcome.code, outcome.stderr]).toEqual([0, ""]);
      expect(await host.run("pgrep -a sleep || true")).toBe("");
      expect(
        await host.run("ls /usr/local/bin /etc/orion /var/lib/orion; ls /etc/systemd/system | grep orion || true"),
      ).toBe("/etc/orion:\nconfig.json\n\n/usr/local/bin:\n\n/var/lib/orion:\nhub.db");
      expect(await host.run("id -un orion; systemctl list-unit-files 'orion-*' --no-legend || true")).toBe("orion");
    }, 30_000);

    test("--uninstall --purge leaves no trace", async () => {
      expect((await install()).code).toBe(0);
      await host.run(
        "touch /var/log/orion-agent.log /var/log/orion-agent.log.1; systemctl enable --now --quiet orion-agent",
      );
      const outcome = await install("--uninstall --purge");
      expect([outcome.code, outcome.stderr]).toEqual([0, ""]);
      const found = await host.run(
        "find / -xdev -iname '*orion*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/tmp/*'; ls /run | grep orion; getent passwd orion; getent group orion; true",
      );
      expect(found).toBe("");
    }, 30_000);

    test("a shell on a host without systemd is told how to run without", async () => {
      // a chroot-like view: no systemd runs as far as anybody can see
      const outcome = await host.exec(
        `unshare --mount sh -c 'mount -t tmpfs none /run && ORION_DOWNLOAD_URL=${releases.url} bash -s -- --hub'`,
        text,
      );
      expect([outcome.code, outcome.stderr]).toEqual([0, ""]);
      expect(outcome.stdout).toContain("This system does not run systemd, so there are no services to start.");
      expect(outcome.stdout).toContain("The hub was not started: run 'orion hub' as the user orion.");
    }, 30_000);
  },
);
