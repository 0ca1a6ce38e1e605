/** What README.md and docs/ say of commands, keys and variables is what the program has, no more and no less. */
import { expect, test } from "bun:test";
import { resolve } from "node:path";

import { tree } from "#src/cli/tree.ts";
import { config, environmentNames } from "#src/protocol/config.ts";
import { script } from "#src/protocol/scripts.ts";

import { script as installer } from "./run.ts";

const root = resolve(import.meta.dir, "../..");
const read = (path: string) => Bun.file(resolve(root, path)).text();

/** The first cells of the table below a heading, without quotes. */
async function firstCells(path: string, heading: string): Promise<string[]> {
  const [, below = ""] = (await read(path)).split(`${heading}\n`);
  const [section = ""] = below.split(/^#/m);
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  return rows.map((row) => /^\| `([^`]+)`/.exec(row)?.[1] ?? "");
}

test("the README's table has every command of the program, and only those", async () => {
  const documented = (await firstCells("README.md", "## Commands")).map((cell) => cell.split(" ")[1] ?? "");
  const there = tree.filter((node) => node.hidden !== true).map((node) => node.name);
  expect([...new Set(documented)].sort()).toEqual(there.toSorted());
});

test("config.json is documented key by key", async () => {
  const documented = await firstCells("docs/configuration.md", "## `/etc/orion/config.json`: the agent");
  expect(documented.sort()).toEqual(Object.keys(config.shape).sort());
});

test("scripts.json is documented key by key", async () => {
  const documented = await firstCells("docs/configuration.md", "## `/etc/orion/scripts.json`: what the agent runs");
  expect(documented.sort()).toEqual(Object.keys(script.shape).sort());
});

test("every environment variable of the agent is documented", async () => {
  const documented = await firstCells("docs/configuration.md", "## Environment: the agent");
  const settings = Object.keys(environmentNames).map((name) => `ORION_${name}`);
  const places = ["ORION_DIR", "ORION_CONFIG_DIR", "ORION_RUN_DIR", "ORION_LOG_FILE"];
  expect(documented.sort()).toEqual([...settings, ...places].sort());
});

test("every variable of the hub's settings is documented", async () => {
  const text = await read("docs/configuration.md");
  const named = new Set((await read("src/hub/settings.ts")).match(/\bORION_HUB_[A-Z_]*[A-Z]\b/g));
  for (const name of named) expect(text).toContain(`\`${name}\``);
});

test("every option of install.sh is documented", async () => {
  const help = Bun.spawnSync(["bash", installer, "--help"]).stdout.toString();
  const text = await read("docs/install.md");
  for (const [option] of help.matchAll(/^ {2}--(?!help)[a-z-]+/gm)) expect(text).toContain(option.trim());
});

test("links within the documentation lead somewhere", async () => {
  for (const page of ["README.md", "docs/install.md", "docs/configuration.md", "docs/outliving.md"]) {
    for (const [, target = ""] of (await read(page)).matchAll(/\]\(([^)#]+)\)/g)) {
      if (target.startsWith("http")) continue;
      expect({ page, target, there: await Bun.file(resolve(root, page, "..", target)).exists() }).toEqual({
        page,
        target,
        there: true,
      });
    }
  }
});
