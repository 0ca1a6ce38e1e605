import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";

import { type ReleaseFile, fakeRelease, serveReleases } from "./releases.ts";
import { type Outcome, isRoot, makePlace, pipeInstall, script } from "./run.ts";

const withRoot = test.skipIf(!isRoot);

/** A prefix with orion 1.0.0 in it, and a server with 1.2.3 whose files may be replaced. */
async function setUp(files: Readonly<Record<string, ReleaseFile>> = {}) {
  const place = await makePlace();
  const releases = serveReleases();
  await releases.publish("latest", fakeRelease("1.0.0"));
  const prefix = place.at("usr");
  const env = { ORION_DOWNLOAD_URL: releases.url };
  const first = await pipeInstall({ args: ["--prefix", prefix], env });
  if (first.code !== 0) throw new Error(first.stderr);
  const installed = await readFile(`${prefix}/bin/orion`, "utf8");
  await releases.publish("latest", { ...fakeRelease("1.2.3"), ...files });
  return {
    place,
    releases,
    prefix,
    env,
    install: (env_: Readonly<Record<string, string>> = env) => pipeInstall({ args: ["--prefix", prefix], env: env_ }),
    /** One line says why, and the old program is there, whole and alone. */
    async expectUntouched(outcome: Outcome, message: RegExp) {
      expect(outcome.stderr).toMatch(message);
      expect(outcome.stderr.trimEnd().split("\n")).toHaveLength(1);
      expect(outcome.code).toBe(1);
      expect(await place.list()).toEqual(["usr", "usr/bin", "usr/bin/orion"]);
      expect(await readFile(`${prefix}/bin/orion`, "utf8")).toBe(installed);
    },
    async [Symbol.asyncDispose]() {
      await releases[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
}

/** The same answer for the program of every platform. */
function programs(file: ReleaseFile): Record<string, ReleaseFile> {
  return Object.fromEntries(Object.keys(fakeRelease("0.0.0")).map((name) => [name, file]));
}

test("a program whose checksum is wrong is not installed", async () => {
  const sums = Object.keys(fakeRelease("0")).map((name) => `${"0".repeat(64)}  ${name}\n`);
  await using at = await setUp({ SHA256SUMS: sums.join("") });
  await at.expectUntouched(
    await at.install(),
    /is damaged or not genuine \(SHA-256 is [0-9a-f]{64}, should be 0{64}\)/,
  );
});

test("checksums that don't name the program are told", async () => {
  await using at = await setUp({ SHA256SUMS: `${"0".repeat(64)}  orion-linux-sparc\n` });
  await at.expectUntouched(await at.install(), /SHA256SUMS names no checksum for orion-linux-/);
});

test("an HTML page in place of the checksums is told", async () => {
  await using at = await setUp({ SHA256SUMS: "<html>sign in to this network</html>" });
  await at.expectUntouched(await at.install(), /SHA256SUMS names no checksum for orion-linux-/);
});

test("a release that is not there is told with the server's answer", async () => {
  await using at = await setUp();
  const outcome = await pipeInstall({ args: ["--prefix", at.prefix, "--version", "9.9.9"], env: at.env });
  await at.expectUntouched(outcome, /download\/v9\.9\.9\/SHA256SUMS could not be fetched: the server answered 404/);
});

test("a download that breaks off is told", async () => {
  // a server that promises more than it sends, which Bun.serve would not do
  using broken = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n#!/bin/sh\n");
      },
    },
  });
  await using at = await setUp();
  const outcome = await at.install({ ORION_DOWNLOAD_URL: `http://127.0.0.1:${broken.port}` });
  await at.expectUntouched(outcome, /could not be fetched: .*(transfer closed|bytes remaining)/);
});

test("a server that can't be reached is told", async () => {
  await using at = await setUp();
  const gone = Bun.serve({ port: 0, fetch: () => new Response() });
  const { port } = gone;
  await gone.stop(true);
  const outcome = await at.install({ ORION_DOWNLOAD_URL: `http://127.0.0.1:${port}` });
  await at.expectUntouched(outcome, /could not be fetched: .*connect/i);
});

test("a program that does not run on this machine is not installed", async () => {
  await using at = await setUp(programs("#!/bin/sh\necho 'GLIBC_2.99 not found' >&2\nexit 1\n"));
  await at.expectUntouched(await at.install(), /does not run on this machine \(GLIBC_2\.99 not found\)/);
});

test("a program that is killed by the CPU is not installed", async () => {
  await using at = await setUp(programs("#!/bin/sh\nkill -ILL $$\n"));
  await at.expectUntouched(await at.install(), /does not run on this machine/);
});

test("ended in the middle of a download it leaves nothing behind", async () => {
  const asked = Promise.withResolvers<void>();
  const never = Promise.withResolvers<Response>();
  await using at = await setUp(
    programs(() => {
      asked.resolve();
      return never.promise;
    }),
  );
  const sums = Object.keys(fakeRelease("0")).map((name) => `${"0".repeat(64)}  ${name}\n`);
  await at.releases.publish("latest", { SHA256SUMS: sums.join("") });
  const running = Bun.spawn(["bash", script, "--prefix", at.prefix, "--version", "1.2.3"], {
    env: { ...at.env, PATH: process.env["PATH"] ?? "" },
    stdout: "ignore",
    stderr: "pipe",
    detached: true,
  });
  await at.releases.publish("1.2.3", {
    SHA256SUMS: sums.join(""),
    ...programs(() => (asked.resolve(), never.promise)),
  });
  await Promise.race([asked.promise, running.exited]);
  process.kill(-running.pid, "SIGTERM");
  expect(await running.exited).not.toBe(0);
  never.resolve(new Response());
  expect(await at.place.list()).toEqual(["usr", "usr/bin", "usr/bin/orion"]);
});

