/** Metrics of a server for charts: as fine as the screen shows, and again whenever the server has reported or something has happened to it. */
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";

import type { MetricsAnswer } from "#src/protocol/metrics.ts";
import { address, get, sentenceOf } from "../client.ts";
import { events, servers } from "../live.ts";
import { type Span, endsOf } from "./span.ts";

/** Pixels that a value takes; finer than this nobody sees. */
const pixelsEach = 2;
/** A stretch of a day or more changes too little with one report to be loaded again; no stretch is, more often than this. */
const [slowMs, slowAgainMs, fastAgainMs] = [24 * 3_600_000, 300_000, 5000];

export type Metrics = {
  readonly answer: MetricsAnswer | undefined;
  readonly problem: string;
};

/** What `series` (docs/metrics.md) of a server were in `span`; `width` in pixels. What came last stays until newer has come. */
export function useMetrics(serverId: string, span: Span, series: string, width: number): Metrics {
  const [state, setState] = useState<Metrics>({ answer: undefined, problem: "" });
  const [turn, setTurn] = useState(0);
  // the latest report and event that have been told of
  const known = useRef("");
  const again = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const loadedAt = useRef(0);
  const key = JSON.stringify(span);

  useEffect(() => {
    if (width === 0) return;
    clearTimeout(again.current);
    again.current = undefined;
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
    // one that comes late is not the newest by its time
    const newest = events.value.reduce((most, one) => (one.serverId === serverId ? Math.max(most, +one.id) : most), 0);
    const news = `${server?.polled?.at ?? server?.latest?.at ?? ""} ${newest}`;
    if (news === known.current) return;
    known.current = news;
    if (span.kind === "fixed" || again.current !== undefined) return;
    const { fromMs, toMs } = endsOf(span, Date.now());
    const rest = loadedAt.current + (toMs - fromMs >= slowMs ? slowAgainMs : fastAgainMs) - Date.now();
    again.current = setTimeout(
      () => {
        again.current = undefined;
        setTurn((before) => before + 1);
      },
      Math.max(0, rest),
    );
  });
  useEffect(() => () => clearTimeout(again.current), []);

  return state;
}
