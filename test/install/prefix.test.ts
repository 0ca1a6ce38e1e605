import { expect, test } from "bun:test";
import { readFile, stat } from "node:fs/promises";

import { fakeRelease, serveReleases } from "./releases.ts";
import { fakePrograms, isRoot, makePlace, onlyPrograms, pipeInstall, systemPath } from "./run.ts";

/** All that install.sh calls on the way to a prefix, but a program that downloads. */
const plainTools = [
  "awk",
  "bash",
  "cat",
  "chmod",
  "cmp",
  "cut",
  "df",
  "dirname",
  "getconf",
  "grep",
  "head",
  "id",
].concat(["ldd", "mkdir", "mv", "rm", "sed", "sha256sum", "sync", "uname"]);

async function setUp(version = "1.2.3", more = "") {
  const place = await makePlace();
  const releases = serveReleases();
  await releases.publish("latest", fakeRelease(version, more));
  const prefix = place.at("usr");
  return {
    place,
    releases,
    prefix,
    binary: `${prefix}/bin/orion`,
    env: { ORION_DOWNLOAD_URL: releases.url },
    async [Symbol.asyncDispose]() {
      await releases[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
}

/** The release that was taken, named by the last line of a fake program. */
async function platformOf(binary: string): Promise<string> {
  return (await readFile(binary, "utf8")).trimEnd().split("\n# ").at(-1) ?? "";
}

test("a prefix gets the binary and nothing else, and the next step is said", async () => {
  await using at = await setUp();
  const outcome = await pipeInstall({ args: ["--prefix", at.prefix], env: at.env });
  expect(outcome).toEqual({
    code: 0,
    stdout: expect.stringContaining(`orion 1.2.3 is installed: ${at.binary}\nNext: ${at.binary} up\n`),
    stderr: "",
  });
  expect(await at.place.list()).toEqual(["usr", "usr/bin", "usr/bin/orion"]);
  expect((await stat(at.binary)).mode & 0o7777).toBe(0o755);
  expect(at.releases.requests).toEqual([
    "/latest/download/SHA256SUMS",
    `/latest/download/orion-linux-${await platformOf(at.binary)}`,
  ]);
});

test("run again it upgrades, and an equal program is left untouched", async () => {
  await using at = await setUp();
  const install = () => pipeInstall({ args: [`--prefix=${at.prefix}`], env: at.env });
  await install();
  const first = await stat(at.binary);
  await install();
  expect((await stat(at.binary)).ino).toBe(first.ino);
  await at.releases.publish("latest", fakeRelease("1.3.0"));
  expect((await install()).stdout).toContain("orion 1.3.0 is installed");
  expect(await at.place.list()).toEqual(["usr", "usr/bin", "usr/bin/orion"]);
});

test("a version is fetched by its name", async () => {
  await using at = await setUp();
  await at.releases.publish("0.9.1", fakeRelease("0.9.1"));
  const outcome = await pipeInstall({ args: ["--prefix", at.prefix, "--version", "v0.9.1"], env: at.env });
  expect(outcome.stdout).toContain("orion 0.9.1 is installed");
  expect(at.releases.requests[0]).toBe("/download/v0.9.1/SHA256SUMS");
});

test("a release that says another version than was asked for is not installed", async () => {
  await using at = await setUp();
  await at.releases.publish("0.9.1", fakeRelease("0.9.2"));
  const outcome = await pipeInstall({ args: ["--prefix", at.prefix, "--version", "0.9.1"], env: at.env });
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toBe(
    "install.sh: version 0.9.1 was asked for, but the download is 0.9.2: nothing was installed\n",
  );
  expect(await at.place.list()).toEqual(["usr", "usr/bin"]);
});

const machines = [
  ["x86_64 with AVX2", { uname: "x86_64", sed: "echo sse4_2 avx2" }, "x64"],
  ["x86_64 without AVX2", { uname: "x86_64", sed: "echo sse4_2 ssse3" }, "x64-baseline"],
  ["x86_64 whose features are hidden", { uname: "x86_64", sed: "true" }, "x64-baseline"],
  ["x86_64 with musl", { uname: "x86_64", sed: "echo sse4_2 avx2", libc: "musl" }, "x64-musl"],
  ["aarch64", { uname: "aarch64", sed: "true" }, "arm64"],
  ["aarch64 with musl", { uname: "arm64", sed: "true", libc: "musl" }, "arm64-musl"],
] as const;

/** Programs that tell of another machine. */
function machine(of: { uname: string; sed: string; libc?: string; bits?: number }): Record<string, string> {
  const musl = of.libc === "musl";
  return {
    uname: `case "$1" in -m) echo ${of.uname};; *) echo Linux;; esac`,
    sed: of.sed,
    getconf: `case "$1" in LONG_BIT) echo ${of.bits ?? 64};; *) ${musl ? "exit 1" : "echo glibc 2.36"};; esac`,
    ldd: musl ? "echo 'musl libc (x86_64)' >&2; exit 1" : "echo 'ldd (GNU libc) 2.36'",
  };
}

for (const [name, facts, platform] of machines) {
  test(`${name} gets ${platform}`, async () => {
    await using at = await setUp();
    const PATH = await fakePrograms(at.place, machine(facts));
    const outcome = await pipeInstall({ args: ["--prefix", at.prefix], env: { ...at.env, PATH } });
    expect(outcome.stderr).toBe("");
    expect(await platformOf(at.binary)).toBe(platform);
  });
}

const refusedMachines = [
  ["a CPU that there is no release for", { uname: "riscv64", sed: "true" }, /no Orion for this CPU \(riscv64\)/],
  ["a CPU without SSE4.2", { uname: "x86_64", sed: "echo sse2" }, /this CPU is too old: it lacks SSE4.2/],
  ["a 32-bit system", { uname: "aarch64", sed: "true", bits: 32 }, /this system is 32-bit/],
] as const;

for (const [name, facts, message] of refusedMachines) {
  test(`${name} is refused in one line`, async () => {
    await using at = await setUp();
    const PATH = await fakePrograms(at.place, machine(facts));
    const outcome = await pipeInstall({ args: ["--prefix", at.prefix], env: { ...at.env, PATH } });
    expectOneLine(outcome, message);
    expect(await at.place.list()).not.toContain("usr/bin/orion");
    expect(at.releases.requests).toEqual([]);
  });
}

test("another system than Linux is refused", async () => {
  await using at = await setUp();
  const PATH = await fakePrograms(at.place, { uname: "echo Darwin" });
  expectOneLine(
    await pipeInstall({ args: ["--prefix", at.prefix], env: { ...at.env, PATH } }),
    /Orion runs on Linux only; this is Darwin/,
  );
});

test.skipIf(Bun.which("wget") === null)("wget does where there is no curl (needs wget)", async () => {
  await using at = await setUp();
  const PATH = await onlyPrograms(at.place, [...plainTools, "wget"]);
  const outcome = await pipeInstall({ args: ["--prefix", at.prefix], env: { ...at.env, PATH } });
  expect(outcome.stderr).toBe("");
  expect(outcome.stdout).toContain("orion 1.2.3 is installed");
});

test("without curl and wget it says so", async () => {
  await using at = await setUp();
  const PATH = await onlyPrograms(at.place, plainTools);
  expectOneLine(
    await pipeInstall({ args: ["--prefix", at.prefix], env: { ...at.env, PATH } }),
    /neither curl nor wget is here/,
  );
});

test("--up as a plain user installs below the home and starts the trial with nothing on stdin", async () => {
  await using at = await setUp("1.2.3", 'echo "started $* with <$(cat)>"');
  const before = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
  const home = at.place.at("home");
  await Bun.$`mkdir ${home} && chmod 0777 ${home}`.quiet();
  const outcome = await pipeInstall({ args: ["--up"], env: { ...at.env, HOME: home }, before });
  expect(outcome).toEqual({
    code: 0,
    stdout: expect.stringMatching(/orion 1\.2\.3 is installed: .*\/home\/\.local\/bin\/orion\nstarted up with <>\n$/),
    stderr: "",
  });
});

test("--uninstall takes the binary out of the prefix, also when it is gone already", async () => {
  await using at = await setUp();
  await pipeInstall({ args: ["--prefix", at.prefix], env: at.env });
  const first = await pipeInstall({ args: ["--uninstall", "--prefix", at.prefix] });
  expect([first.code, first.stderr]).toEqual([0, ""]);
  expect(await at.place.list()).toEqual(["usr", "usr/bin"]);
  const second = await pipeInstall({ args: ["--uninstall", "--prefix", at.prefix] });
  expect([second.code, second.stdout]).toEqual([0, expect.stringContaining("is not there")]);
});

test("a relative prefix and one with a tilde are meant from where one stands", async () => {
  await using at = await setUp();
  await pipeInstall({ args: ["--prefix", "here/"], env: at.env, cwd: at.place.path });
  await pipeInstall({ args: ["--prefix=~/there"], env: { ...at.env, HOME: at.place.path, PATH: systemPath } });
  expect(await at.place.list()).toEqual([
    "here",
    "here/bin",
    "here/bin/orion",
    "there",
    "there/bin",
    "there/bin/orion",
  ]);
});

test("--help tells all options and does nothing", async () => {
  const outcome = await pipeInstall({ args: ["--help"] });
  expect([outcome.code, outcome.stderr]).toEqual([0, ""]);
  for (const option of ["--up", "--hub", "--prefix", "--version", "--from-source", "--uninstall", "--purge"]) {
    expect(outcome.stdout).toContain(`  ${option} `);
  }
});

const wrongUsages: readonly (readonly [readonly string[], RegExp])[] = [
  [["--upp"], /unknown option '--upp'/],
  [["--prefix"], /--prefix needs a folder/],
  [["--version", "../1"], /'..\/1' is not a version/],
  [["--purge"], /--purge goes with --uninstall/],
  [["--uninstall", "--up"], /--uninstall goes with neither --up nor --hub/],
  [["--hub", "--prefix", "/nowhere"], /--hub needs the services/],
];

for (const [args, message] of wrongUsages) {
  test(`wrong usage is told: ${args.join(" ")}`, async () => {
    const outcome = await pipeInstall({ args });
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr.trimEnd().split("\n")).toHaveLength(1);
  });
}

function expectOneLine(outcome: { code: number; stderr: string }, message: RegExp) {
  expect(outcome.stderr).toMatch(message);
  expect(outcome.stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(outcome.code).toBe(1);
}
