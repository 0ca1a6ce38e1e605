/** For fish: one `complete` line a command, flag and word. */
import { type Flag, type Model, type Offer, namesFrom } from "./model.ts";

export function renderFish({ branches, leaves, globals }: Model): string {
  const lines: string[] = [];
  for (const branch of branches) {
    const when =
      branch.path === ""
        ? "__fish_use_subcommand"
        : `${seen(branch.path)}; and not __fish_seen_subcommand_from ${branch.children.map(({ name }) => name).join(" ")}`;
    for (const { name, summary } of branch.children) {
      lines.push(`complete -c orion -f -n ${quote(when)} -a ${name} -d ${quote(summary)}`);
    }
    for (const flag of branch.flags) lines.push(`complete -c orion -n ${quote(when)} ${flagWords(flag)}`);
  }
  for (const flag of globals) lines.push(`complete -c orion ${flagWords(flag)}`);
  for (const leaf of leaves) {
    const when = quote(seen(leaf.path));
    for (const flag of leaf.flags) lines.push(`complete -c orion -n ${when} ${flagWords(flag)}`);
    for (const word of leaf.words) {
      const words = wordsOf(word);
      if (words !== undefined) lines.push(`complete -c orion -f -n ${when} -a ${words}`);
    }
  }
  return `# fish completion for orion
function __orion_names
  set -l words (commandline -opc)
  set -l at (contains -i -- --dir $words)
  if test -n "$at"
    orion --dir $words[(math $at + 1)] $argv 2>/dev/null
  else
    orion $argv 2>/dev/null
  end
end
${lines.join("\n")}
`;
}

const seen = (path: string): string =>
  path
    .split(" ")
    .map((word) => `__fish_seen_subcommand_from ${word}`)
    .join("; and ");

function flagWords({ long, short, summary, value }: Flag): string {
  const words = [
    `-l ${long.slice(2)}`,
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    `-d ${quote(summary)}`,
  ];
  if (value !== undefined) {
    const offered = wordsOf(value);
    words.push(
      value.kind === "file" || value.kind === "folder" ? "-r -F" : "-x",
      ...(offered === undefined ? [] : [`-a ${offered}`]),
    );
  }
  return words.join(" ");
}

function wordsOf(value: Offer): string | undefined {
  if (value.kind === "list") return quote(value.words.join(" "));
  if (value.kind === "script" || value.kind === "source") return quote(`(__orion_names ${namesFrom[value.kind]})`);
  return undefined;
}

const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
