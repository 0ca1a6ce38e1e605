import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";

import { describe, expect, test } from "bun:test";

import { examine } from "#src/cli/doctor/examine.ts";
import type { Finding } from "#src/cli/doctor/finding.ts";
import { pathsFor } from "#src/protocol/paths.ts";
import { version } from "#src/protocol/version.ts";
import { createAuthority } from "#test/hub/kit/certificate.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

import { startFakeDaemon, success } from "./fake-daemon.ts";
import { orion } from "./orion.ts";
import { status } from "./samples.ts";

const isRoot = process.getuid?.() === 0;
const well = {
  ...status,
  version,
  problems: [],
  delivery: { ...status.delivery, ledger: { ...status.delivery.ledger, dropped: 0 } },
};

/** A host's folder with a config file; nothing else is there. */
function makeHost(config?: object | string): Folder {
  const folder = temporaryFolder("orion-doctor-");
  mkdirSync(folder.at("etc"), { mode: 0o700 });
  if (config !== undefined) {
    const text =
      typeof config === "string" ? config : JSON.stringify({ dockerSocket: folder.at("no-docker"), ...config });
    writeFileSync(folder.at("etc", "config.json"), text, { mode: 0o600 });
  }
  return folder;
}

async function findings(dir: string): Promise<readonly Finding[]> {
  return await examine({ paths: pathsFor({}, dir), dir, variables: {}, uid: process.getuid?.() ?? 0 });
}

/** The findings of one check, without what to do, which must be there when something is wrong. */
async function found(dir: string, ...checks: string[]): Promise<string[]> {
  const all = await findings(dir);
  for (const { result, todo } of all) expect(result === "ok").toBe(todo === null);
  return all
    .filter(({ check }) => checks.includes(check))
    .map(({ check, result, what }) => `${result} ${check}: ${what}`);
}

const hub = (handle: (request: Request) => Response) => {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: handle });
  return {
    url: `http://127.0.0.1:${server.port}`,
    port: server.port ?? 0,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
};
const connection = { token: "oat_x", serverId: "s-1" };

describe("the doctor's exit code", () => {
  test("is 1 without a daemon, and every finding says what to do", async () => {
    await using host = makeHost({});
    const run = await orion(["--dir", host.path, "doctor", "--json"]);
    const answer = JSON.parse(run.out) as { ok: boolean; findings: Finding[] };
    expect([run.code, run.err, answer.ok]).toEqual([1, "", false]);
    // whether there is an engine elsewhere on this machine is not for this test to say
    const looked = answer.findings.filter(({ check }) => check !== "docker");
    expect(looked.map(({ check, result }) => `${result} ${check}`)).toEqual([
      "fail daemon",
      "warn config",
      "ok scripts",
      "ok procfs",
      "ok disk",
    ]);
  });

  test("is 0 when nothing fails", async () => {
    await using daemon = startFakeDaemon(() => success(well));
    mkdirSync(daemon.folder.at("etc"), { mode: 0o700 });
    await using there = hub(() => new Response("{}", { status: 202 }));
    writeFileSync(
      daemon.folder.at("etc", "config.json"),
      JSON.stringify({ apiUrl: there.url, ...connection, dockerSocket: "/nonexistent" }),
      { mode: 0o600 },
    );
    const run = await orion(["--dir", daemon.dir, "doctor"]);
    expect([run.code, run.err]).toEqual([0, ""]);
    expect(run.out).toEndWith(", 0 wrong\n");
    expect(run.out).not.toContain("\u001b");
  });
});

