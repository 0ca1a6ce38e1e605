import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "bun:test";

import { addressFor } from "#src/hub/ssh/deploy/address.ts";
import { guardScript } from "#src/hub/ssh/deploy/guard.ts";
import { makeImage } from "#src/hub/ssh/deploy/image.ts";
import { chooseMethod, describeHost, refuseFullDisk } from "#src/hub/ssh/deploy/method.ts";
import { createPrograms } from "#src/hub/ssh/deploy/program.ts";
import { createReported } from "#src/hub/ssh/deploy/reported.ts";
import { tarSize, tarText, writeTar } from "#src/hub/ssh/deploy/tar.ts";
import {
  busyCode,
  clearFolders,
  confirmGuard,
  folderName,
  makeFolder,
  reuseProgram,
  startGuard,
  takeFile,
  tryProgram,
} from "#src/hub/ssh/deploy/transaction.ts";
import { agentUnit } from "#src/hub/ssh/deploy/unit.ts";
import type { HostFacts } from "#src/protocol/ssh.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

const top = join(import.meta.dir, "../../../..");

describe("the service that a deployment writes", () => {
  test("is the one that install.sh writes", () => {
    const script = readFileSync(join(top, "install.sh"), "utf8");
    const [, text = ""] = /^unit_agent\(\) \{\n {2}cat <<UNIT\n([\s\S]*?)^UNIT$/m.exec(script) ?? [];
    expect(agentUnit("/usr/local/bin/orion")).toBe(
      text.replaceAll("$prefix", "/usr/local").replaceAll("$config_dir", "/etc/orion"),
    );
  });
});

describe("the address that an agent is told", () => {
  const none = new Map<string, string>();
  const hub = (url: string, guessed = false) => ({ url, guessed });
  const rows: readonly (readonly [name: string, got: () => unknown, wanted: unknown])[] = [
    [
      "is the one asked for",
      () => addressFor("https://a.example/", hub("https://b.example"), { apiUrl: "https://c.example" }, none),
      { url: "https://a.example", insecureHttp: false },
    ],
    [
      "is else the hub's",
      () => addressFor(undefined, hub("https://b.example"), { apiUrl: "https://c.example" }, none),
      { url: "https://b.example", insecureHttp: false },
    ],
    [
      "is else the one that the agent has, when the hub only guesses its own",
      () => addressFor(undefined, hub("http://b.example", true), { apiUrl: "https://c.example" }, none),
      { url: "https://c.example", insecureHttp: false },
    ],
    [
      "or that its container has",
      () => addressFor(undefined, hub("http://127.0.0.1:8420"), {}, new Map([["ENDPOINT", "https://d.example"]])),
      { url: "https://d.example", insecureHttp: false },
    ],
    [
      "is used without TLS only because the hub is",
      () => addressFor(undefined, hub("http://10.0.0.1:8420"), {}, none),
      { url: "http://10.0.0.1:8420", insecureHttp: true },
    ],
  ];
  for (const [name, got, wanted] of rows) test(name, () => expect(got()).toEqual(wanted));

  test("is never guessed to be the host itself", () => {
    expect(() => addressFor(undefined, hub("http://127.0.0.1:8420"), {}, none)).toThrow(
      "the hub is known as http://127.0.0.1:8420 only, which on the host is the host itself",
    );
  });
});

describe("the program that is sent", () => {
  test("is the hub's own, or the release that lies there for another machine", async () => {
    await using folder = temporaryFolder();
    writeFileSync(folder.at("orion"), "own");
    writeFileSync(folder.at("orion-linux-arm64-musl"), "other");
    const world = { own: folder.at("orion"), arch: "x64", maps: "/lib/libc.so.6", releaseDir: folder.path };
    const programs = createPrograms(world);
    expect(await programs.for({ cpu: "x86_64", libc: "glibc" })).toEqual({
      path: folder.at("orion"),
      size: 3,
      sha256: new Bun.CryptoHasher("sha256").update("own").digest("hex"),
    });
    expect((await programs.for({ cpu: "aarch64", libc: "musl" })).path).toBe(folder.at("orion-linux-arm64-musl"));
    const missing = await programs.for({ cpu: "aarch64", libc: "glibc" }).catch((error: unknown) => error);
    expect(missing).toMatchObject({
      message: "the host needs the program orion-linux-arm64; the hub's own is another",
      hint: `Put the release orion-linux-arm64 of this hub's version at ${folder.at("orion-linux-arm64")}`,
    });
    const odd = await programs.for({ cpu: "riscv64", libc: "glibc" }).catch((error: unknown) => error);
    expect(odd).toMatchObject({
      message: "there is no agent for this CPU (riscv64); there is one for x86_64 and aarch64",
    });
    const source = await createPrograms({ ...world, own: null })
      .ownFor({ cpu: "x86_64" })
      .catch((error: unknown) => error);
    expect(source).toMatchObject({ message: "this hub runs from its source and has no program to make an image of" });
  });
});

/** Unpacks an archive with the system's own tar. */
async function unpacked(chunks: AsyncIterable<Uint8Array>, into: string, ...more: readonly string[]) {
  const bytes = Buffer.concat(await Array.fromAsync(chunks));
  const run = Bun.spawn(["tar", "-C", into, "-xpf", "-", ...more], { stdin: new Blob([bytes]), stderr: "pipe" });
  const said = await new Response(run.stderr).text();
  expect([await run.exited, said]).toEqual([0, ""]);
  return bytes.length;
}

describe("an archive", () => {
  test("is what tar(1) reads, of the size that was said, and always the same", async () => {
    await using folder = temporaryFolder();
    const entries = [
      tarText("a", 0o600, "x".repeat(700)),
      tarText("empty", 0o644, ""),
      tarText("b", 0o755, "y".repeat(512)),
    ];
    expect(await unpacked(writeTar(entries), folder.path)).toBe(tarSize(entries));
    expect(readFileSync(folder.at("a"), "utf8")).toBe("x".repeat(700));
    expect([statSync(folder.at("a")).mode & 0o777, statSync(folder.at("b")).mode & 0o777]).toEqual([0o600, 0o755]);
    expect(statSync(folder.at("empty")).size).toBe(0);
    const [one, two] = [await Array.fromAsync(writeTar(entries)), await Array.fromAsync(writeTar(entries))];
    expect(Buffer.concat(one).equals(Buffer.concat(two))).toBe(true);
  });

  test("with the agent's image holds the program with its libraries, and says who it runs as", async () => {
    await using folder = temporaryFolder();
    // any program with libraries will do
    const path = Bun.which("true") ?? "/bin/true";
    const image = await makeImage({ path, size: statSync(path).size, sha256: "" }, "1.2.3", "x64");
    expect(image.tag).toBe("orion-agent:1.2.3");
    expect(await unpacked(image.stream(), folder.path)).toBe(image.size);
    const [manifest] = JSON.parse(readFileSync(folder.at("manifest.json"), "utf8")) as {
      Config: string;
      Layers: string[];
    }[];
    const text = readFileSync(folder.at(manifest?.Config ?? ""), "utf8");
    expect(image.id).toBe(`sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`);
    const config = JSON.parse(text) as { config: { User: string }; rootfs: { diff_ids: string[] } };
    const layer = readFileSync(folder.at(manifest?.Layers[0] ?? ""));
    expect([config.config.User, config.rootfs.diff_ids]).toEqual([
      "1000:1000",
      [`sha256:${new Bun.CryptoHasher("sha256").update(layer).digest("hex")}`],
    ]);
    const listed = Bun.spawnSync(["tar", "-tf", folder.at("layer.tar")])
      .stdout.toString()
      .split("\n");
    expect(listed).toContain("usr/local/bin/orion");
    expect(listed.some((name) => name.includes("libc.so") || name.includes("ld-musl"))).toBe(true);
  });
});

describe("the first report of a new agent", () => {
  function reports() {
    const clock = createTestClock(0);
    const state = {
      version: "2.0.0" as string | null,
      lastSeenMs: 1000 as number | null,
      usedAtMs: null as number | null,
      offered: true,
    };
    const listeners = new Set<(id: string) => void>();
    const reported = createReported(
      {
        get: () => state,
        offeredToken: () => (state.offered ? state : undefined),
        onChange(listener) {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
      clock,
    );
    const control = new AbortController();
    const want = { version: "2.0.0", after: 1000, withinMs: 60_000, signal: control.signal };
    const tell = (change: Partial<typeof state>) => {
      Object.assign(state, change);
      for (const listener of listeners) listener("s1");
    };
    return { clock, control, tell, listeners, done: reported("s1", want) };
  }

  test("counts when it comes with the new token and of the new version", async () => {
    const { tell, done, listeners } = reports();
    tell({ version: "2.0.0", lastSeenMs: 1001 });
    tell({ version: "1.0.0", usedAtMs: 1002 });
    tell({ version: "2.0.0", lastSeenMs: 1003 });
    expect([await done, listeners.size]).toEqual(["in time", 0]);
  });

  test("of another version, or none, is said when the time is over", async () => {
    const other = reports();
    other.tell({ version: "1.0.0", lastSeenMs: 1500, usedAtMs: 1500 });
    other.clock.advance(60_000);
    expect(await other.done).toEqual({ version: "1.0.0" });
    const none = reports();
    none.tell({ version: "1.0.0", lastSeenMs: 1500 });
    none.clock.advance(60_000);
    expect(await none.done).toEqual({ version: null });
  });

  test("counts when the hub's clock was set back meanwhile", async () => {
    // Before, it was waited for in vain until the clock was where it had been.
    const { tell, done } = reports();
    tell({ lastSeenMs: 10, usedAtMs: 10 });
    expect(await done).toBe("in time");
  });

  test("is no longer waited for when its token is rotated or revoked", async () => {
    const { tell, done } = reports();
    tell({ offered: false });
    expect(await done.catch((error: unknown) => (error as Error).message)).toBe(
      "the server's token was rotated or revoked while the agent was being put there",
    );
  });

  test("is no longer waited for when the job is cancelled", async () => {
    const { control, done, listeners } = reports();
    control.abort(new Error("cancelled"));
    expect(await done.catch((error: unknown) => (error as Error).message)).toBe("cancelled");
    expect(listeners.size).toBe(0);
  });
});

/** Not those of this machine, where other tests deploy. */
const atHome = `"$HOME"/${folderName}.*`;

describe("the scripts of a host", () => {
  const folder = "/tmp/it's here";
  const scripts: Readonly<Record<string, string>> = {
    guard: guardScript,
    makeFolder: makeFolder(folder, "binary", "unit", "s1"),
    takeFile: takeFile(folder, "new/orion", "abc", true),
    tryProgram: tryProgram(folder),
    reuseProgram: reuseProgram(folder, "abc"),
    startGuard: startGuard(folder, "docker", "unit"),
    confirmGuard: confirmGuard(folder),
    clearFolders: clearFolders("s1"),
  };
  for (const [name, script] of Object.entries(scripts)) {
    for (const shell of [["sh"], ["busybox", "sh"]]) {
      test.skipIf(Bun.which(shell[0] ?? "") === null)(`${name} is one that ${shell.join(" ")} understands`, () => {
        const read = Bun.spawnSync([...shell, "-n", "-c", script], { stderr: "pipe" });
        expect([read.exitCode, read.stderr.toString()]).toEqual([0, ""]);
      });
    }
  }

  test("take a file whole or leave nothing of it", async () => {
    await using place = temporaryFolder();
    const run = (script: string, stdin = "") =>
      Bun.spawnSync(["sh", "-c", script], { stdin: Buffer.from(stdin), stderr: "pipe" });
    const at = place.at("it's here");
    const sha256 = new Bun.CryptoHasher("sha256").update("whole").digest("hex");
    expect(run(makeFolder(at, "binary", "unit", "s1", atHome)).exitCode).toBe(0);
    expect(run(takeFile(at, "new/x", sha256, false), "whole").exitCode).toBe(0);
    expect([readFileSync(join(at, "new/x"), "utf8"), statSync(at).mode & 0o777]).toEqual(["whole", 0o700]);
    expect(readFileSync(join(at, "method"), "utf8")).toBe("binary\n");
    const cut = run(takeFile(at, "new/x", sha256, false), "who");
    expect([cut.exitCode, cut.stderr.toString()]).toEqual([1, "it did not arrive whole\n"]);
    expect(existsSync(at)).toBe(false);
    run(makeFolder(at, "binary", "unit", "s1", atHome));
    const packed = run(takeFile(at, "new/x", sha256, true), "no gzip");
    expect([packed.exitCode, packed.stderr.toString(), existsSync(at)]).toEqual([
      1,
      expect.stringContaining("not in gzip format"),
      false,
    ]);
  });
});

describe("deployments on one host", () => {
  /** A host of its own: the home folder is where they lie. */
  function hostAt(home: string) {
    return (script: string) => {
      const { exitCode, stdout, stderr } = Bun.spawnSync(["sh", "-c", script], {
        env: { ...process.env, HOME: home },
        stderr: "pipe",
      });
      return { exitCode, said: stdout.toString() + stderr.toString() };
    };
  }

  test("of two servers keep off each other, of one the later clears up after the earlier", async () => {
    // Before, the second one took the first one's work away under its hands.
    await using home = temporaryFolder();
    const run = hostAt(home.path);
    const [one, two] = [home.at(`${folderName}.one`), home.at(`${folderName}.two`)];
    expect(run(makeFolder(one, "docker", "unit", "s1", atHome)).exitCode).toBe(0);
    expect(run(makeFolder(two, "docker", "unit", "s2", atHome))).toEqual({
      exitCode: 1,
      said: "another deployment is under way there\n",
    });
    expect(existsSync(two)).toBe(false);
    const busy = run(clearFolders("s2", atHome));
    expect([busy.exitCode, busy.said]).toEqual([busyCode, `${one} is of another deployment, which goes on\n`]);
    expect([run(clearFolders("s1", atHome)).exitCode, existsSync(one)]).toEqual([0, false]);
    expect(run(makeFolder(two, "docker", "unit", "s2", atHome)).exitCode).toBe(0);
    // its host was turned off: nobody waits for it any more
    writeFileSync(join(two, "waits"), "999999999");
    expect([run(clearFolders("s1", atHome)).exitCode, existsSync(two)]).toEqual([0, false]);
  });

  test("run nothing out of a folder that is another user's, or a link", async () => {
    await using home = temporaryFolder();
    const run = hostAt(home.path);
    const planted = home.at(`${folderName}.planted`);
    mkdirSync(planted);
    writeFileSync(join(planted, "guard.sh"), `touch ${home.at("pwned")}`);
    writeFileSync(join(planted, "confirmed"), "");
    symlinkSync(planted, home.at(`${folderName}.link`));
    if (process.getuid?.() === 0) {
      chownSync(planted, 65534, 65534);
      run(clearFolders("s1", atHome));
      expect([existsSync(home.at("pwned")), existsSync(planted)]).toEqual([false, true]);
      chownSync(planted, 0, 0);
    }
    rmSync(join(planted, "guard.sh"));
    run(clearFolders("s1", atHome));
    expect(lstatSync(home.at(`${folderName}.link`)).isSymbolicLink()).toBe(true);
  });
});

describe("how an agent is put on a host", () => {
  const host: HostFacts = {
    os: "Debian",
    cpu: "x86_64",
    libc: "glibc",
    hostname: "web-1",
    root: true,
    systemd: true,
    docker: "20.10",
    diskFree: 10_000_000,
    agentVersion: null,
    missing: [],
  };
  const rows: readonly (readonly [name: string, got: () => unknown, wanted: string])[] = [
    ["is as a program where systemd runs", () => chooseMethod({}, host), "binary"],
    ["is as a container where it does not", () => chooseMethod({}, { ...host, systemd: false }), "docker"],
    ["is as a container without root", () => chooseMethod({}, { ...host, root: false }), "docker"],
    ["is as a container of a named image", () => chooseMethod({ image: "a/b" }, host), "docker"],
    ["is as was asked", () => chooseMethod({ method: "docker" }, host), "docker"],
  ];
  for (const [name, got, wanted] of rows) test(name, () => expect(got()).toBe(wanted));

  const refused: readonly (readonly [
    name: string,
    change: Partial<HostFacts>,
    method: "binary" | "docker",
    why: string,
  ])[] = [
    ["no engine", { docker: null }, "docker", "there is no Docker engine on the host that this user may use"],
    ["no root", { root: false }, "binary", "the method binary needs root on the host"],
    [
      "no systemd",
      { systemd: false },
      "binary",
      "systemd does not run on the host, so there is nobody to start the agent",
    ],
    ["no gzip", { missing: ["gzip"] }, "binary", "the host lacks gzip"],
  ];
  for (const [name, change, method, why] of refused) {
    test(`is refused where there is ${name}`, () => {
      expect(() => chooseMethod({ method }, { ...host, ...change })).toThrow(why);
    });
  }

  test("is refused where the disk is too full", () => {
    const program = { path: "", size: 1, sha256: "" };
    expect(() => refuseFullDisk(host, program)).toThrow("is too full: 10 MB are free, 17 MB are needed");
    refuseFullDisk({ ...host, diskFree: null }, program);
    refuseFullDisk({ ...host, diskFree: 1e9 }, program);
    expect(describeHost(host)).toBe("Debian, x86_64, glibc; systemd, Docker 20.10; 10 MB free; root; agent: none");
  });
});
