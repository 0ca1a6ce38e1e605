/** The unattended setup of a whole host with systemd, as a cloud-init does it: an enrolment token, and nobody there. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";

import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import type { LogsPage, Server } from "#src/protocol/api.ts";
import { orionBinary } from "#test/kit/binary.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { type Host, hostMissing, startHost } from "#test/kit/host.ts";
import { until } from "#test/kit/wait.ts";
import { type Releases, fakeRelease, serveReleases } from "../install/releases.ts";
import { script } from "../install/run.ts";

const missing = hostMissing() ?? (Bun.which("openssl") === null ? "needs openssl" : undefined);

/** A certificate for an address that vouches for itself. */
function issueFor(address: string, folder: Folder): { readonly cert: string; readonly key: string } {
  const [cert, key] = [folder.at("hub.crt"), folder.at("hub.key")];
  const newKey = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  const words = `openssl req -x509 ${newKey} -days 30 -subj /CN=hub -addext subjectAltName=IP:${address}`;
  const made = Bun.spawnSync([...words.split(" "), "-keyout", key, "-out", cert]);
  if (!made.success) throw new Error(made.stderr.toString());
  return { cert, key };
}

describe.skipIf(missing !== undefined)(`unattended setup${missing === undefined ? "" : ` (${missing})`}`, () => {
  let host: Host;
  let hub: TestHub;
  let folder: Folder;
  let releases: Releases;
  let setup: string;

  const servers = async () => (await hub.json<{ servers: Server[] }>("/api/servers")).servers;

  beforeAll(async () => {
    folder = temporaryFolder("orion-systemd-");
    const [binary, installer] = await Promise.all([readFile(await orionBinary()), readFile(script, "utf8")]);
    host = await startHost();
    releases = serveReleases(host.gateway);
    const names = Object.keys(fakeRelease("0"));
    await releases.publish("latest", Object.fromEntries(names.map((name) => [name, binary])));
    const installed = await host.exec(`ORION_DOWNLOAD_URL=${releases.url} bash -s`, installer);
    if (installed.code !== 0) throw new Error(installed.stderr);

    const { cert, key } = issueFor(host.gateway, folder);
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    hub = await startHub({ settings: { host: host.gateway, tlsCert: cert, tlsKey: key, heartbeatInterval: 10 } });
    await host.copyIn(cert, "/etc/orion/ca.pem");
    const { token } = await hub.hub.operator.createEnrolment({ maxUses: 2 });
    setup = `orion setup --server --api-url ${hub.url} --ca-file /etc/orion/ca.pem --token ${token} --yes`;
  }, 180_000);
  afterAll(async () => {
    delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    await hub?.[Symbol.asyncDispose]();
    await releases?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  test("a user without rights is told to use sudo", async () => {
    const outcome = await host.exec(`runuser -u nobody -- ${setup}`);
    expect([outcome.code, outcome.stderr]).toEqual([
      1,
      "orion: this user may not write /etc/orion. Run it with sudo: sudo orion setup --server\n",
    ]);
  }, 30_000);

  test("registers, writes the config, enables and starts the service, and waits until it reports", async () => {
    const outcome = await host.exec(`${setup} --json < /dev/null`);
    expect([outcome.code, outcome.stderr]).toEqual([0, ""]);
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      hostname: "host-under-test",
      config: "/etc/orion/config.json",
      running: true,
      connected: true,
    });
    expect(await host.run("stat -c '%a %U' /etc/orion/config.json")).toBe("600 root");
    expect(await host.run("systemctl is-active orion-agent; systemctl is-enabled orion-agent")).toBe("active\nenabled");
    const [server] = await until(async () => {
      const all = await servers();
      return all[0]?.agent.status === "connected" && all[0].latest !== null ? all : undefined;
    }, "the first heartbeat");
    expect([server?.hostname, server?.latest?.hostname, server?.notices]).toEqual([
      "host-under-test",
      "host-under-test",
      [],
    ]);
  }, 60_000);

  test("run again it is the same server, and the running agent takes the new token up by itself", async () => {
    const [before] = await servers();
    const pid = await host.run("systemctl show --property MainPID --value orion-agent");
    const outcome = await host.exec(setup);
    expect([outcome.code, outcome.stderr]).toEqual([0, ""]);
    expect(outcome.stdout).toContain("The running agent takes it up by itself\nThe agent reports to the hub\n");
    expect(await host.run("systemctl show --property MainPID --value orion-agent")).toBe(pid);
    expect((await servers()).map(({ id }) => id)).toEqual([before?.id ?? ""]);
  }, 60_000);

  test("a token that is used up registers nothing, and the config stays", async () => {
    const before = await host.run("cat /etc/orion/config.json");
    const outcome = await host.exec(setup);
    expect([outcome.code, outcome.stdout]).toEqual([4, ""]);
    expect(outcome.stderr).toMatch(/used up|no use/);
    expect(await host.run("cat /etc/orion/config.json")).toBe(before);
  }, 30_000);

  test("a user of the group sets an application up, which then runs as that user and logs to the hub", async () => {
    const { token } = await hub.hub.operator.createKey({ name: "ada", scopes: ["view:servers", "manage:servers"] });
    await host.run("useradd --create-home --groups orion ada && install -d -o ada -g ada /srv/shop");
    await host.run(`echo 'web: echo "I am $(id -un) $(id -Gn)"; sleep 1000' > /srv/shop/Procfile`);
    const words = `orion setup --source --api-url ${hub.url} --ca-file /etc/orion/ca.pem --token - --yes --json`;
    const outcome = await host.exec(`cd /srv/shop && runuser -u ada -- ${words}`, `${token}\n`);
    expect([outcome.code, outcome.stderr]).toEqual([0, ""]);
    expect(JSON.parse(outcome.stdout)).toMatchObject({ source: "shop", script: { name: "shop", started: true } });
    expect(await host.run("stat -c '%a %U' /srv/shop/.orion /srv/shop/.orion/config.json")).toBe("700 ada\n600 ada");
    await until(async () => {
      const { entries } = await hub.json<LogsPage>("/api/logs?source=shop");
      return entries.some(({ message }) => message === "I am ada ada orion");
    }, "the application's line");

    // with sudo the files are still the user's, whose application reads them
    const again = await host.exec(`cd /srv/shop && ${words}`, `${token}\n`);
    expect([again.code, again.stderr]).toEqual([0, ""]);
    expect(await host.run("stat -c '%a %U' /srv/shop/.orion/config.json")).toBe("600 ada");
  }, 60_000);

  test("the machine's hash is the one that systemd itself gives out", async () => {
    const app = "5f0c6d6be2b14c0f9a5d3b1f64a7c28e";
    const theirs = await host.exec(`systemd-id128 machine-id --app-specific=${app}`);
    expect(theirs.code).toBe(0);
    await host.run("cat /etc/machine-id > /tmp/machine-id");
    const { readMachine } = await import("#src/cli/setup/machine.ts");
    await Bun.write(folder.at("machine-id"), await host.run("cat /etc/machine-id"));
    expect(readMachine(folder.at("machine-id"))).toBe(theirs.stdout.trim());
  }, 30_000);
});
