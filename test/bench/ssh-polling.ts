/**
 * A fleet without agents, watched over SSH: SERVERS on four sshd of this machine, and a tenth as many again that take
 * connections and never say a word, polled every minute for MINUTES. How late each poll is told, what the hub needs for it,
 * and what the same poll costs with OpenSSH's own client. The hosts' side is the heavier one here, since all of them are
 * this machine. `bun test/bench/ssh-polling.ts [MINUTES] [SERVERS]`; one JSON line per figure.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { pollScript } from "#src/hub/ssh/polling/script.ts";
import type { ServersPage } from "#src/protocol/api.ts";
import { type Sshd, startSshd } from "../hub/ssh/sshd.ts";
import { until } from "../kit/wait.ts";
import { type Target, quantile, registerAt, report, startHubProcess } from "./hub-process.ts";

const minutes = Number(process.argv[2] ?? 2);
const servers = Number(process.argv[3] ?? 200);
const silent = Math.ceil(servers / 10);
const idleSeconds = 10;
/** More often than a host is polled, so that none is missed; seldom enough to cost the hub little. */
const lookEverySeconds = 20;
const peerPolls = 30;

const folder = mkdtempSync(join(tmpdir(), "orion-bench-ssh-"));
const programs = join(folder, "bin");
const home = join(folder, "home");
for (const path of [programs, home]) mkdirSync(path);

/** A host's Docker with five containers, that needs no engine. */
const container = (n: number) =>
  `0 bridge {"Id":"${String(n).repeat(64)}","Name":"/app-${n}","Image":"sha256:1","RestartCount":0,"Config":{"Image":"registry.example/app:${n}","Labels":{"orion.name":"app-${n}"}},"State":{"Status":"exited","Running":false,"StartedAt":"2026-01-01T00:00:00Z"}}`;
const containers = [1, 2, 3, 4, 5].map(container).join("\n");
writeFileSync(
  join(programs, "docker"),
  `#!/bin/sh\ncase $1 in ps) echo 1 2 3 4 5;; *) cat <<'END'\n${containers}\nEND\n;; esac\n`,
);
chmodSync(join(programs, "docker"), 0o755);