describe("the daemon", () => {
  test("complains through the doctor", async () => {
    await using daemon = startFakeDaemon(() => success({ ...status, version: "0.0.1" }));
    expect(await found(daemon.dir, "daemon", "version", "delivery")).toEqual([
      "ok daemon: running, pid 77, version 0.0.1",
      "warn daemon: disk: it is full",
      `warn version: the daemon is 0.0.1, this command is ${version}`,
      "warn delivery: 45 log entries were dropped at a limit",
    ]);
  });

  test("must not have a socket for everybody", async () => {
    await using daemon = startFakeDaemon(() => success(well));
    chmodSync(daemon.folder.at("run", "agent.sock"), 0o666);
    expect(await found(daemon.dir, "socket")).toEqual([
      `fail socket: everybody may use ${daemon.dir}/run/agent.sock (mode 0666)`,
    ]);
  });

  test("that is there but does not listen is named by the pid that holds its lock", async () => {
    await using host = makeHost({});
    mkdirSync(host.at("run"));
    writeFileSync(host.at("run", "agent.lock"), `${process.pid}\n`);
    expect((await found(host.path, "daemon"))[0]).toEndWith(`; process ${process.pid} holds its lock`);
  });
});

describe("the files", () => {
  test("are named with line and reason when they are torn", async () => {
    await using host = makeHost('{\n  "token": "x",\n  "apiUrl" "y"\n}');
    writeFileSync(host.at("etc", "scripts.json"), '[\n{"name": "a",\n', { mode: 0o600 });
    const lines = await found(host.path, "config", "scripts");
    expect(lines[0]).toStartWith(
      `fail config: the config file ${host.path}/etc/config.json is not valid JSON: line 3, column 12: expected ":" after the name`,
    );
    expect(lines[1]).toStartWith(
      `fail scripts: ${host.path}/etc/scripts.json, line 3, column 1: the text ends too early`,
    );
  });

  test("are named by entry when one is wrong", async () => {
    await using host = makeHost({});
    const scripts = [
      { name: "ok", command: "x" },
      { name: "Bad Name", command: "x" },
      { name: "ok", command: "y" },
      { name: "c" },
    ];
    writeFileSync(host.at("etc", "scripts.json"), JSON.stringify(scripts), { mode: 0o600 });
    const lines = await found(host.path, "scripts");
    expect(lines).toHaveLength(3);
    expect(lines[0]).toStartWith(`fail scripts: entry 2 of ${host.path}/etc/scripts.json: name`);
    expect(lines[1]).toBe(`fail scripts: entry 3 of ${host.path}/etc/scripts.json: the name ok is taken`);
    expect(lines[2]).toStartWith(`fail scripts: entry 4 of ${host.path}/etc/scripts.json: command`);
  });

  test("must not be writable for others", async () => {
    await using host = makeHost({});
    writeFileSync(host.at("etc", "scripts.json"), "[]");
    for (const name of ["config.json", "scripts.json"]) chmodSync(host.at("etc", name), 0o622);
    const lines = await found(host.path, "config", "scripts");
    expect(lines.map((line) => line.slice(0, 12))).toEqual(["fail config:", "fail scripts"]);
    for (const line of lines) expect(line).toContain("group or others may write it (mode 0622)");
  });

  test("must not show the token to others", async () => {
    await using host = makeHost({});
    chmodSync(host.at("etc", "config.json"), 0o644);
    expect(await found(host.path, "config")).toContain(
      `warn config: others may read the token in ${host.path}/etc/config.json (mode 0644)`,
    );
  });

  test("with a key that nobody knows, or a value that can't be, say so", async () => {
    await using host = makeHost({ heartbeatIntervall: 3, heartbeatInterval: 1 });
    const lines = await found(host.path, "config");
    expect(lines.some((line) => line.startsWith("warn config") && line.includes("heartbeatIntervall"))).toBe(true);
    expect(lines.some((line) => line.startsWith("fail config") && line.includes("between 10 and 300"))).toBe(true);
  });

  test.skipIf(!isRoot)(
    "that this user may not read send him to sudo (needs root to become somebody else)",
    async () => {
      await using host = makeHost({});
      writeFileSync(host.at("etc", "scripts.json"), "[]", { mode: 0o600 });
      chmodSync(host.path, 0o755);
      chmodSync(host.at("etc"), 0o755);
      const source = new URL("../../src/cli/doctor/examine.ts", import.meta.url).pathname;
      const program = `const { examine } = await import(${JSON.stringify(source)});
      await import(${JSON.stringify(new URL("../../src/agent/agent.ts", import.meta.url).pathname)});
      process.setgid(65534); process.setuid(65534);
      const { pathsFor } = await import(${JSON.stringify(new URL("../../src/protocol/paths.ts", import.meta.url).pathname)});
      console.log(JSON.stringify(await examine({ paths: pathsFor({}, ${JSON.stringify(host.path)}), dir: ${JSON.stringify(host.path)}, variables: {}, uid: 65534 })));`;
      const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", stderr: "inherit" });
      const seen = JSON.parse(await new Response(child.stdout).text()) as Finding[];
      const files = seen.filter(
        ({ check, result }) => (check === "config" || check === "scripts") && result === "fail",
      );
      expect(files.map(({ todo }) => todo)).toEqual([
        "Run the doctor as the daemon's user: sudo orion doctor",
        "Run the doctor as the daemon's user: sudo orion doctor",
      ]);
    },
  );
});

