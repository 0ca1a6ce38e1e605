/** What a view consists of: its lines, their counts over time, and what happens meanwhile. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { HistogramAnswer } from "#src/protocol/query-answers.ts";
import { get } from "../../client.ts";
import { events, now as hubNow } from "../../live.ts";
import { type Bars, barsOf, withArrived } from "./bars.ts";
import { type Book, createBook } from "./book.ts";
import { markLine } from "./lines.ts";
import { markOf } from "./mark-of.ts";
import { endsOf } from "./span.ts";
import { type View, filterOf, requestOf } from "./view.ts";

/** The lines of a view; other lines when what it asks for changes. */
export function useBook(
  view: View,
  subject: string,
  asked: boolean,
  onArrived: (arrived: ReadonlyMap<string, number>) => void,
): Book | undefined {
  const [book, setBook] = useState<Book>();
  useEffect(() => {
    if (!asked) return;
    const made = createBook({
      request: requestOf(view, hubNow.peek()),
      tail: view.span.kind === "live" ? filterOf(view) : null,
      at: view.at,
      onArrived,
    });
    setBook(made);
    return () => made.close();
  }, [subject, asked]);
  return book;
}

/** Counts of a view over time, kept current. */
export function useBars(
  view: View,
  subject: string,
  asked: boolean,
): {
  readonly bars: Bars | undefined;
  readonly busy: boolean;
  readonly count: (arrived: ReadonlyMap<string, number>) => void;
} {
  const [bars, setBars] = useState<Bars>();
  const [busy, setBusy] = useState(true);
  const { span } = view;
  useEffect(() => {
    if (!asked) return;
    const cancelled = new AbortController();
    setBusy(true);
    const load = async () => {
      try {
        const path = `/api/logs/histogram?${requestOf(view, hubNow.peek())}`;
        setBars(barsOf(await get<HistogramAnswer>(path, { signal: cancelled.signal })));
      } catch {
        // the lines say what is wrong; without counts there is no picture
      }
      if (!cancelled.signal.aborted) setBusy(false);
    };
    void load();
    return () => cancelled.abort();
  }, [subject, asked]);
  const { current: spanNow } = useLatest(span);
  const count = useMemo(
    () => (arrived: ReadonlyMap<string, number>) => {
      const ms = hubNow.peek();
      setBars((before) => before && withArrived(before, arrived, ms, endsOf(spanNow(), ms).fromMs));
    },
    [],
  );
  return { bars, busy, count };
}

function useLatest<T>(value: T): { readonly current: () => T } {
  const held = useRef(value);
  held.current = value;
  const read = useRef(() => held.current);
  return read;
}

/** Both ends of the picture. */
export function ends(view: View, bars: Bars | undefined): { readonly fromMs: number; readonly toMs: number } {
  const nowMs = hubNow.value;
  const { fromMs, toMs } = endsOf(view.span, nowMs);
  const first = bars === undefined ? undefined : Math.min(...bars.steps.keys());
  const from = fromMs ?? (first !== undefined && Number.isFinite(first) ? first : nowMs - 3_600_000);
  return { fromMs: from, toMs: toMs ?? Math.max(nowMs, from + 1000) };
}

/** What happens meanwhile, between the lines. */
export function useMarks(book: Book | undefined, view: View): void {
  const newest = events.value;
  useEffect(() => {
    if (book === undefined) return;
    const marks = newest.flatMap((event) => markOf(event, view) ?? []);
    if (marks.length > 0) book.add(marks.map(markLine));
  }, [newest]);
}
