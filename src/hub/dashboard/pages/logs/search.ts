/** A search whose hits are shown as they come, told how far it is, and ended when nobody wants the rest. */
import type { LogMark, SearchEnd, SearchLine, SearchProgress } from "#src/protocol/query-answers.ts";
import { ApiFault, ask } from "../../client.ts";
import { type Line, entryLine, markLine } from "./lines.ts";

export type SearchHandlers = {
  readonly onLines: (lines: readonly Line[]) => void;
  readonly onProgress: (progress: SearchProgress) => void;
};

/**
 * Asks for a page of lines and what happened between them. Resolves with how the search ended.
 * @throws {ApiFault} the hub refused, does not answer, or the search failed on the way
 */
export async function searchLines(
  query: URLSearchParams,
  handlers: SearchHandlers,
  signal: AbortSignal,
): Promise<SearchEnd> {
  const { body } = await ask("GET", `/api/logs?${query}`, { signal, accept: "application/x-ndjson" });
  let end: SearchEnd | undefined;
  let rest = "";
  for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const rows = (rest + text).split("\n");
    rest = rows.pop() ?? "";
    const lines: Line[] = [];
    for (const row of rows) {
      const said = JSON.parse(row) as SearchLine;
      if ("entry" in said) lines.push(entryLine(said.entry));
      else if ("marks" in said) lines.push(...said.marks.marks.map((mark: LogMark) => markLine(mark)));
      else if ("progress" in said) handlers.onProgress(said.progress);
      else if ("end" in said) ({ end } = said);
      else throw new ApiFault(500, said.problem);
    }
    if (lines.length > 0 && !signal.aborted) handlers.onLines(lines);
  }
  if (end === undefined) throw new ApiFault(0, "The search broke off. Check your connection, then try again.");
  return end;
}
