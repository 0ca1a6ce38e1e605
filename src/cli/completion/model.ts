/** What a shell may offer where, read from the declarations of the commands. */
import type { ArgDef } from "citty";

import { isRepeatable } from "../arguments.ts";
import { levelNames } from "../commands/log.ts";
import { globalFlags } from "../globals.ts";
import { type Node, tree } from "../tree.ts";

/** What a word may be: one of a list, a script's or any source's name (asked of the daemon), a path, or anything. */
export type Offer =
  | { readonly kind: "list"; readonly words: readonly string[] }
  | { readonly kind: "script" | "source" | "file" | "folder" | "anything" };

/** The commands that print the names which a word may be, one a line. */
export const namesFrom = { script: "script list -q", source: "status -q" } as const;

export type Flag = {
  /** `--level` */
  readonly long: string;
  /** `-n` */
  readonly short: string | undefined;
  readonly summary: string;
  /** undefined: it takes no value */
  readonly value: Offer | undefined;
};

export type Leaf = {
  /** `script add` */
  readonly path: string;
  readonly flags: readonly Flag[];
  /** what each word after the command may be */
  readonly words: readonly Offer[];
  /** the last of them may be given again and again */
  readonly goesOn: boolean;
};

export type Branch = {
  /** "" is the top */
  readonly path: string;
  readonly children: readonly { readonly name: string; readonly summary: string }[];
  /** of the command that it is as well, such as `agent` beside `agent reexec` */
  readonly flags: readonly Flag[];
};

export type Model = {
  readonly branches: readonly Branch[];
  readonly leaves: readonly Leaf[];
  readonly globals: readonly Flag[];
};

/** Loads every command once. */
export async function readModel(): Promise<Model> {
  const branches: Branch[] = [];
  const leaves: Leaf[] = [];
  const walk = async (path: string, nodes: readonly Node[], flags: readonly Flag[]): Promise<void> => {
    const children = nodes.filter((node) => node.hidden !== true);
    const top = path === "" ? [{ name: "help", summary: "show how a command is used" }] : [];
    branches.push({ path, children: [...children.map(({ name, summary }) => ({ name, summary })), ...top], flags });
    for (const node of children) {
      const inner = path === "" ? node.name : `${path} ${node.name}`;
      const leaf = node.load === undefined ? undefined : leafOf(inner, (await node.load()).args);
      if (node.children !== undefined) await walk(inner, node.children, leaf?.flags ?? []);
      else if (leaf !== undefined) leaves.push(leaf);
    }
  };
  await walk("", tree, []);
  return { branches, leaves, globals: globalFlags.map(globalOf) };
}

function leafOf(path: string, args: Readonly<Record<string, ArgDef>>): Leaf {
  const entries = Object.entries(args);
  const words = entries
    .filter(([, definition]) => definition.type === "positional")
    .map(([, definition]) => definition);
  const last = words.at(-1);
  return {
    path,
    flags: entries
      .filter(([, definition]) => definition.type !== "positional")
      .map(([name, definition]) => flagOf(name, definition)),
    words: words.map(offerOf),
    goesOn: last !== undefined && isRepeatable(last),
  };
}

function flagOf(name: string, definition: ArgDef): Flag {
  const negative = definition.type === "boolean" && definition.default === true;
  const alias = "alias" in definition && typeof definition.alias === "string" ? `-${definition.alias}` : undefined;
  return {
    long: `--${negative ? "no-" : ""}${name}`,
    short: alias,
    summary: definition.description ?? "",
    value: definition.type === "boolean" ? undefined : offerOf(definition),
  };
}

function offerOf(definition: ArgDef): Offer {
  if ("options" in definition && definition.options !== undefined) return { kind: "list", words: definition.options };
  const hint = definition.valueHint?.replace(/\.\.\.$/, "");
  if (hint === "level") return { kind: "list", words: levelNames };
  if (hint === "shell") return { kind: "list", words: ["bash", "zsh", "fish"] };
  if (hint === "script" || hint === "source" || hint === "file" || hint === "folder") return { kind: hint };
  return { kind: "anything" };
}

function globalOf(flag: (typeof globalFlags)[number]): Flag {
  return {
    long: `--${flag.name}`,
    short: "short" in flag ? `-${flag.short}` : undefined,
    summary: flag.summary,
    value: "value" in flag ? { kind: "folder" } : undefined,
  };
}