test("cut off anywhere, the piped script does nothing", async () => {
  await using at = await setUp();
  const whole = await readFile(script, "utf8");
  const before = at.releases.requests.length;
  const cuts = Array.from({ length: Math.floor(whole.length / 500) }, (_, n) => (n + 1) * 500);
  // the last words, where a cut could leave a call of `main` that misses its arguments
  cuts.push(...Array.from({ length: 40 }, (_, n) => whole.length - 2 - n));
  for (const cut of cuts) {
    const outcome = await pipeInstall({
      args: ["--prefix", at.place.at("cut")],
      env: at.env,
      text: whole.slice(0, cut),
    });
    if (cut > whole.indexOf("\n{\n") + 2) expect({ cut, failed: outcome.code !== 0 }).toEqual({ cut, failed: true });
    expect(outcome.stdout).toBe("");
  }
  expect(at.releases.requests.length).toBe(before);
  expect(await at.place.list()).toEqual(["usr", "usr/bin", "usr/bin/orion"]);
}, 30_000);

test("what follows the script on its standard input is neither read nor run", async () => {
  await using at = await setUp();
  const text = `${await readFile(script, "utf8")}\ntouch ${at.place.at("ran")}\n`;
  const outcome = await pipeInstall({ args: ["--prefix", at.prefix], env: at.env, text });
  expect(outcome.stdout).toContain("orion 1.2.3 is installed");
  expect(await at.place.list()).toEqual(["usr", "usr/bin", "usr/bin/orion"]);
});

test("a folder where the binary should be is told", async () => {
  await using at = await setUp();
  await Bun.$`mkdir -p ${at.place.at("odd/bin/orion")}`.quiet();
  const outcome = await pipeInstall({ args: ["--prefix", at.place.at("odd")], env: at.env });
  expect(outcome.stderr).toMatch(/^install\.sh: .*\/odd\/bin\/orion is a folder: move it away first\n$/);
  expect(outcome.code).toBe(1);
});

test("--from-source outside of a checkout is told", async () => {
  await using at = await setUp();
  const outcome = await pipeInstall({ args: ["--prefix", at.prefix, "--from-source"], env: at.env });
  await at.expectUntouched(outcome, /--from-source needs a checkout of Orion/);
});

const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

test("without root it says what to do instead", async () => {
  await using at = await setUp();
  const before = isRoot ? asNobody : [];
  const outcome = await pipeInstall({ env: at.env, before });
  await at.expectUntouched(outcome, /needs root: run it with sudo, or say --prefix ~\/\.local/);
  await at.expectUntouched(await pipeInstall({ args: ["--uninstall"], before }), /needs root: run it with sudo/);
  const hub = await pipeInstall({ args: ["--up", "--hub"], env: { ...at.env, HOME: at.place.path }, before });
  await at.expectUntouched(hub, /--hub installs a service, which needs root/);
});

withRoot("a prefix of somebody else is told (needs root)", async () => {
  await using at = await setUp();
  const outcome = await pipeInstall({ args: ["--prefix", at.prefix], env: at.env, before: asNobody });
  await at.expectUntouched(outcome, /\/usr\/bin can't be written: Permission denied/);
});

/** Root in a container may not mount. */
const withMounts = test.skipIf(!isRoot || Bun.spawnSync(["unshare", "--mount", "true"]).exitCode !== 0);

/** Runs a command in a mount namespace of its own, after `mount …`; what is left in the prefix is printed at the end. */
function mounted(mount: string): string[] {
  return ["unshare", "--mount", "sh", "-c", `${mount} || exit 99\n"$@"\ncode=$?\nls -A "$P/bin"\nexit $code`, "sh"];
}

withMounts("a read-only prefix is told (needs root that may mount)", async () => {
  await using at = await setUp();
  const outcome = await pipeInstall({
    args: ["--prefix", at.prefix],
    env: { ...at.env, P: at.prefix },
    before: mounted('mount --bind "$P" "$P" && mount -o remount,ro,bind "$P"'),
  });
  await at.expectUntouched(outcome, /\/usr\/bin can't be written: Read-only file system/);
});

withMounts("a full disk is told, and what was written is taken away (needs root that may mount)", async () => {
  await using at = await setUp(programs("#!/bin/sh\n".padEnd(3_000_000, "#")));
  const outcome = await pipeInstall({
    args: ["--prefix", at.prefix],
    env: { ...at.env, P: at.prefix },
    before: mounted('mount -t tmpfs -o size=1m tmpfs "$P" && mkdir "$P/bin"'),
  });
  await at.expectUntouched(outcome, /no space is left in .*\/usr\/bin: Orion needs about 120 MB there/);
  // the list of the small disk's folder comes last
  expect(outcome.stdout).toMatch(/^fetching .*\n$/);
});

withMounts("a prefix that forbids programs is told (needs root that may mount)", async () => {
  await using at = await setUp();
  const outcome = await pipeInstall({
    args: ["--prefix", at.prefix],
    env: { ...at.env, P: at.prefix },
    before: mounted('mount -t tmpfs -o noexec tmpfs "$P" && mkdir "$P/bin"'),
  });
  await at.expectUntouched(outcome, /does not run on this machine \(.*Permission denied\)/);
  expect(outcome.stdout).toMatch(/^fetching .*\n$/);
});

test("an address that is none is told", async () => {
  await using at = await setUp();
  const outcome = await at.install({ ORION_DOWNLOAD_URL: "not-a-url" });
  await at.expectUntouched(outcome, /not-a-url\/latest\/download\/SHA256SUMS could not be fetched/);
});
