/**
 * Which entries share a block: those of one source when it says enough to be worth a block of its own, the rest of an
 * origin together. So a server with a hundred quiet sources doesn't make a hundred blocks of five lines.
 */
import { type Lines, joinLines, pickLines, sortLines } from "./lines.ts";

/** A source with fewer lines than this shares. */
const ownBlockLines = 512;

/** The entries of one origin, sorted, in groups that are cut into blocks. */
export function regroup(groups: readonly Lines[]): Lines[] {
  const own: Lines[] = [];
  const shared: Lines[] = [];
  for (const group of bySource(groups)) (group.count >= ownBlockLines ? own : shared).push(group);
  if (shared.length > 0) own.push(joinLines(shared));
  return own.map(sortLines);
}

/** Groups of one source each. */
function bySource(groups: readonly Lines[]): Lines[] {
  const found = new Map<string, Lines[]>();
  for (const group of groups) {
    for (const [source, lines] of separate(group)) {
      const known = found.get(source);
      if (known === undefined) found.set(source, [lines]);
      else known.push(lines);
    }
  }
  return [...found.values()].map(joinLines);
}

function separate(group: Lines): [string, Lines][] {
  const { sourceIndex, sources } = group;
  if (sourceIndex === null) return [[sources[0] ?? "", group]];
  const order = sources.map((): number[] => []);
  sourceIndex.forEach((rank, i) => order[rank]?.push(i));
  return sources.map((source, rank) => {
    const own = pickLines(group, Uint32Array.from(order[rank] ?? []));
    return [source, { ...own, sources: [source], sourceIndex: null }];
  });
}

/** Without the sources of which no entry is here. */
export function dropUnusedSources(lines: Lines): Lines {
  const { sourceIndex, sources } = lines;
  if (sourceIndex === null) return lines;
  const used = new Map<number, number>();
  const next = sourceIndex.map((rank) => {
    let own = used.get(rank);
    if (own === undefined) used.set(rank, (own = used.size));
    return own;
  });
  const names = [...used.keys()].map((rank) => sources[rank] ?? "");
  return { ...lines, sources: names, sourceIndex: names.length > 1 ? next : null };
}
