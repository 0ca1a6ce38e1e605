/** Reading lines back from the hub, and judging whether they are all there. */
import type { LogsPage, StoredEntry } from "#src/protocol/api.ts";

type Hub = { get<T>(path: string): Promise<T> };

/** All entries of a source, oldest first, read page by page; `query` narrows it down. */
export async function readEntries(hub: Hub, source: string, query = ""): Promise<StoredEntry[]> {
  const pages: StoredEntry[][] = [];
  let cursor = "";
  for (;;) {
    const page = await hub.get<LogsPage>(`/api/logs?source=${encodeURIComponent(source)}&limit=1000${query}${cursor}`);
    pages.push(page.entries.toReversed());
    if (page.cursor === null) break;
    cursor = `&cursor=${encodeURIComponent(page.cursor)}`;
  }
  return pages.toReversed().flat();
}

/** The numbers in messages that begin with `line N`, oldest first. Read page by page, nothing else is kept. */
export async function readNumbers(hub: Hub, source: string): Promise<number[]> {
  const pages: number[][] = [];
  let cursor = "";
  for (;;) {
    const page = await hub.get<LogsPage>(`/api/logs?source=${encodeURIComponent(source)}&limit=1000${cursor}`);
    pages.push(page.entries.map(({ message }) => numberOf(message)).toReversed());
    if (page.cursor === null) break;
    cursor = `&cursor=${encodeURIComponent(page.cursor)}`;
  }
  return pages.toReversed().flat();
}

/** The number of the newest entry of a source, 0 when there is none. */
export async function newestNumber(hub: Hub, source: string): Promise<number> {
  const page = await hub.get<LogsPage>(`/api/logs?source=${encodeURIComponent(source)}&limit=1`);
  const [entry] = page.entries;
  return entry === undefined ? 0 : numberOf(entry.message);
}

function numberOf(message: string): number {
  const found = /^line (\d+)\b/.exec(message)?.[1];
  if (found === undefined) throw new Error(`no numbered line: ${message.slice(0, 200)}`);
  return Number(found);
}

export type Verdict = {
  readonly lines: number;
  readonly lost: number;
  readonly repeated: number;
  readonly outOfOrder: number;
  /** the first numbers that are wrong, for a failure's message */
  readonly examples: readonly string[];
};

/** Holds what arrived against the numbers 1 to `count`. */
export function judge(numbers: readonly number[], count: number): Verdict {
  const seen = new Uint32Array(count + 1);
  const examples: string[] = [];
  const say = (what: string): void => void (examples.length < 10 && examples.push(what));
  let outOfOrder = 0;
  let repeated = 0;
  let before = 0;
  for (const number of numbers) {
    if (number > count || number < 1) throw new Error(`line ${number} was never printed`);
    seen[number] = (seen[number] ?? 0) + 1;
    if ((seen[number] ?? 0) > 1) {
      repeated++;
      say(`${number} again after ${before}`);
    } else if (number < before) {
      outOfOrder++;
      say(`${number} after ${before}`);
    }
    before = number;
  }
  let lost = 0;
  for (let number = 1; number <= count; number++) {
    if (seen[number] !== 0) continue;
    lost++;
    say(`${number} is missing`);
  }
  return { lines: numbers.length, lost, repeated, outOfOrder, examples };
}