describe("the way to the hub", () => {
  test("breaks at the name", async () => {
    await using host = makeHost({ apiUrl: "http://no-such-host.invalid", ...connection });
    const lines = await found(host.path, "dns", "tcp", "tls", "http", "token");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toStartWith("fail dns: the name no-such-host.invalid can't be resolved");
  });

  test("breaks at the port", async () => {
    const closed = hub(() => new Response());
    await closed[Symbol.asyncDispose]();
    await using host = makeHost({ apiUrl: closed.url, ...connection });
    expect(await found(host.path, "dns", "tcp", "tls", "http", "token")).toEqual([
      "ok dns: 127.0.0.1 is 127.0.0.1",
      `fail tcp: no connection to 127.0.0.1 port ${closed.port}: 127.0.0.1: refused`,
    ]);
  });

  test("breaks at TLS when the port does not speak it", async () => {
    await using there = hub(() => new Response());
    await using host = makeHost({ apiUrl: there.url.replace("http:", "https:"), ...connection });
    const lines = await found(host.path, "tcp", "tls", "http", "token");
    expect(lines.map((line) => line.split(":")[0])).toEqual(["ok tcp", "fail tls"]);
  });

  test.skipIf(Bun.which("openssl") === null)(
    "breaks at a certificate that nobody vouches for, unless caFile does (needs openssl)",
    async () => {
      await using folder = temporaryFolder();
      const made = Bun.spawnSync(
        [
          "openssl",
          "req",
          "-x509",
          "-newkey",
          "rsa:2048",
          "-nodes",
          "-days",
          "30",
          "-subj",
          "/CN=localhost",
          "-addext",
          "subjectAltName=DNS:localhost",
          "-keyout",
          folder.at("key"),
          "-out",
          folder.at("cert"),
        ],
        { stdout: "ignore", stderr: "pipe" },
      );
      expect([made.exitCode, made.exitCode === 0 ? "" : made.stderr.toString()]).toEqual([0, ""]);
      const server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        tls: { key: Bun.file(folder.at("key")), cert: Bun.file(folder.at("cert")) },
        fetch: () => new Response("{}", { status: 202 }),
      });
      try {
        const apiUrl = `https://localhost:${server.port}`;
        await using host = makeHost({ apiUrl, ...connection });
        const lines = await found(host.path, "tls", "http", "token");
        expect(lines).toHaveLength(1);
        expect(lines[0]).toBe(
          "fail tls: the certificate of localhost is not accepted: it is signed by an authority that this machine does not know",
        );
        await using trusting = makeHost({ apiUrl, ...connection, caFile: folder.at("cert") });
        expect(await found(trusting.path, "tls", "http", "token")).toEqual([
          "ok tls: the certificate for localhost is valid",
          `ok http: ${apiUrl} answers`,
          "ok token: the hub accepts it",
        ]);
        await using blind = makeHost({ apiUrl, ...connection, caFile: folder.at("nothing") });
        expect((await found(blind.path, "tls"))[0]).toStartWith(
          `fail tls: the certificate authority ${folder.at("nothing")} can't be read`,
        );
        await using other = makeHost({
          apiUrl: `https://127.0.0.1:${server.port}`,
          ...connection,
          caFile: folder.at("cert"),
        });
        expect(await found(other.path, "tls")).toEqual([
          "fail tls: the certificate of 127.0.0.1 is not accepted: it is for another name",
        ]);
      } finally {
        await server.stop(true);
      }
    },
  );

  test.skipIf(Bun.which("openssl") === null)(
    "tells a certificate that has expired from one that soon will (needs openssl)",
    async () => {
      await using folder = temporaryFolder();
      const authority = createAuthority(folder.path);
      for (const [days, says] of [
        [-1, "fail tls: the certificate of localhost is not accepted: it has expired"],
        [5, "warn tls: the certificate for localhost ends in 4 days"],
      ] as const) {
        const [cert, key] = [folder.at(`${days}.crt`), folder.at(`${days}.key`)];
        authority.issue("localhost", { cert, key }, days);
        const server = Bun.serve({
          port: 0,
          hostname: "127.0.0.1",
          tls: { key: Bun.file(key), cert: Bun.file(cert) },
          fetch: () => new Response("{}", { status: 202 }),
        });
        await using _ = { [Symbol.asyncDispose]: () => server.stop(true) };
        await using host = makeHost({
          apiUrl: `https://localhost:${server.port}`,
          ...connection,
          caFile: authority.ca,
        });
        expect(await found(host.path, "tls")).toEqual([says]);
      }
    },
  );

  const address = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
  test.skipIf(address === undefined)(
    "is told when it is not encrypted (needs an address that is not loopback)",
    async () => {
      const server = Bun.serve({ port: 0, hostname: address ?? "", fetch: () => new Response("{}", { status: 202 }) });
      await using host = makeHost({ apiUrl: `http://${address}:${server.port}`, ...connection });
      await using told = makeHost({ apiUrl: `http://${address}:${server.port}`, ...connection, insecureHttp: true });
      expect(await found(told.path, "tls")).toEqual([
        `warn tls: http://${address}:${server.port} is not encrypted: anybody on the way reads the token`,
      ]);
      expect(await found(host.path, "tls")).toEqual([
        `fail tls: http://${address}:${server.port} is not encrypted: anybody on the way reads the token, so the agent sends nothing there`,
      ]);
      await server.stop(true);
    },
  );
});

