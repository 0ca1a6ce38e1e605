/** What stands between lines and beyond the first and last: what is left out, what happened, how far the search is. */
import type { Book, BookState, Edge } from "./book.ts";
import { type Line, firstEntry } from "./lines.ts";
import { clockTime, fullTime } from "../../format.ts";
import { markText, toneOfMark } from "./mark-text.ts";
import { comparePlaces } from "./place.ts";
import { stretchWords, widerStretch } from "./span.ts";
import { type View, isFiltered } from "./view.ts";

export function Between({
  line,
  lines,
  hostOf,
  onZoom,
}: {
  readonly line: Exclude<Line, { readonly kind: "entry" }>;
  readonly lines: readonly Line[];
  readonly hostOf: (serverId: string) => string;
  readonly onZoom: (fromMs: number, toMs: number) => void;
}) {
  if (line.kind === "gap") {
    return (
      <p class="between warn">
        <span>
          {line.lines.toLocaleString("en")} {line.lines === 1 ? "line is" : "lines are"} not shown: they came faster
          than anybody reads
        </span>
        <button
          type="button"
          class="link"
          onClick={() => {
            const { fromMs, toMs } = aroundGap(lines, line);
            onZoom(fromMs, toMs);
          }}
        >
          Show them
        </button>
      </p>
    );
  }
  const { mark } = line;
  return (
    <p class={`between ${toneOfMark(mark)}`}>
      <time dateTime={mark.at} title={fullTime(mark.at)}>
        {clockTime(mark.at)}
      </time>
      <span class="said">
        <bdi>{markText(mark)}</bdi> · <bdi>{hostOf(mark.serverId)}</bdi>
      </span>
      <a href={`/events?${eventQuery(mark.serverId, Date.parse(mark.at))}`}>Event</a>
    </p>
  );
}

/** The event and those within a second of it. */
function eventQuery(server: string, ms: number): string {
  const [from, to] = [ms - 1000, ms + 1000].map((one) => new Date(one).toISOString());
  return new URLSearchParams({ server, from: from ?? "", to: to ?? "" }).toString();
}

/** From the line before it to the line after it. */
function aroundGap(lines: readonly Line[], gap: Line): { readonly fromMs: number; readonly toMs: number } {
  const index = lines.findIndex((one) => comparePlaces(one.place, gap.place) >= 0);
  const before = lines[index - 1]?.place.ms ?? gap.place.ms - 1000;
  const after = lines[index + 1]?.place.ms ?? gap.place.ms + 1000;
  return { fromMs: before, toMs: after + 1 };
}

export type EdgeProps = {
  readonly book: Book;
  readonly state: BookState;
  readonly view: View;
  /** shows more time; undefined: the reader chose the time */
  readonly onWider: (() => void) | undefined;
};

/** What is beyond the first line, or the last one. */
export function EdgeText({ book, state, view, onWider, end }: EdgeProps & { readonly end: "older" | "newer" }) {
  const edge: Edge = state[end];
  switch (edge.kind) {
    case "more":
    case "fresh":
      return null;
    case "loading":
      return (
        <>
          <span role="status">{searchText(edge, state)}</span>
          <button type="button" class="link" onClick={() => book.stop(end)}>
            Stop
          </button>
        </>
      );
    case "stopped":
      return (
        <>
          <span>{edge.at === null ? "Stopped" : `Searched back to ${clockTime(edge.at)}`}</span>
          <button type="button" class="link" onClick={() => book.more(end)}>
            Go on
          </button>
        </>
      );
    case "failed":
      return (
        <>
          <span class="bad" role="alert">
            {edge.problem}
          </span>
          <button type="button" class="link" onClick={() => book.more(end)}>
            Try again
          </button>
        </>
      );
    case "none": {
      if (end === "newer") return null;
      const { span } = view;
      return (
        <>
          <span>{beginText(state, view)}</span>
          {span.kind === "live" && span.name !== "all" && onWider !== undefined && (
            <button type="button" class="link" onClick={onWider}>
              {stretchWords[widerStretch(span.name)]}
            </button>
          )}
        </>
      );
    }
  }
}

function beginText({ lines }: BookState, view: View): string {
  const { span } = view;
  const time =
    span.kind === "fixed"
      ? "in this time"
      : span.name === "all"
        ? ""
        : `in the ${stretchWords[span.name].toLowerCase()}`;
  if (firstEntry(lines) === undefined) {
    const what = isFiltered(view) ? "No line matches" : "No lines";
    return `${what}${time === "" ? (isFiltered(view) ? "" : " yet") : ` ${time}`}.`;
  }
  return span.kind === "live" && span.name === "all" ? "This is the first line." : `No earlier lines ${time}.`;
}

function searchText({ progress }: Extract<Edge, { readonly kind: "loading" }>, { lines }: BookState): string {
  if (progress === null) return lines.length === 0 ? "Searching…" : "Loading…";
  return `Searched ${short(progress.lines)} lines, back to ${clockTime(progress.at).slice(0, 8)}…`;
}

function short(count: number): string {
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(count);
}
