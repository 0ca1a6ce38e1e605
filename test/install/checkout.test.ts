import { expect, test } from "bun:test";
import { dirname } from "node:path";

import manifest from "../../package.json" with { type: "json" };
import { makePlace, script, systemPath } from "./run.ts";

test("from a checkout it builds the program, without any release", async () => {
  await using place = await makePlace();
  const child = Bun.spawn([script, "--prefix", place.at("usr")], {
    env: {
      PATH: `${dirname(process.execPath)}:${systemPath}`,
      HOME: process.env["HOME"] ?? place.path,
      ORION_DOWNLOAD_URL: "http://127.0.0.1:1",
    },
    cwd: place.path,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect({ code, stderr, stdout }).toEqual({
    code: 0,
    stderr: "",
    stdout: expect.stringContaining(`orion ${manifest.version} is installed: ${place.at("usr/bin/orion")}`),
  });
  expect(await place.list()).toEqual(["usr", "usr/bin", "usr/bin/orion"]);
  expect(
    Bun.spawnSync([place.at("usr/bin/orion"), "--version"])
      .stdout.toString()
      .trim(),
  ).toBe(manifest.version);
}, 120_000);
