/** `orion --help`, `orion <command> --help`, `orion help <command>`. */
import type { ArgDef } from "citty";

import { version } from "#src/protocol/version.ts";

import { isRepeatable } from "./arguments.ts";
import type { Command } from "./command.ts";
import { exitCodes } from "./exit.ts";
import { globalFlags } from "./globals.ts";
import { type Node, tree } from "./tree.ts";

type Row = readonly [string, string];

/** The help of the command at the end of `path`; of everything when it is empty. */
export async function renderHelp(path: readonly Node[]): Promise<string> {
  const node = path.at(-1);
  if (node === undefined) return renderOverview();
  const name = ["orion", ...path.map((step) => step.name)].join(" ");
  return node.load === undefined ? renderGroup(name, node) : renderCommand(name, node, await node.load());
}

function renderOverview(): string {
  const commands = tree.flatMap((node) => rowsOf("", node));
  const codes = `${exitCodes.done} done, ${exitCodes.failed} failed, ${exitCodes.usage} wrong usage, ${exitCodes.noDaemon} no daemon, ${exitCodes.hubRefused} hub refused, ${exitCodes.noHub} hub unreachable`;
  return [
    `orion ${version}: runs, watches and ships what lives on a server`,
    "",
    "Usage: orion <command> [flags]",
    "",
    "Commands",
    ...columns(commands),
    "",
    "Flags of every command",
    ...columns(globalRows()),
    "",
    `Exit codes: ${codes}`,
    "How a command is used: orion help <command>",
    "",
  ].join("\n");
}

function rowsOf(prefix: string, node: Node): Row[] {
  if (node.hidden === true) return [];
  const name = `${prefix}${node.name}`;
  const own: Row = [node.usage === undefined ? name : `${name} ${node.usage}`, node.summary];
  const inner = (node.children ?? []).flatMap((child) => rowsOf(`${name} `, child));
  return node.load === undefined ? inner : [own, ...inner];
}

function renderGroup(name: string, node: Node): string {
  const rows = (node.children ?? []).flatMap((child) => rowsOf("", child));
  return [
    `${name}: ${node.summary}`,
    "",
    `Usage: ${name} <command> [flags]`,
    "",
    "Commands",
    ...columns(rows),
    "",
  ].join("\n");
}

function renderCommand(name: string, node: Node, command: Command): string {
  const entries = Object.entries(command.args);
  const words = entries.filter(([, definition]) => definition.type === "positional");
  const flags = entries.filter(([, definition]) => definition.type !== "positional");
  const inner = (node.children ?? []).flatMap((child) => rowsOf(`${name} `, child));
  const usage = [
    name,
    ...words.map(([key, definition]) => wordUsage(key, definition)),
    ...(flags.length > 0 ? ["[flags]"] : []),
  ];
  const lines = [`${name}: ${node.summary}`, "", `Usage: ${usage.join(" ")}`];
  if (command.about !== undefined) lines.push("", command.about);
  if (words.length > 0)
    lines.push("", "Words", ...columns(words.map(([key, { description = "" }]) => [key, description])));
  if (flags.length > 0) lines.push("", "Flags", ...columns(flags.map(([key, definition]) => flagRow(key, definition))));
  if (inner.length > 0) lines.push("", "Commands", ...columns(inner));
  lines.push("", "Flags of every command", ...columns(globalRows()));
  if (command.examples !== undefined) lines.push("", "Examples", ...command.examples.map((example) => `  ${example}`));
  return [...lines, ""].join("\n");
}

function wordUsage(key: string, definition: ArgDef): string {
  const word = isRepeatable(definition) ? `${key}...` : key;
  return definition.required === false ? `[${word}]` : `<${word}>`;
}

function flagRow(key: string, definition: ArgDef): Row {
  const negative = definition.type === "boolean" && definition.default === true;
  const alias = "alias" in definition && typeof definition.alias === "string" ? `-${definition.alias}, ` : "";
  const value = definition.type === "boolean" ? "" : ` <${definition.valueHint?.replace(/\.\.\.$/, "") ?? "value"}>`;
  const many = isRepeatable(definition) ? " (may be repeated)" : "";
  return [`${alias}--${negative ? "no-" : ""}${key}${value}`, `${definition.description ?? ""}${many}`];
}

function globalRows(): Row[] {
  return globalFlags.map((flag) => {
    const short = "short" in flag ? `-${flag.short}, ` : "";
    const value = "value" in flag ? ` <${flag.value}>` : "";
    return [`${short}--${flag.name}${value}`, flag.summary];
  });
}

/** Two columns; what is too long for the first gets a line of its own. */
function columns(rows: readonly Row[]): string[] {
  const longest = 44;
  const width = Math.min(longest, Math.max(...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) =>
    left.length > width ? [`  ${left}`, `  ${" ".repeat(width)}  ${right}`] : [`  ${left.padEnd(width)}  ${right}`],
  );
}