describe("the hub", () => {
  const rows: readonly [string, () => Response, (url: string) => readonly string[]][] = [
    [
      "takes the token",
      () => new Response("{}", { status: 202 }),
      (url) => [`ok http: ${url} answers`, "ok token: the hub accepts it"],
    ],
    [
      "minds an empty body, which it may",
      () => new Response("{}", { status: 400 }),
      (url) => [`ok http: ${url} answers`, "ok token: the hub accepts it"],
    ],
    [
      "refuses the token",
      () => new Response("{}", { status: 401 }),
      (url) => [
        `ok http: ${url} answers`,
        "fail token: the hub refuses this server's token (401): it was rotated or revoked, or is of another server",
      ],
    ],
    [
      "is no hub",
      () => new Response("hello", { status: 404 }),
      (url) => [`fail http: ${url} answers, but it is no Orion hub (404)`],
    ],
    ["is broken", () => new Response("", { status: 503 }), (url) => [`fail http: the hub at ${url} answers 503`]],
    [
      "has moved",
      () => Response.redirect("http://elsewhere.invalid/"),
      (url) => [`fail http: ${url} redirects to http://elsewhere.invalid/, which the agent does not follow`],
    ],
  ];
  for (const [what, answer, lines] of rows) {
    test(what, async () => {
      await using there = hub(answer);
      await using host = makeHost({ apiUrl: `${there.url}/`, ...connection });
      expect(await found(host.path, "http", "token")).toEqual([...lines(there.url)]);
    });
  }

  test("gets the token, and no entry", async () => {
    const seen: string[] = [];
    await using there = hub((request) => {
      seen.push(
        `${request.method} ${new URL(request.url).pathname} ${request.headers.get("authorization")} ${request.headers.get("x-server-id")} ${request.headers.get("content-length")}`,
      );
      return new Response("{}", { status: 202 });
    });
    await using host = makeHost({ apiUrl: there.url, ...connection });
    await findings(host.path);
    expect(seen).toEqual(["POST /api/v1/agent/logs Bearer oat_x s-1 0"]);
  });

  const skews: readonly [number, string][] = [
    [0, "ok clock: agrees with the hub's"],
    [60_000, "warn clock: this host's clock is 60 s behind the hub's"],
    [-60_000, "warn clock: this host's clock is 60 s ahead of the hub's"],
    [3_600_000, "fail clock: this host's clock is 3600 s behind the hub's"],
  ];
  for (const [ms, line] of skews) {
    test(`${ms / 1000} s away in time`, async () => {
      await using there = hub(
        () => new Response("{}", { status: 202, headers: { date: new Date(Date.now() + ms).toUTCString() } }),
      );
      await using host = makeHost({ apiUrl: there.url, ...connection });
      const [seen = ""] = await found(host.path, "clock");
      // the header has whole seconds, and a busy machine takes its time: one second either way is right
      expect(seen.replace(/\b(59|61|3599|3601)\b/, (text) => String(Math.round(Number(text) / 60) * 60))).toBe(line);
    });
  }
});