async function putDetails({ url, id, apiKey }: Target, port: number, sshd: Sshd): Promise<void> {
  const { user, hostKey, credentials } = sshd.target();
  const privateKey = credentials.kind === "key" ? credentials.privateKey : "";
  const answer = await fetch(`${url}/api/servers/${id}/ssh`, {
    method: "PUT",
    headers: { "content-type": "application/json", authorization: `Bearer ${apiKey}` },
    body: JSON.stringify({ host: "127.0.0.1", port, user, hostKey, auth: { kind: "key", privateKey } }),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

/** When each server was polled last and is polled next, milliseconds. */
async function look({ url, apiKey }: Target): Promise<Map<string, { readonly last: number; readonly next: number }>> {
  const answer = await fetch(`${url}/api/servers?limit=10000`, { headers: { authorization: `Bearer ${apiKey}` } });
  const page = (await answer.json()) as ServersPage;
  return new Map(
    page.servers.flatMap(({ hostname, agent }) => {
      if (agent.ssh?.lastPolled == null || agent.ssh.nextPoll === null) return [];
      return [[hostname, { last: Date.parse(agent.ssh.lastPolled), next: Date.parse(agent.ssh.nextPoll) }] as const];
    }),
  );
}

/** CPU of the same poll by OpenSSH's client. @param control where its polls find a connection that is open already */
async function peer(name: string, sshd: Sshd, control: string | undefined): Promise<void> {
  copyFileSync(sshd.at("user"), join(folder, "key"));
  chmodSync(join(folder, "key"), 0o600);
  const script = pollScript({ word: "0123456789abcdef", diskPath: "/", twice: false });
  const way = ["-F", "none", "-i", join(folder, "key"), "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"];
  const known = ["-o", `UserKnownHostsFile=${join(folder, "known")}`, "-p", String(sshd.port)];
  const ssh = ["ssh", ...way, ...known, ...(control === undefined ? [] : ["-S", control])];
  const host = `${sshd.user}@127.0.0.1`;
  const none = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
  const master = control === undefined ? undefined : Bun.spawn([...ssh, "-M", "-N", host], none);
  if (control !== undefined) await until(() => existsSync(control), "the open connection");
  let cpuMs = 0;
  for (let i = 0; i < peerPolls; i++) {
    // not spawnSync: while this process waits, nobody would read what sshd says, until it waits for that
    const poll = Bun.spawn([...ssh, host, "sh", "-s"], { stdin: Buffer.from(script), stdout: "pipe", stderr: "pipe" });
    const [, stderr] = await Promise.all([new Response(poll.stdout).text(), new Response(poll.stderr).text()]);
    if ((await poll.exited) !== 0) throw new Error(stderr);
    cpuMs += Number(poll.resourceUsage()?.cpuTime.total ?? 0) / 1000;
  }
  master?.kill();
  await master?.exited;
  report({ bench: "ssh-polling", who: name, polls: peerPolls, cpuMsPerPoll: Number((cpuMs / peerPolls).toFixed(2)) });
}

const mute = createServer(() => undefined);
await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
const settings = [`SetEnv PATH=${programs}:/usr/bin:/bin HOME=${home}`, "MaxStartups 1000:30:2000"];
const sshds = await Promise.all([1, 2, 3, 4].map(() => startSshd(settings)));
const [first] = sshds;
try {
  if (first === undefined) throw new Error("no sshd");
  await using hub = await startHubProcess(join(folder, "data"));
  const hosts = await Promise.all(
    Array.from({ length: servers + silent }, async (_, i) => await registerAt(hub, `host-${i}`)),
  );

  const cpuBefore = hub.cpuSeconds();
  await Bun.sleep(idleSeconds * 1000);
  const idle = ((hub.cpuSeconds() - cpuBefore) / idleSeconds) * 100;
  report({
    bench: "ssh-polling",
    who: "hub, nothing polled",
    cpuPercent: Number(idle.toFixed(2)),
    rssMiB: hub.rssMiB().now,
  });

  const began = performance.now();
  const cpuBegan = hub.cpuSeconds();
  for (const [i, host] of hosts.entries()) {
    const sshd = sshds[i % sshds.length] ?? first;
    await putDetails(host, i < servers ? sshd.port : (mute.address() as AddressInfo).port, sshd);
  }
  while ((await look(hub.target)).size < servers) await Bun.sleep(500);
  report({
    bench: "ssh-polling",
    who: "all of them for the first time, at once",
    servers,
    seconds: Number(((performance.now() - began) / 1000).toFixed(1)),
    hubCpuMsPerServer: Number((((hub.cpuSeconds() - cpuBegan) * 1000) / servers).toFixed(2)),
  });
  // the moments of the minute are reached from the second poll on
  await Bun.sleep(65_000);

  const start = { cpu: hub.cpuSeconds(), at: performance.now() };
  const delays: number[] = [];
  let before = await look(hub.target);
  for (let left = minutes * 60; left > 0; left -= lookEverySeconds) {
    await Bun.sleep(lookEverySeconds * 1000);
    const now = await look(hub.target);
    for (const [name, { last }] of now) {
      const earlier = before.get(name);
      if (earlier !== undefined && earlier.last !== last) delays.push(last - earlier.next);
    }
    before = now;
  }
  const seconds = (performance.now() - start.at) / 1000;
  const cpu = hub.cpuSeconds() - start.cpu;
  report({
    bench: "ssh-polling",
    who: "every minute",
    servers,
    silent,
    seconds: Math.round(seconds),
    polls: delays.length,
    cpuPercent: Number(((cpu / seconds) * 100).toFixed(2)),
    cpuMsPerPoll: Number(((cpu * 1000) / delays.length).toFixed(2)),
    rssMiB: hub.rssMiB(),
    delayMs: { median: quantile(delays, 0.5), p99: quantile(delays, 0.99), longest: quantile(delays, 1) },
    bars: { cpuPercent: 20, longestMs: 5000 },
  });
  await peer("ssh, a connection for each poll", first, undefined);
  // without what the process behind the connection needs
  await peer("ssh, one connection for all (ControlMaster)", first, join(folder, "control"));
} finally {
  mute.close();
  for (const sshd of sshds) await sshd[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
