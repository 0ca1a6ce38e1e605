/** `orion logs --hub --count` and `--top`: what entries add up to. */
import { levels } from "#src/protocol/log.ts";
import { type HistogramAnswer, histogramAnswer, topAnswer } from "#src/protocol/query-answers.ts";

import { harmless, painter, wantsColours } from "../colour.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { note, print, printJson } from "../output.ts";
import type { Session } from "../session.ts";
import { localTime } from "../units.ts";
import type { HubClient } from "./client.ts";
import type { Filter } from "./tail.ts";

/** Rows of a table at most, and characters of the longest bar. */
const mostRows = 24;
const longestBar = 40;

const cutShort = "It took too long to count all: these are the newest. Ask for less time with --since";

/** Entries over time: a row for each stretch, worse levels named. */
export async function showCounts(hub: HubClient, filter: Filter, session: Session): Promise<ExitCode> {
  const answer = await hub.ask({ path: "/api/logs/histogram", query: { ...filter } }, histogramAnswer);
  if (session.json) await printJson(answer);
  else await print(renderCounts(answer, wantsColours(session)));
  if (answer.partial) await note(cutShort);
  return exitCodes.done;
}

export function renderCounts({ buckets, total }: HistogramAnswer, colours: boolean): string {
  const paint = painter(colours);
  const width = Math.ceil(buckets.length / mostRows);
  const rows = Array.from({ length: Math.ceil(buckets.length / Math.max(1, width)) }, (_, i) => {
    const merged = buckets.slice(i * width, (i + 1) * width);
    const count = (level: string) => merged.reduce((sum, { counts }) => sum + (counts[level] ?? 0), 0);
    const sums = levels.map((level) => ({ level, count: count(level) }));
    return { at: merged[0]?.at ?? "", sums, all: sums.reduce((sum, own) => sum + own.count, 0) };
  });
  const most = Math.max(1, ...rows.map(({ all }) => all));
  const digits = String(most).length;
  const text = rows.map(({ at, sums, all }) => {
    const bad = sums
      .filter(({ level, count }) => count > 0 && levels.indexOf(level) >= levels.indexOf("warn"))
      .map(({ level, count }) => paint(level === "warn" ? "yellow" : "red", `${count} ${level}`));
    // nothing is nothing, and little is not nothing
    const bar = "\u2587".repeat(all === 0 ? 0 : Math.max(1, Math.round((all / most) * longestBar)));
    return `${[paint("dim", localTime(at)), String(all).padStart(digits), bar, ...bad].filter((part) => part !== "").join("  ")}\n`;
  });
  return `${text.join("")}${total} in all\n`;
}

/** The most frequent values of a field, a row each. */
export async function showTop(
  hub: HubClient,
  filter: Filter,
  { field, limit }: { readonly field: string; readonly limit: number },
  session: Session,
): Promise<ExitCode> {
  const query = { ...filter, field, limit: String(Math.min(Math.max(limit, 1), 1000)) };
  const answer = await hub.ask({ path: "/api/logs/top", query }, topAnswer);
  if (session.json) await printJson(answer);
  else {
    const digits = String(answer.values[0]?.count ?? 0).length;
    await print(
      answer.values
        .map(({ value, count }) => `${String(count).padStart(digits)}  ${harmless(value, false)}\n`)
        .join(""),
    );
    if (answer.values.length === 0) await note(`No entry that fits has ${field}`);
  }
  if (answer.partial) await note(cutShort);
  return exitCodes.done;
}
