import { describe, expect, test } from "bun:test";

import { until } from "#test/kit/wait.ts";

import { startFakeDaemon, success } from "./fake-daemon.ts";
import { main, orion, shellWords } from "./orion.ts";
import { entry } from "./samples.ts";

const shell = async (line: string, env: Record<string, string> = {}) => {
  const child = Bun.spawn(["bash", "-c", line], {
    stdout: "pipe",
    stderr: "pipe",
    stdin: "ignore",
    env: { PATH: process.env["PATH"] ?? "", TZ: "UTC", ...env },
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { out, err, code };
};

const loud = entry(2, { level: "error", message: "\u001b[31mbad\u001b[0m\u001b[2J" });

describe("orion logs", () => {
  test("prints time, level, source and message, without colours in a pipe", async () => {
    await using daemon = startFakeDaemon(() => success({ entries: [entry(1), loud] }));
    expect(await orion(["--dir", daemon.dir, "logs"], { env: { TZ: "UTC" } })).toEqual({
      code: 0,
      out: "2026-01-01 00:00:00.000  INFO   api-backend  line 1\n2026-01-01 00:00:00.000  ERROR  api-backend  bad\n",
      err: "",
    });
  });

  test("asks for what the flags say", async () => {
    await using daemon = startFakeDaemon(() => success({ entries: [] }));
    await orion([
      "--dir",
      daemon.dir,
      "logs",
      "api",
      "-n",
      "7",
      "--since",
      "2026-01-01T00:00:00Z",
      "--level",
      "warn",
      "--grep",
      "a b",
    ]);
    await orion(["--dir", daemon.dir, "logs"]);
    expect(daemon.requests as unknown[]).toEqual([
      {
        cmd: "logs",
        lines: 7,
        follow: false,
        name: "api",
        since: "2026-01-01T00:00:00.000Z",
        level: "warn",
        grep: "a b",
      },
      { cmd: "logs", lines: 100, follow: false },
    ]);
  });

  test("gives one JSON document, entries as they are", async () => {
    await using daemon = startFakeDaemon(() => success({ entries: [entry(1), loud] }));
    const { out } = await orion(["--dir", daemon.dir, "logs", "--json"]);
    expect(JSON.parse(out)).toEqual({ entries: [entry(1), loud] });
    expect(out.split("\n")).toHaveLength(2);
  });

  test("says when older lines were left out", async () => {
    await using daemon = startFakeDaemon(() => success({ entries: [entry(1)], omitted: 12 }));
    const { err } = await orion(["--dir", daemon.dir, "logs"]);
    expect(err).toBe("12 older lines were left out: the answer would have been too large\n");
  });

  test("names a container's source, the container where it is called otherwise, and leaves the rest to programs", async () => {
    const fields = { container: "shop-odoo-1", containerId: "c0ffee", stream: "stderr" };
    const line = (source: string, more: object) =>
      entry(1, { source, stream: "container", at: "2026-01-01T00:00:00.123456789Z", fields: { ...fields, ...more } });
    const entries = [line("shop/odoo", {}), line("odoo", { container: "odoo" }), line("shop/odoo", { part: 2 })];
    await using daemon = startFakeDaemon(() => success({ entries }));
    const { out } = await orion(["--dir", daemon.dir, "logs"], { env: { TZ: "UTC" } });
    expect(out).toBe(`2026-01-01 00:00:00.123  INFO   shop/odoo (shop-odoo-1)  line 1
2026-01-01 00:00:00.123  INFO   odoo  line 1
2026-01-01 00:00:00.123  INFO   shop/odoo (shop-odoo-1)  line 1  {"part":2}
`);
    expect(JSON.parse((await orion(["--dir", daemon.dir, "logs", "--json"])).out)).toEqual({ entries });
  });

  test("says so when nothing is kept under a name, and where the names are", async () => {
    await using daemon = startFakeDaemon(() => success({ entries: [] }));
    const all = "All names: orion status -q\n";
    expect(await orion(["--dir", daemon.dir, "logs", "odo"])).toEqual({
      code: 0,
      out: "",
      err: `Nothing of odo is kept here. ${all}`,
    });
    const narrowed = await orion(["--dir", daemon.dir, "logs", "odoo", "--level", "error", "--json"]);
    expect(narrowed).toEqual({
      code: 0,
      out: '{"entries":[]}\n',
      err: `Nothing of odoo is kept here that fits. ${all}`,
    });
    expect((await orion(["--dir", daemon.dir, "logs"])).err).toBe("");
  });

  test("has colours on a terminal, none with NO_COLOR, --no-color or a dumb one", async () => {
    await using daemon = startFakeDaemon(() => success({ entries: [loud] }));
    const line = `${shellWords} --dir ${daemon.dir} logs`;
    const onTerminal = async (words: string, env: Record<string, string> = {}) =>
      (await shell(`script -qec "${line} ${words}" /dev/null`, { TERM: "xterm", ...env })).out;
    expect(await onTerminal("")).toContain("\u001b[31mERROR");
    expect(await onTerminal("")).toContain("\u001b[31mbad\u001b[0m");
    expect(await onTerminal("")).not.toContain("\u001b[2J");
    for (const plain of [
      await onTerminal("--no-color"),
      await onTerminal("", { NO_COLOR: "1" }),
      await onTerminal("", { TERM: "dumb" }),
    ]) {
      expect(plain.trim()).toBe("2026-01-01 00:00:00.000  ERROR  api-backend  bad");
    }
  });

  test("ends quietly when its reader has gone", async () => {
    const many = Array.from({ length: 10_000 }, (_, i) => entry(i, { message: "x".repeat(200) }));
    await using daemon = startFakeDaemon(() => success({ entries: many }));
    const run = await shell(`set -o pipefail; ${shellWords} --dir ${daemon.dir} logs -n 10000 | head -1`);
    expect([run.code, run.err, run.out.split("\n").length]).toEqual([0, "", 2]);
  });

  test("gives a slow reader everything", async () => {
    const many = Array.from({ length: 10_000 }, (_, i) => entry(i, { message: "x".repeat(200) }));
    await using daemon = startFakeDaemon(() => success({ entries: many }));
    const run = await shell(`${shellWords} --dir ${daemon.dir} logs -n 10000 | (read -r first; sleep 0.2; wc -l)`);
    expect(run.out.trim()).toBe("9999");
  });
});

describe("orion logs -f", () => {
  test("prints each entry as it comes, one JSON document a line, until the daemon ends", async () => {
    await using daemon = startFakeDaemon(() => [success({ entry: entry(1) }), success({ entry: entry(2) })]);
    const child = Bun.spawn([process.execPath, main, "--dir", daemon.dir, "logs", "-f", "--json"], {
      stdout: "pipe",
      stderr: "pipe",
    });
    let out = "";
    const reading = (async () => {
      for await (const chunk of child.stdout) out += new TextDecoder().decode(chunk);
    })();
    await until(() => out.split("\n").length === 3, "two lines");
    expect(out).toBe(`${JSON.stringify(entry(1))}\n${JSON.stringify(entry(2))}\n`);
    await daemon[Symbol.asyncDispose]();
    expect(await child.exited).toBe(1);
    expect(await new Response(child.stderr).text()).toContain("the daemon ended");
    await reading;
  });

  test("ends quietly when its reader has gone", async () => {
    const many = Array.from({ length: 5000 }, (_, i) => success({ entry: entry(i, { message: "x".repeat(500) }) }));
    await using daemon = startFakeDaemon(() => many);
    const run = await shell(`set -o pipefail; ${shellWords} --dir ${daemon.dir} logs -f | head -2`);
    expect([run.code, run.err, run.out.split("\n").length]).toEqual([0, "", 3]);
  });
});
