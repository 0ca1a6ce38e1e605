/** What the documentation says of the wizards, the hub's commands and the login is what they have. */
import { expect, test } from "bun:test";
import { resolve } from "node:path";

import type { Command } from "#src/cli/command.ts";
import { setup } from "#src/cli/commands/setup.ts";
import { type Node, tree } from "#src/cli/tree.ts";

const read = (page: string) => Bun.file(resolve(import.meta.dir, "../../../docs", page)).text();

const flagsOf = ({ args }: Command) =>
  Object.entries(args)
    .filter(([, definition]) => definition.type !== "positional")
    .map(([name, definition]) => (definition.type === "boolean" && definition.default === true ? `no-${name}` : name));

test("every flag of orion setup is in the table of setup.md, and no other", async () => {
  const [, table = ""] = (await read("setup.md")).split("## Flags\n");
  const documented = [...table.matchAll(/^\| `--([a-z-]+)/gm)].map(([, name]) => name ?? "");
  // these two are the steps themselves
  expect([...documented, "server", "source"].sort()).toEqual(flagsOf(setup).sort());
});

test("hub.md shows every command of the hub", async () => {
  const text = await read("hub.md");
  const hub = tree.find(({ name }) => name === "hub");
  const walk = (path: string, nodes: readonly Node[]): string[] =>
    nodes.flatMap((node) => [
      ...(node.load === undefined ? [] : [`${path} ${node.name}`]),
      ...walk(`${path} ${node.name}`, node.children ?? []),
    ]);
  for (const command of walk("orion hub", hub?.children ?? [])) expect(text).toContain(command);
});

test("setup.md names every command of servers and the login", async () => {
  const text = await read("setup.md");
  const server = tree.find(({ name }) => name === "server");
  for (const { name } of server?.children ?? []) expect(text).toMatch(new RegExp(`server ${name}|\`${name}\``));
  for (const name of ["login", "logout", "whoami"]) expect(text).toContain(`orion ${name}`);
});

test("links in the new pages lead somewhere", async () => {
  for (const page of ["setup.md", "hub.md"]) {
    for (const [, target = ""] of (await read(page)).matchAll(/\]\(([^)#]+)\)/g)) {
      if (target.startsWith("http")) continue;
      expect([page, target, await Bun.file(resolve(import.meta.dir, "../../../docs", target)).exists()]).toEqual([
        page,
        target,
        true,
      ]);
    }
  }
});
