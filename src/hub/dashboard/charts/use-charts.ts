/** The charts of a page: which time they show, what is in them, and what can be done with them. */
import { useMemo, useRef } from "preact/hooks";

import type { Server } from "#src/protocol/api.ts";
import type { MetricsAnswer } from "#src/protocol/metrics.ts";
import { navigate, usePlace } from "../router.ts";
import type { ChartDoors } from "./chart.tsx";
import { type Mark, placeOf } from "./marks.ts";
import { useMetrics } from "./metrics.ts";
import { type Plots, expected, plotsOf, wantedSeries } from "./plots.ts";
import { type Move, type Span, endsOf, movedSpan, readSpan, writeSpan, zoomedSpan } from "./span.ts";

export type Charts = {
  readonly serverId: string;
  readonly span: Span;
  readonly answer: MetricsAnswer | undefined;
  readonly problem: string;
  /** before figures have come, what they will be of */
  readonly plots: Plots;
  /** the script or container that charts of many show alone; empty: all */
  readonly picked: string;
  readonly marks: readonly Mark[];
  readonly doors: ChartDoors;
  readonly show: (span: Span) => void;
  readonly move: (move: Move) => void;
};

/** Members of the address that the charts own. */
const owned = new Set(["range", "from", "to", "only"]);

/** `width` in pixels of the widest chart; `more`: what happened that the API's answer does not know of. */
export function useCharts(server: Server, width: number, more: readonly Mark[]): Charts {
  const serverId = server.id;
  const { path, query } = usePlace();
  const span = readSpan(query);
  const picked = query.get("only") ?? "";
  const before = useRef<readonly Span[]>([]);
  const { answer, problem } = useMetrics(serverId, span, wantedSeries, width);
  const first = useRef(server).current;
  const plots = useMemo(
    () => plotsOf(answer ?? expected(first, endsOf(span, Date.now())), picked, answer === undefined ? [] : more),
    [answer, picked, more],
  );
  const marks = useMemo(() => [...(answer?.marks ?? []), ...more], [answer, more]);

  function go(next: Span, only = picked): void {
    const kept = [...query].filter(([name]) => !owned.has(name));
    const search = new URLSearchParams([...kept, ...Object.entries(writeSpan(next))]);
    if (only !== "") search.set("only", only);
    navigate(search.size === 0 ? path : `${path}?${search}`, { keepScroll: true });
  }
  function zoom(next: Span): void {
    before.current = [...before.current, span];
    go(next);
  }
  return {
    serverId,
    span,
    answer,
    problem,
    plots,
    picked,
    marks,
    show(next) {
      before.current = [];
      go(next);
    },
    move: (move) => zoom(movedSpan(span, move, Date.now())),
    doors: {
      onZoom: (fromMs, toMs) => zoom(zoomedSpan(fromMs, toMs)),
      onBack() {
        const last = before.current.at(-1);
        before.current = before.current.slice(0, -1);
        if (last !== undefined) go(last);
        else if (span.kind === "fixed") go({ kind: "live", name: "1h" });
      },
      onMarks: (found) => navigate(placeOf(serverId, found)),
      onPick: (name) => go(span, name),
    },
  };
}
