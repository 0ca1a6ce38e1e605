/**
 * Deployments that are cut: the network at any byte, the hub at any step. Whatever happens, the host is either as it was
 * or has the agent, and the token that it has is good.
 */
import { type Server, type Socket, connect, createServer } from "node:net";

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { RegisteredServer } from "#src/protocol/api.ts";
import type { Job } from "#src/protocol/job.ts";
import type { Host } from "#test/kit/host.ts";
import { until } from "#test/kit/wait.ts";

import { type SshHub, authorize, hostMissing, snapshot, startSshHost, startSshHub, story } from "./kit/ssh-host.ts";

setDefaultTimeout(300_000);

type Cutter = AsyncDisposable & {
  readonly port: number;
  /** Bytes that have passed, both ways together, since this was last asked. */
  passed(): number;
  /** The connection that carries the byte after so many is torn down; those after it are left alone. */
  cutAfter(bytes: number): void;
  /** Whether that has happened. */
  cut(): boolean;
};

/** The network between hub and host. */
async function startCutter(address: string): Promise<Cutter> {
  let count = 0;
  let limit = Infinity;
  let wasCut = false;
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect({ host: address, port: 22 });
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (bytes: Buffer) => {
        count += bytes.length;
        if (count <= limit) {
          if (!to.write(bytes)) from.pause();
          return;
        }
        // what came before that byte still arrives
        const rest = bytes.subarray(0, Math.max(0, bytes.length - (count - limit)));
        limit = Infinity;
        wasCut = true;
        if (rest.length === 0) end();
        else to.write(rest, end);
      });
      to.on("drain", () => from.resume());
      from.on("error", () => from.destroy());
      from.on("close", () => {
        sockets.delete(from);
        end();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  if (at === null || typeof at === "string") throw new Error("the cutter has no port");
  return {
    port: at.port,
    passed() {
      const passed = count;
      count = 0;
      return passed;
    },
    cutAfter(bytes) {
      count = 0;
      wasCut = false;
      limit = bytes;
    },
    cut: () => wasCut,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

describe.skipIf(hostMissing() !== undefined)("a deployment that is cut", () => {
  let host: Host;
  let hub: SshHub;
  let cutter: Cutter;
  let server: RegisteredServer;

  beforeAll(async () => {
    host = await startSshHost();
    hub = await startSshHub(host.gateway);
    cutter = await startCutter(host.address);
    await authorize(host, hub.publicKey);
    const auth = { kind: "key", privateKey: hub.privateKey };
    server = await hub.addServer({ host: "127.0.0.1", port: cutter.port, user: "root", auth });
  });
  afterAll(async () => {
    await hub?.[Symbol.asyncDispose]();
    await cutter?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
  });

  /** The agent reports with the token that the host has, and nothing of the deployment is left. */
  async function isDeployed(since: number): Promise<void> {
    expect(await host.run("systemctl is-active orion-agent; ls -A /usr/local/bin")).toStartWith("active\norion");
    expect(await host.run("ls -A /usr/local/bin | grep deploy || true")).toBe("");
    await until(
      async () => Date.parse((await hub.server(server.id)).agent.lastSeen ?? "") >= since,
      "a report of the agent",
      60_000,
    );
  }

  /** A host with the program, so that little is sent, and without the service. */
  async function reset(): Promise<string> {
    await host.run(
      "systemctl disable --now --quiet orion-agent; rm -rf /etc/orion /run/orion /var/log/orion-agent.log /etc/systemd/system/orion-agent.service /usr/local/bin/orion.previous; systemctl daemon-reload; groupdel orion; true",
    );
    return await snapshot(host);
  }

  test("while the program is sent leaves nothing behind", async () => {
    const before = await snapshot(host);
    cutter.cutAfter(8_000_000);
    const job = await hub.deploy(server.id);
    expect([job.state, job.steps[2]?.state, cutter.cut()]).toEqual(["failed", "failed", true]);
    expect(await snapshot(host)).toBe(before);
  });

  test("at any byte leaves the host as it was, or with the agent", async () => {
    const first = await hub.deploy(server.id);
    expect(story(first)).toStartWith("done\n");
    await reset();
    cutter.passed();
    expect((await hub.deploy(server.id)).state).toBe("done");
    const whole = cutter.passed();
    const ends: string[] = [];
    for (let n = 0; n < 8; n++) {
      const before = await reset();
      const since = Date.now();
      // spread over the whole, and not at the same bytes each time
      const at = Math.floor(((n + Math.random()) / 8) * whole);
      cutter.cutAfter(at);
      const job = await hub.deploy(server.id);
      ends.push(job.state);
      const what = `cut at ${at} of ${whole}: ${story(job)}`;
      if (job.state === "done") await isDeployed(since);
      else expect(`${what}\n${await snapshot(host)}`).toBe(`${what}\n${before}`);
    }
    // both happen
    expect(ends).toContain("failed");
  });

  for (const step of ["connect", "send the agent", "rotate the token", "install", "verify"]) {
    test(`by the hub's own end at the step "${step}" is taken up when the hub is back`, async () => {
      await reset();
      const since = Date.now();
      const { id } = await hub.call<Job>("POST", `/api/servers/${server.id}/agent/deploy`);
      await until(async () => {
        const job = await hub.call<Job>("GET", `/api/jobs/${id}`);
        return job.steps.find(({ name }) => name === step)?.state !== "waiting";
      }, `the step ${step}`);
      await hub.kill();
      await hub.start();
      expect(story(await hub.finished(id))).toStartWith("done\n");
      await isDeployed(since);
    });
  }
});
