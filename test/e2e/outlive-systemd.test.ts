/** Applications outlive their daemon on a whole host with systemd, where install.sh put it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";

import type { LogsPage } from "#src/protocol/api.ts";
import type { StatusAnswer } from "#src/protocol/ipc.ts";
import { orionBinary } from "#test/kit/binary.ts";
import { type Host, hostMissing, startHost } from "#test/kit/host.ts";
import { type Releases, fakeRelease, serveReleases } from "../install/releases.ts";
import { script } from "../install/run.ts";
import { judge } from "./kit/lines.ts";
import { foundHub } from "./kit/hub-on-host.ts";

const missing = hostMissing();
const hub = "http://127.0.0.1:8420";
const newer = "9.9.9";

/** Runs when it is tried, and ends as soon as it is to be the agent. */
const broken = `#!/bin/sh
case "$*" in
  *--version*) echo 10.0.0 ;;
  *--check*) ;;
  *) exit 3 ;;
esac
`;

describe.skipIf(missing !== undefined)(`systemd${missing === undefined ? "" : ` (${missing})`}`, () => {
  let host: Host;
  let releases: Releases;
  let installer: string;
  let first: string;
  let curl: string;

  const install = (args = "") => host.exec(`ORION_DOWNLOAD_URL=${releases.url} bash -s -- ${args}`, installer);
  const publish = async (program: string | Uint8Array): Promise<void> => {
    const names = Object.keys(fakeRelease("0"));
    await releases.publish("latest", Object.fromEntries(names.map((name) => [name, program])));
  };
  const publishVersion = async (version?: string): Promise<void> => publish(await readFile(await orionBinary(version)));
  const daemonPid = () => host.run("systemctl show --property MainPID --value orion-agent");
  const status = async (): Promise<StatusAnswer> => JSON.parse(await host.until("orion status --json"));
  const startedAt = async () => (await status()).startedAt;
  const appPid = async () => (await status()).scripts.find(({ name }) => name === "app")?.pid ?? null;
  const state = () => host.run("systemctl is-active orion-agent || true");
  /** What stays the same whatever the daemon goes through. */
  const facts = async () => ({ app: await appPid(), daemon: await daemonPid(), state: await state() });

  /** All lines of a source up to number `total` are in the hub, once and in order. */
  const linesUpTo = async (source: string, total: number): Promise<void> => {
    const logs = `${hub}/api/logs?source=${source}`;
    await host.until(`${curl} '${logs}&limit=1' | grep '"line ${total}"'`);
    const numbers: number[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const page: LogsPage = JSON.parse(await host.run(`${curl} '${logs}&limit=1000${cursor}'`));
      numbers.push(...page.entries.map(({ message }) => Number(/^line (\d+)$/.exec(message)?.[1])));
      cursor = page.cursor === null ? null : `&cursor=${encodeURIComponent(page.cursor)}`;
    }
    const verdict = judge(numbers.toReversed(), total);
    console.log(JSON.stringify({ run: `outlive under systemd, ${source}`, ...verdict }));
    expect(verdict).toEqual({ lines: total, lost: 0, repeated: 0, outOfOrder: 0, examples: [] });
  };

  beforeAll(async () => {
    first = await orionBinary();
    await orionBinary(newer);
    installer = await readFile(script, "utf8");
    host = await startHost();
    releases = serveReleases(host.gateway);
    await publish(await readFile(first));
    const outcome = await install("--hub");
    if (outcome.code !== 0) throw new Error(outcome.stderr);
    await host.until(`curl -fsS ${hub}/readyz`);
    curl = await foundHub(host);
    const made: { id: string; token: string } = JSON.parse(
      await host.run(
        `${curl} -X POST ${hub}/api/servers -H 'Content-Type: application/json' -d '{"hostname":"host-under-test"}'`,
      ),
    );
    const config = { apiUrl: hub, token: made.token, serverId: made.id, heartbeatInterval: 10 };
    await host.run("umask 077; cat > /etc/orion/config.json", JSON.stringify(config));
    await host.run("systemctl enable --now --quiet orion-agent");
    await host.run(
      "cat > /opt/app.sh",
      'n=0; while ! test -e /opt/enough; do n=$((n + 1)); echo "line $n"; sleep 0.01; done; echo $n > /opt/total; exec sleep 1000',
    );
    await host.run("orion script add app 'exec sh /opt/app.sh' --start");
  }, 240_000);
  afterAll(async () => {
    await releases?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
  });

  test("systemctl reload replaces the daemon in place", async () => {
    const [before, was] = [await facts(), await startedAt()];
    await host.run("systemctl reload orion-agent");
    expect(await facts()).toEqual(before);
    expect((await startedAt()) > was).toBe(true);
    expect(await host.run("tail /var/log/orion-agent.log")).toContain("begins (re-executed)");
    expect(await host.run("pgrep -cx orion")).toBe("2");
  }, 60_000);

  test("systemctl reload with a broken config is refused with the reason, and changes nothing", async () => {
    const [before, was] = [await facts(), await startedAt()];
    await host.run("cp -a /etc/orion/config.json /root/config.json; echo '{' > /etc/orion/config.json");
    const outcome = await host.exec("systemctl reload orion-agent");
    expect(outcome.code).toBe(1);
    expect(await host.run("journalctl -u orion-agent --no-pager --lines 20")).toContain("is not valid JSON");
    await host.run("mv /root/config.json /etc/orion/config.json");
    expect(await facts()).toEqual(before);
    expect(await startedAt()).toBe(was);
  }, 60_000);

  test("install.sh over the running agent upgrades it in place", async () => {
    const before = await facts();
    await publishVersion(newer);
    const outcome = await install();
    expect([outcome.code, outcome.stderr]).toEqual([0, ""]);
    expect(outcome.stdout).toContain("replaced the running orion-agent; its applications go on");
    expect(await facts()).toEqual(before);
    expect((await status()).version).toBe(newer);
  }, 60_000);

  test("an upgrade to a program that does not work is rolled back", async () => {
    const before = await facts();
    await publish(broken);
    const outcome = await install();
    expect([outcome.code, outcome.stderr]).toEqual([
      1,
      expect.stringContaining("the running orion-agent goes on with the program before: the new program failed"),
    ]);
    const now = await facts();
    expect({ ...now, daemon: before.daemon }).toEqual(before);
    expect(now.daemon).not.toBe(before.daemon);
    expect(await host.run("orion --version")).toBe(newer);
    const { version, problems } = await status();
    expect([version, problems[0]?.what]).toEqual([newer, "the upgrade to version 10.0.0 was rolled back"]);
  }, 60_000);

  test("orion upgrade fetches a release and goes over to it", async () => {
    const before = await facts();
    await publishVersion();
    const outcome = await host.exec(`ORION_DOWNLOAD_URL=${releases.url} orion upgrade`);
    expect([outcome.code, outcome.stdout]).toEqual([
      0,
      expect.stringMatching(/^upgraded from 9\.9\.9 to [\d.]+; the daemon goes on with it, pid \d+\n$/),
    ]);
    expect(await facts()).toEqual(before);
    const again = await host.exec(`ORION_DOWNLOAD_URL=${releases.url} orion upgrade`);
    expect([again.code, again.stdout]).toEqual([0, expect.stringMatching(/^[\d.]+ is installed already\n$/)]);
  }, 60_000);

  test("orion upgrade to a program that does not work takes it back", async () => {
    const before = await facts();
    const version = await host.run("orion --version");
    await publish(broken);
    const outcome = await host.exec(`ORION_DOWNLOAD_URL=${releases.url} orion upgrade`);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(`the upgrade was taken back, and the daemon goes on with version ${version}`);
    expect({ ...(await facts()), daemon: before.daemon }).toEqual(before);
    expect(await host.run("orion --version")).toBe(version);
  }, 60_000);

  test("kill -9 leaves the application alone, and keeps what another one says before it ends", async () => {
    const before = await facts();
    const words = "until test -e /opt/go; do sleep 0.01; done; seq -f 'line %.0f' 3000";
    await host.run(`orion script add brief "${words}" --no-auto-restart --start`);
    await host.run(`kill -9 ${before.daemon}; touch /opt/go`);
    await host.until(`test "$(systemctl show --property MainPID --value orion-agent)" != ${before.daemon}`);
    const now = await facts();
    expect({ ...now, daemon: before.daemon }).toEqual(before);
    await linesUpTo("brief", 3000);
    const brief = (await status()).scripts.find(({ name }) => name === "brief");
    expect(brief?.lastExit).toMatchObject({ observed: false });
    await host.run("orion script remove brief");
  }, 60_000);

  test("every line of the application is in the hub, once and in order", async () => {
    await host.run("touch /opt/enough");
    const total = Number(await host.until("cat /opt/total"));
    await linesUpTo("app", total);
  }, 60_000);

  test("systemctl restart stops the application and starts it again, unless it is told to keep it", async () => {
    const before = await appPid();
    await host.run("systemctl restart orion-agent");
    const restarted = await appPid();
    expect(restarted).not.toBe(before);
    const config = JSON.parse(await host.run("cat /etc/orion/config.json"));
    await host.run("cat > /etc/orion/config.json", JSON.stringify({ ...config, keepOnRestart: true }));
    await host.run("systemctl reload orion-agent && systemctl restart orion-agent");
    expect(await appPid()).toBe(restarted);
  }, 60_000);

  test("systemctl stop stops the application in any case", async () => {
    await host.run("systemctl stop orion-agent");
    expect(await host.run("pgrep -f '[/]opt/app.sh' || true")).toBe("");
  }, 60_000);
});
