/** Metrics of a server for charts: as fine as the screen shows, and again whenever the server has reported. */
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";

import type { MetricsAnswer } from "#src/protocol/metrics.ts";
import { address, get, sentenceOf } from "../client.ts";
import { servers } from "../live.ts";
import { type Span, endsOf } from "./span.ts";

/** Pixels that a value takes; finer than this nobody sees. */
const pixelsEach = 2;
/** A stretch of this length or more changes too little with one report to be loaded again, in milliseconds. */
const slowMs = 24 * 3_600_000;
const slowAgainMs = 300_000;

export type Metrics = {
  readonly answer: MetricsAnswer | undefined;
  readonly problem: string;
};

/** What `series` (docs/metrics.md) of a server were in `span`; `width` in pixels. What came last stays until newer has come. */
export function useMetrics(serverId: string, span: Span, series: string, width: number): Metrics {
  const [state, setState] = useState<Metrics>({ answer: undefined, problem: "" });
  const [turn, setTurn] = useState(0);
  const reported = useRef("");
  const loadedAt = useRef(0);
  const key = JSON.stringify(span);

  useEffect(() => {
    if (width === 0) return;
    const cancelled = new AbortController();
    const { fromMs, toMs } = endsOf(span, Date.now());
    loadedAt.current = Date.now();
    const query = {
      from: new Date(fromMs).toISOString(),
      to: new Date(toMs).toISOString(),
      step: Math.max(1, Math.ceil((toMs - fromMs) / 1000 / (width / pixelsEach))),
      series,
    };
    get<MetricsAnswer>(address("/api/servers/:id/metrics", { id: serverId }, query), { signal: cancelled.signal }).then(
      (answer) => setState({ answer, problem: "" }),
      (error: unknown) => {
        if (!cancelled.signal.aborted) setState((before) => ({ ...before, problem: sentenceOf(error) }));
      },
    );
    return () => cancelled.abort();
  }, [serverId, key, series, width, turn]);

  useSignalEffect(() => {
    const server = servers.value.find(({ id }) => id === serverId);
    const at = server?.polled?.at ?? server?.latest?.at ?? "";
    if (at === reported.current) return;
    const first = reported.current === "";
    reported.current = at;
    if (first || span.kind === "fixed") return;
    const { fromMs, toMs } = endsOf(span, Date.now());
    if (toMs - fromMs >= slowMs && Date.now() - loadedAt.current < slowAgainMs) return;
    setTurn((before) => before + 1);
  });

  return state;
}
