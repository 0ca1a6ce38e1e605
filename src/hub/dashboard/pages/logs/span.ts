/** The stretch of time that a log view shows. Pure. */

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** Stretches up to now, in milliseconds; null: from the first line on. */
export const stretches = {
  "15m": 15 * minute,
  "1h": hour,
  "6h": 6 * hour,
  "24h": day,
  "7d": 7 * day,
  "30d": 30 * day,
  all: null,
} as const;
export type StretchName = keyof typeof stretches;
export const stretchNames = Object.keys(stretches) as readonly StretchName[];

export const stretchWords: Readonly<Record<StretchName, string>> = {
  "15m": "Last 15 minutes",
  "1h": "Last hour",
  "6h": "Last 6 hours",
  "24h": "Last 24 hours",
  "7d": "Last 7 days",
  "30d": "Last 30 days",
  all: "All time",
};

export const usualStretch: StretchName = "1h";

/** Live up to now, or fixed: from <= at < to. */
export type LogSpan =
  | { readonly kind: "live"; readonly name: StretchName }
  | { readonly kind: "fixed"; readonly fromMs: number; readonly toMs: number };

export function readSpan(query: URLSearchParams): LogSpan {
  const [fromMs, toMs] = [Date.parse(query.get("from") ?? ""), Date.parse(query.get("to") ?? "")];
  if (toMs > fromMs) return { kind: "fixed", fromMs, toMs };
  return { kind: "live", name: stretchNames.find((name) => name === query.get("range")) ?? usualStretch };
}

/** The next longer one, for who finds nothing in this. */
export function widerStretch(name: StretchName): StretchName {
  return stretchNames[Math.min(stretchNames.indexOf(name) + 1, stretchNames.length - 1)] ?? "all";
}

/** Beginning and end; null: open. */
export function endsOf(span: LogSpan, nowMs: number): { readonly fromMs: number | null; readonly toMs: number | null } {
  if (span.kind === "fixed") return span;
  const ms = stretches[span.name];
  return { fromMs: ms === null ? null : nowMs - ms, toMs: null };
}

/** Between two moments, however close they are. */
export function fixedSpan(fromMs: number, toMs: number): LogSpan {
  const from = Math.floor(Math.min(fromMs, toMs));
  return { kind: "fixed", fromMs: from, toMs: Math.max(from + 1, Math.ceil(Math.max(fromMs, toMs))) };
}
