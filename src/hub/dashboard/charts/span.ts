/** The stretch of time that charts show: what the address says. Pure. */

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** Stretches up to now that are offered by a button, in milliseconds. */
export const ranges = {
  "1h": hour,
  "6h": 6 * hour,
  "24h": day,
  "7d": 7 * day,
  "30d": 30 * day,
  "1y": 365 * day,
} as const;
export type RangeName = keyof typeof ranges;
export const rangeNames = Object.keys(ranges) as readonly RangeName[];

/** No chart is asked for less, nor for more. */
const [shortestMs, longestMs] = [minute, 2 * 365 * day];

export type Span =
  | { readonly kind: "live"; readonly name: RangeName }
  | { readonly kind: "fixed"; readonly fromMs: number; readonly toMs: number };

export function readSpan(query: URLSearchParams): Span {
  const [fromMs, toMs] = [Date.parse(query.get("from") ?? ""), Date.parse(query.get("to") ?? "")];
  if (toMs - fromMs >= shortestMs) return { kind: "fixed", fromMs, toMs };
  return { kind: "live", name: rangeNames.find((name) => name === query.get("range")) ?? "1h" };
}

/** The members of an address that say it; what is usual is left out. */
export function writeSpan(span: Span): Readonly<Record<string, string>> {
  if (span.kind === "live") return span.name === "1h" ? {} : { range: span.name };
  return { from: new Date(span.fromMs).toISOString(), to: new Date(span.toMs).toISOString() };
}

/** Both ends. */
export function endsOf(span: Span, nowMs: number): { readonly fromMs: number; readonly toMs: number } {
  return span.kind === "live" ? { fromMs: nowMs - ranges[span.name], toMs: nowMs } : span;
}

/** Between two moments, at least a minute, in whole seconds. */
export function zoomedSpan(fromMs: number, toMs: number): Span {
  const middle = (fromMs + toMs) / 2;
  const half = Math.min(longestMs / 2, Math.max(shortestMs / 2, (toMs - fromMs) / 2));
  return {
    kind: "fixed",
    fromMs: Math.floor((middle - half) / 1000) * 1000,
    toMs: Math.ceil((middle + half) / 1000) * 1000,
  };
}

/** What the buttons beside the charts do. */
export const moves = ["earlier", "out", "in", "later"] as const;
export type Move = (typeof moves)[number];

/** Half a stretch on or back, half or twice as long around its middle; never into the future. */
export function movedSpan(span: Span, move: Move, nowMs: number): Span {
  const { fromMs, toMs } = endsOf(span, nowMs);
  const length = toMs - fromMs;
  const [from, to] = {
    earlier: [fromMs - length / 2, toMs - length / 2],
    later: [fromMs + length / 2, toMs + length / 2],
    in: [fromMs + length / 4, toMs - length / 4],
    out: [fromMs - length / 2, toMs + length / 2],
  }[move] as [number, number];
  const over = Math.max(0, to - nowMs);
  return zoomedSpan(from - over, to - over);
}
