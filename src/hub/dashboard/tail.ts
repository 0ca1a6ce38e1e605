/** Lines for the live tail: the stream first, then what came before it, so that nothing falls between. */
import { useEffect, useState } from "preact/hooks";

import type { LogsPage, SkippedLines, StoredEntry } from "#src/protocol/api.ts";
import type { Level } from "#src/protocol/log.ts";
import { eachFrame, openStream } from "./stream.ts";

/** Lines that the page holds. */
export const keptLines = 500;
/** Lines from before that it begins with. */
const firstLines = 200;

export type Filter = { readonly q: string; readonly source: string; readonly level: Level | "" };

export type Line =
  | { readonly kind: "entry"; readonly entry: StoredEntry }
  | { readonly kind: "skipped"; readonly id: string; readonly lines: number };

export type Tail = { readonly lines: readonly Line[]; readonly sources: readonly string[] };

/** Follows the entries that `filter` lets through; while `follow` is false the lines stand still. */
export function useTail(filter: Filter, follow: boolean): Tail {
  const [lines, setLines] = useState<readonly Line[]>([]);
  const [sources, setSources] = useState<readonly string[]>([]);
  useEffect(() => setLines([]), [filter]);
  useEffect(() => {
    if (!follow) return;
    let ended = false;
    let current: Line[] = [];
    const known = new Set<string>();
    const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ""));
    const show = eachFrame(() => {
      if (ended) return;
      if (current.length > keptLines) current = current.slice(-keptLines);
      setLines(current);
    });

    function learn(entries: readonly StoredEntry[]): void {
      setSources((before) => {
        const all = new Set(before);
        for (const entry of entries) all.add(entry.source);
        return all.size === before.length ? before : [...all].sort();
      });
    }

    async function loadEarlier(): Promise<void> {
      const response = await fetch(`/api/logs?${query}&limit=${firstLines}`);
      const page = (await response.json()) as LogsPage;
      learn(page.entries);
      const earlier = page.entries.filter((entry) => !known.has(entry.id)).toReversed();
      current = [...earlier.map((entry): Line => ({ kind: "entry", entry })), ...current];
      show();
    }

    const close = openStream(
      () => `/api/logs/tail?${query}`,
      {
        log: (data) => {
          const entry = data as StoredEntry;
          if (!known.has(entry.source)) learn([entry]);
          known.add(entry.id).add(entry.source);
          current.push({ kind: "entry", entry });
          // cut now and then, not at each line
          if (current.length > keptLines * 4) current = current.slice(-keptLines);
          if (known.size > keptLines * 20) known.clear();
          show();
        },
        skipped: (data, id) => {
          current.push({ kind: "skipped", id: `skipped-${id}`, lines: (data as SkippedLines).lines });
          show();
        },
        ready: () => {
          // a reconnection resumed where it was: nothing earlier is missing
          if (current.length > 0 || known.size > 0) return;
          // a failed load leaves an empty start; live lines come all the same
          loadEarlier().catch(() => show());
        },
      },
      () => undefined,
    );
    return () => {
      ended = true;
      close();
    };
  }, [filter, follow]);
  return { lines, sources };
}
