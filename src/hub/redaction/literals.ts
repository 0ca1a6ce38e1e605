/** What every match of an expression holds, so that lines without it are passed over. */
import type { RegexNode } from "#src/protocol/query-regex.ts";
import { shortestNeedle } from "./rule.ts";

/** More beginnings than that are no longer cheaper than trying the expression. */
const mostNeedles = 64;

/** Texts in lower case, one of which is in every match; undefined: there is none that is long enough. */
export function needlesOf(node: RegexNode): readonly string[] | undefined {
  switch (node.kind) {
    case "unit":
    case "set":
    case "place":
      return undefined;
    case "repeat":
      return node.min > 0 ? needlesOf(node.part) : undefined;
    case "choice": {
      const all = node.parts.map(needlesOf);
      const flat = all.flatMap((one) => one ?? []);
      return all.includes(undefined) || flat.length > mostNeedles ? undefined : flat;
    }
    case "sequence":
      return best([...runsOf(node.parts).map((run) => [run]), ...node.parts.map(needlesOf)]);
  }
}

/** Letters that stand side by side. */
function runsOf(parts: readonly RegexNode[]): string[] {
  const runs: string[] = [];
  let run = "";
  for (const part of [...parts, undefined]) {
    // two of them mean something else in a needle, and what is not ASCII has upper case of its own
    const plain = part?.kind === "unit" && /^[ -~]$/.test(part.unit) && !/[?<]/.test(part.unit);
    if (plain) run += part.unit.toLowerCase();
    else {
      if (run.length >= shortestNeedle) runs.push(run);
      run = "";
    }
  }
  return runs;
}

/** The one whose shortest text is longest. */
function best(all: readonly (readonly string[] | undefined)[]): readonly string[] | undefined {
  const shortest = (texts: readonly string[]) => Math.min(...texts.map(({ length }) => length));
  return all.filter((texts) => texts !== undefined).toSorted((a, b) => shortest(b) - shortest(a))[0];
}