describe("this host", () => {
  test("without a readable procfs is told which files miss", async () => {
    await using host = makeHost({});
    writeFileSync(host.at("etc", "config.json"), JSON.stringify({ procPath: host.path }));
    expect(await found(host.path, "procfs")).toEqual([
      `fail procfs: ${host.path} can't be read (stat: ENOENT, meminfo: ENOENT, loadavg: ENOENT, uptime: ENOENT, net/dev: ENOENT)`,
    ]);
  });

  test("with less space than the buffer may take is warned", async () => {
    await using host = makeHost({ buffer: { maxBytes: 2 ** 52 } });
    expect((await found(host.path, "disk"))[0]).toStartWith("warn disk: ");
  });

  test.skipIf(!isRoot)("with a full disk fails (needs root for a small tmpfs)", async () => {
    await using host = makeHost();
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", host.at("etc")], {
      stderr: "pipe",
    });
    // a container without CAP_SYS_ADMIN can't; then there is nothing to see
    if (!mounted.success) return;
    try {
      expect((await found(host.path, "disk"))[0]).toStartWith("fail disk: only ");
    } finally {
      Bun.spawnSync(["umount", host.at("etc")]);
    }
  });
});

describe("the command line's login", () => {
  test("is looked at when there is one: good, ended, or of a hub that is away", async () => {
    await using there = hub((request) =>
      request.headers.get("authorization") === "Bearer oak_good"
        ? Response.json({ projects: [], cursor: null })
        : Response.json({ type: "about:blank", title: "Not signed in", status: 401 }, { status: 401 }),
    );
    await using host = makeHost({});
    const login = async (url: string, token: string) => {
      writeFileSync(host.at("login.json"), JSON.stringify({ url, token, kind: "key" }), { mode: 0o600 });
      const { findings } = JSON.parse((await orion(["--dir", host.path, "doctor", "--json"])).out) as {
        findings: Finding[];
      };
      return findings
        .filter(({ check }) => check === "login")
        .map(({ result, what, todo }) => `${result}: ${what}${todo === null ? "" : `. ${todo}`}`);
    };
    expect(await login(there.url, "oak_good")).toEqual([`ok: signed in to ${there.url} (${host.at("login.json")})`]);
    expect(await login(there.url, "oak_dead")).toEqual([
      "fail: the login has expired or was ended: Not signed in. Sign in with another key: orion login --token KEY",
    ]);
    expect((await login("http://127.0.0.1:1", "oak_good"))[0]).toStartWith(
      "warn: the hub at http://127.0.0.1:1 can't be reached: nothing listens on port 1",
    );
  });
});
