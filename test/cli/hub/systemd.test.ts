/** `orion hub` as a service of systemd. */
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { listenAsSystemd } from "#test/kit/systemd.ts";
import { until } from "#test/kit/wait.ts";

import { main } from "../orion.ts";

setDefaultTimeout(60_000);

describe.skipIf(Bun.which("python3") === null)("a hub under systemd (needs python3)", () => {
  // Before, systemd ended a hub that was copying a large log for a new version, and started it again, for ever.
  test("asks for the time that copies of its databases may take, then says that it serves, and that it stops", async () => {
    await using folder = temporaryFolder();
    mkdirSync(folder.at("data"));
    writeFileSync(folder.at("data/large.db"), "");
    truncateSync(folder.at("data/large.db"), 100 * 1024 * 1024);
    await using systemd = await listenAsSystemd(folder.at("notify"));
    const env = { NOTIFY_SOCKET: folder.at("notify") };
    await using hub = startProgram(
      [process.execPath, main, "--dir", folder.path, "hub", "--port", "0", "--data-dir", folder.at("data")],
      { env },
    );
    await until(() => systemd.received().length === 2, "that it serves");
    // 90 seconds, and a second for five megabytes
    expect(systemd.received()[0]).toBe("EXTEND_TIMEOUT_USEC=110480000");
    expect(systemd.received()[1]).toMatch(/^READY=1\nSTATUS=serves http:/);
    hub.kill("SIGTERM");
    expect(await hub.exited).toBe(0);
    expect(systemd.received()[2]).toBe("STOPPING=1");
  });
});
