import { expect, test } from "bun:test";
import { resolve } from "node:path";

import manifest from "../../package.json" with { type: "json" };
import { serveReleases } from "../install/releases.ts";
import { makePlace, pipeInstall } from "../install/run.ts";

const root = resolve(import.meta.dir, "../..");
const platform = process.arch === "arm64" ? "arm64" : "x64";

/** `bun run release` of this machine's platform. */
async function release(outdir: string): Promise<void> {
  const child = Bun.spawn([process.execPath, `${root}/scripts/release.ts`, "--outdir", outdir, platform], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const [said, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new Error(said);
}

test("a release can be checked by its sums, is the same each time, and installs", async () => {
  await using place = await makePlace();
  await release(place.at("one"));
  await release(place.at("two"));
  expect(await place.list()).toEqual(
    ["one", "two"].flatMap((folder) => [folder, `${folder}/SHA256SUMS`, `${folder}/orion-linux-${platform}`]),
  );
  expect(await Bun.$`sha256sum --check SHA256SUMS`.cwd(place.at("one")).text()).toBe(`orion-linux-${platform}: OK\n`);
  expect(await Bun.file(place.at("one/SHA256SUMS")).text()).toBe(await Bun.file(place.at("two/SHA256SUMS")).text());

  await using releases = serveReleases();
  const program = Bun.file(place.at(`one/orion-linux-${platform}`));
  const names = platform === "x64" ? ["x64", "x64-baseline"] : ["arm64"];
  await releases.publish("latest", Object.fromEntries(names.map((name) => [`orion-linux-${name}`, program])));
  const outcome = await pipeInstall({
    args: ["--prefix", place.at("usr")],
    env: { ORION_DOWNLOAD_URL: releases.url },
  });
  expect(outcome).toEqual({
    code: 0,
    stdout: expect.stringContaining(`orion ${manifest.version} is installed: ${place.at("usr/bin/orion")}`),
    stderr: "",
  });
}, 120_000);
