/**
 * The whole way on a fresh host: install.sh from a release server, hub and agent as services, a script with
 * grandchildren, and everything that can happen to the daemon.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Host, hostMissing, startHost } from "#test/kit/host.ts";
import { build } from "../../scripts/build.ts";
import { type Releases, fakeRelease, serveReleases } from "../install/releases.ts";
import { script } from "../install/run.ts";
import { foundHub } from "./kit/hub-on-host.ts";

const missing = hostMissing();
const hub = "http://127.0.0.1:8420";

/** Prints numbered lines, and has a child, a child that ignores SIGTERM and one in a session of its own. */
const app = `#!/bin/sh
sh -c 'while :; do sleep 1; done' app-child &
sh -c 'trap "" TERM; while :; do sleep 1; done' app-stubborn &
setsid sh -c 'while :; do sleep 1; done' app-session &
n=0
while :; do n=$((n + 1)); echo "line $n"; sleep 0.02; done
`;

describe.skipIf(missing !== undefined)(`a fresh host${missing === undefined ? "" : ` (${missing})`}`, () => {
  let host: Host;
  let releases: Releases;
  let folder: string;
  let installer: string;
  let curl: string;

  const install = async (args = "") => {
    const outcome = await host.exec(`ORION_DOWNLOAD_URL=${releases.url} bash -s -- ${args}`, installer);
    if (outcome.code !== 0) throw new Error(outcome.stderr + (await host.journal()));
    return outcome.stdout;
  };
  const publish = async (program: Uint8Array) => {
    const names = Object.keys(fakeRelease("0"));
    await releases.publish("latest", Object.fromEntries(names.map((name) => [name, program])));
  };
  const daemonPid = () => host.run("systemctl show --property MainPID --value orion-agent");
  /** pids of the app and everything that it started, `name pid` each, sorted */
  const tree = async () => (await host.run("pgrep -af 'app-|/opt/app.sh' | grep -v pgrep | sort || true")).split("\n");
  const appPid = async () => {
    const shown: { status: { pid: number | null } } = JSON.parse(await host.run("orion script show app --json"));
    return shown.status.pid;
  };

  /** The numbers of all lines of the app that the hub holds since the app was started, oldest first. */
  const linesInHub = async (): Promise<number[]> => {
    const messages: string[] = [];
    let cursor = "";
    for (;;) {
      const answer = await host.run(`${curl} '${hub}/api/logs?source=app&limit=1000${cursor}'`);
      const page: { entries: { message: string }[]; cursor: string | null } = JSON.parse(answer);
      messages.push(...page.entries.map((entry) => entry.message));
      if (page.cursor === null) break;
      cursor = `&cursor=${encodeURIComponent(page.cursor)}`;
    }
    const numbers = messages.toReversed().flatMap((message) => /^line (\d+)$/.exec(message)?.[1] ?? []);
    const begun = numbers.lastIndexOf("1");
    return numbers.slice(begun).map(Number);
  };
  const linesAfter = async (count: number): Promise<number[]> => {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const lines = await linesInHub();
      if ((lines.at(-1) ?? 0) >= count) return lines;
      if (Date.now() > deadline)
        throw new Error(`line ${count} never came: ${lines.length} lines\n${await host.journal()}`);
      await Bun.sleep(200);
    }
  };
  /** Every line once and in order, from the first on. */
  const expectComplete = (lines: readonly number[]) => {
    expect(lines).toEqual(Array.from({ length: lines.length }, (_, n) => n + 1));
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "orion-release-"));
    await build({ outfile: join(folder, "orion") });
    installer = await readFile(script, "utf8");
    host = await startHost();
    releases = serveReleases(host.gateway);
    await publish(await readFile(join(folder, "orion")));
  }, 180_000);
  afterAll(async () => {
    await releases?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test("the trial: a plain user without root sees this machine's figures in a hub within seconds", async () => {
    await host.run("useradd --create-home ada");
    await host.run("cat > /home/ada/install.sh && chown ada /home/ada/install.sh", installer);
    const up = `cat install.sh | ORION_DOWNLOAD_URL=${releases.url} bash -s -- --up > up.log 2>&1; echo $? > up.code`;
    await host.run(`cd /home/ada && setsid --fork su ada -c '${up}'`);
    await host.until("grep http://127.0.0.1:8420 /home/ada/up.log");
    const key = `$(sed -n 's/.*"apiKey": *"\\([^"]*\\)".*/\\1/p' /home/ada/.local/share/orion/credentials.json)`;
    const servers = await host.until(
      `curl -fsS -H "Authorization: Bearer ${key}" ${hub}/api/servers | grep '"usage"'`,
      5000,
    );
    expect(servers).toContain("host-under-test");
    await host.run("pkill -INT -x -u ada orion");
    await host.until("test -s /home/ada/up.code");
    expect(await host.run("cat /home/ada/up.code; pgrep -u ada || true")).toBe("0");
    await host.run("userdel --remove ada 2>/dev/null");
  }, 60_000);

  test("one command installs, and starts the hub", async () => {
    expect(await install("--hub")).toContain("the hub runs: http://127.0.0.1:8420");
    await host.until(`curl -fsS ${hub}/readyz`);
    expect(await host.run("orion --version")).toMatch(/^\d+\.\d+\.\d+$/);
  }, 60_000);

  test("a registered agent, enabled and started, reports to the hub", async () => {
    curl = await foundHub(host);
    const made: { id: string; token: string } = JSON.parse(
      await host.run(
        `${curl} -X POST ${hub}/api/servers -H 'Content-Type: application/json' -d '{"hostname":"host-under-test"}'`,
      ),
    );
    const config = { apiUrl: hub, token: made.token, serverId: made.id, heartbeatInterval: 10 };
    await host.run("umask 077; cat > /etc/orion/config.json", JSON.stringify(config));
    await host.run("systemctl enable --now --quiet orion-agent");
    const status = await host.until(`${curl} ${hub}/api/servers/${made.id}/agent-status | grep '"connected"'`);
    expect(JSON.parse(status)).toMatchObject({ status: "connected", transport: "agent" });
    await host.until("orion status --json | grep '\"online\"'");
  }, 60_000);

  test("a script with grandchildren runs, and its lines are in the hub", async () => {
    await host.run("cat > /opt/app.sh", app);
    await host.run("orion script add app 'sh /opt/app.sh' --kill-timeout 1000 --start");
    await host.until("test $(pgrep -fc 'app-(child|stubborn|session)') -ge 3");
    expectComplete(await linesAfter(50));
  }, 60_000);

  test("kill -9 of the daemon stops nothing and loses no line", async () => {
    const before = { daemon: await daemonPid(), pid: await appPid(), tree: await tree() };
    const seen = (await linesInHub()).length;
    await host.run(`kill -9 ${before.daemon}`);
    await host.until(
      `test "$(systemctl show --property MainPID --value orion-agent)" != ${before.daemon} && orion status --json`,
    );
    expect({ pid: await appPid(), tree: await tree() }).toEqual({ pid: before.pid, tree: before.tree });
    expectComplete(await linesAfter(seen + 200));
  }, 60_000);

  test("a script added to the file by hand starts at systemctl reload, and the others are left alone", async () => {
    const pid = await appPid();
    const scripts: object[] = JSON.parse(await host.run("cat /etc/orion/scripts.json"));
    scripts.push({ name: "by-hand", command: "exec sleep 1000" });
    await host.run("cat > /etc/orion/scripts.json && systemctl reload orion-agent", JSON.stringify(scripts));
    await host.until("orion script show by-hand --json | grep '\"running\"'");
    expect(await appPid()).toBe(pid);
    await host.run("orion script remove by-hand");
  }, 60_000);

  test("a script over its memory limit is killed for memory, and the daemon goes on", async () => {
    const before = { daemon: await daemonPid(), pid: await appPid() };
    const hog = "exec tail /dev/zero";
    await host.run(`orion script add hog '${hog}' --memory-max 50000000 --no-auto-restart --start`);
    await host.until("orion script show hog --json | grep '\"crashed\"'");
    expect(JSON.parse(await host.run("orion script show hog --json")).status.lastExit).toMatchObject({
      oom: true,
      signal: "SIGKILL",
    });
    expect({ daemon: await daemonPid(), pid: await appPid() }).toEqual(before);
    await host.run("orion script remove hog");
  }, 60_000);

  test("an upgrade keeps config and scripts, and the services run the new program", async () => {
    const config = await host.run("cat /etc/orion/config.json /etc/orion/scripts.json");
    const before = { daemon: await daemonPid(), pid: await appPid(), tree: await tree() };
    // one unused byte of the ELF header makes another program that does the same; see elf(5), EI_PAD
    const other = await readFile(join(folder, "orion"));
    other[15] = 1;
    await publish(other);
    const said = await install();
    expect(said).toContain("replaced the running orion-agent; its applications go on\nrestarted orion-hub\n");
    expect(await host.run("cat /etc/orion/config.json /etc/orion/scripts.json")).toBe(config);
    await host.until(`curl -fsS ${hub}/readyz && orion script show app --json | grep '"running"'`);
    expect({ daemon: await daemonPid(), pid: await appPid(), tree: await tree() }).toEqual(before);
    expectComplete(await linesAfter(20));
  }, 60_000);

  test("after a reboot the daemon, the hub and the script come back", async () => {
    await host.reboot();
    await host.until("systemctl is-active orion-agent orion-hub");
    await host.until("orion script show app --json | grep '\"running\"'");
    await host.until("test $(pgrep -fc 'app-(child|stubborn|session)') -eq 3");
    expectComplete(await linesAfter(20));
  }, 90_000);

  test("systemctl stop leaves nothing running, and start runs the script again", async () => {
    await host.run("systemctl stop orion-agent");
    expect(await tree()).toEqual([""]);
    expect(await host.run("pgrep -ax orion || true")).toContain("orion hub");
    expect((await host.exec("orion status")).code).toBe(3);
    await host.run("systemctl start orion-agent");
    await host.until("test $(pgrep -fc 'app-(child|stubborn|session)') -eq 3");
  }, 60_000);

  test("--uninstall stops everything and keeps config and data; --purge leaves nothing", async () => {
    await install("--uninstall");
    expect(await tree()).toEqual([""]);
    expect(await host.run("pgrep -ax orion || true")).toBe("");
    expect(await host.run("ls /etc/orion")).toContain("config.json");
    expect(await host.run("ls /var/lib/orion")).not.toBe("");

    await install();
    await host.run("systemctl start orion-agent");
    await host.until("orion script show app --json | grep '\"running\"'");
    await install("--uninstall --purge");
    expect(await tree()).toEqual([""]);
    const found = await host.run(
      "find / -xdev -iname '*orion*' -not -path '/proc/*' -not -path '/sys/*'; ls /run | grep orion || true",
    );
    expect(found).toBe("");
  }, 60_000);
});
