/** A whole host that the hub reaches over SSH, and a hub that it reaches: for tests of what a deployment does to it. */
import { readFileSync } from "node:fs";

import type { SshCheck } from "#src/protocol/ssh.ts";
import type { Job } from "#src/protocol/job.ts";
import type { RegisteredServer, Server } from "#src/protocol/api.ts";
import { makeKey } from "#test/hub/ssh/sshd.ts";
import { orionBinary } from "#test/kit/binary.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { type Host, hostMissing, startHost } from "#test/kit/host.ts";
import { type Program, startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

export { hostMissing };

/** A user of the host, made for tests. */
export const deployer = { user: "deploy", password: "correct horse battery staple" };

/** Starts a host whose sshd takes passwords, with a user `deploy` who is in the group sudo. */
export async function startSshHost(): Promise<Host> {
  const host = await startHost();
  try {
    await host.run(
      "sed -i 's/^[# ]*PermitRootLogin.*/PermitRootLogin yes/' /etc/ssh/sshd_config && systemctl restart ssh",
    );
    await host.run(`useradd --create-home --groups sudo --shell /bin/bash ${deployer.user}`);
    await host.run("chpasswd", `${deployer.user}:${deployer.password}\n`);
    await host.until("ss -ltn | grep -q ':22 '");
    return host;
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

/** Lets a public key in as a user. */
export async function authorize(host: Host, publicKey: string, user = "root"): Promise<void> {
  const home = user === "root" ? "/root" : `/home/${user}`;
  const make = `install -d -m 700 -o ${user} ${home}/.ssh && cat >>${home}/.ssh/authorized_keys && chown ${user} ${home}/.ssh/authorized_keys`;
  await host.run(make, `${publicKey.trim()}\n`);
}

export type SshHub = AsyncDisposable & {
  /** under which hosts reach it */
  readonly url: string;
  readonly key: string;
  /** A request to its API. Throws when it is not 2xx. */
  call<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** The same, whatever the status. */
  ask(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: unknown }>;
  /** A server reached over SSH as said, its host key approved. */
  addServer(ssh: Readonly<Record<string, unknown>>, hostname?: string): Promise<RegisteredServer>;
  /** Waits until a job is over. */
  finished(id: string, withinMs?: number): Promise<Job>;
  deploy(serverId: string, request?: Readonly<Record<string, unknown>>): Promise<Job>;
  server(id: string): Promise<Server>;
  kill(): Promise<void>;
  start(): Promise<void>;
  said(): string;
  /** a key pair of its own; let `publicKey` in */
  readonly privateKey: string;
  readonly publicKey: string;
};

/** Starts a hub on `address` of this machine, compiled, in a folder of its own. `version`: as which it shows itself. */
export async function startSshHub(address: string, { version = "", program = "" } = {}): Promise<SshHub> {
  const binary = program === "" ? await orionBinary(version) : program;
  const folder = temporaryFolder("orion-ssh-hub-");
  makeKey(folder.at("key"), "-t", "ed25519", "-N", "");
  await Bun.write(folder.at("password"), "correct horse battery\n");
  const dir = folder.at("hub");
  let running: Program | undefined;
  let before = "";
  let port = 0;
  let key = "";

  async function start(): Promise<void> {
    const words = ["--dir", dir, "--host", address, "--port", String(port), "--insecure-http", "--json"];
    const started = (running = startProgram([binary, "hub", ...words], { env: { HOME: folder.path } }));
    const line = await until(() => {
      if (/^orion: /m.test(started.output())) throw new Error(`the hub did not start: ${started.output()}`);
      return /^\{.*\}$/m.exec(started.output())?.[0];
    }, "the hub's address");
    port = (JSON.parse(line) as { port: number }).port;
  }

  async function ask(method: string, path: string, body?: unknown) {
    const response = await fetch(`http://${address}:${port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? null : (JSON.parse(text) as unknown) };
  }

  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await ask(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as T;
  }

  await start();
  for (const words of [
    ["hub", "admin", "create", "--email", "owner@example.com", "--password-file", folder.at("password")],
    ["hub", "token", "key", "--name", "tests"],
  ]) {
    const child = Bun.spawn([binary, "--dir", dir, ...words], {
      env: { HOME: folder.path },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [said, failure] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    if ((await child.exited) !== 0) throw new Error(failure);
    key = said.trim();
  }

  const hub: SshHub = {
    get url() {
      return `http://${address}:${port}`;
    },
    key,
    call,
    ask,
    async addServer(ssh, hostname = "host-under-test") {
      const server = await call<RegisteredServer>("POST", "/api/servers", { hostname, ssh });
      const path = `/api/servers/${server.id}/ssh/check`;
      const seen = await call<SshCheck>("POST", path);
      const approve = { hostKey: seen.hostKey?.fingerprint };
      const checked = await call<SshCheck>("POST", path, { approve });
      if (checked.hostKey?.approved == null) throw new Error(JSON.stringify(checked));
      return server;
    },
    async finished(id, withinMs = 120_000) {
      return await until(
        async () => {
          const job = await call<Job>("GET", `/api/jobs/${id}`);
          if (job.state !== "queued" && job.state !== "running") return job;
          await Bun.sleep(100);
          return undefined;
        },
        `the end of job ${id}`,
        withinMs,
      );
    },
    async deploy(serverId, request = {}) {
      const job = await call<Job>("POST", `/api/servers/${serverId}/agent/deploy`, request);
      return await hub.finished(job.id);
    },
    server: (id) => call<Server>("GET", `/api/servers/${id}`),
    async kill() {
      before += running?.output() ?? "";
      running?.kill("SIGKILL");
      await running?.exited;
    },
    start,
    said: () => before + (running?.output() ?? ""),
    privateKey: readFileSync(folder.at("key"), "utf8"),
    publicKey: readFileSync(folder.at("key.pub"), "utf8"),
    async [Symbol.asyncDispose]() {
      await running?.[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
  return hub;
}

/** What a job did, for a failure's message. */
export function story({ state, steps, problem }: Job): string {
  const told = steps.map(({ name, state: at, output }) => `[${name}: ${at}]\n${output}`);
  return `${state}\n${told.join("")}${problem === null ? "" : `${problem.message}. ${problem.hint ?? ""}`}`;
}

/**
 * What a deployment may change of a host, as text: programs, services, config, groups, what runs. Of an agent's own files
 * only the names count: it writes them as it goes.
 */
export async function snapshot(host: Host): Promise<string> {
  return await host.run(`
    find /usr/local/bin /etc/orion /etc/systemd/system /var/lib -maxdepth 1 -printf '%p %y %m %u %g %l\\n' 2>/dev/null | sort
    sha256sum /usr/local/bin/orion /usr/local/bin/orion.previous /etc/orion/config.json /etc/systemd/system/orion-agent.service 2>/dev/null
    echo "active: $(systemctl is-active orion-agent) enabled: $(systemctl is-enabled orion-agent 2>&1)"
    grep '^orion:' /etc/group; ls -d /run/orion /var/log/orion-agent.log 2>/dev/null; true`);
}
