/** When the events of a group came: bars over a day, a week, or all that is kept. */
import { useMemo, useState } from "preact/hooks";

import type { ErrorDetail } from "#src/protocol/error-group.ts";
import { fullTime } from "../../format.ts";
import { barsPath } from "../../parts/bars.tsx";
import { counted } from "./words.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Length of a stretch and of a bar, in hours. */
const stretches = [
  { key: "24 h", hours: 24, step: 1 },
  { key: "7 d", hours: 7 * 24, step: 4 },
  { key: "All", hours: null, step: 24 },
] as const;
type StretchKey = (typeof stretches)[number]["key"];

export type Bin = { readonly fromMs: number; readonly toMs: number; readonly count: number };

/** Most bars that are drawn. */
const maxBins = 90;

/** Counts of whole steps that end with the present hour, oldest first. `hours` null: from the first event on. */
export function binsOf(counts: ErrorDetail["hours"], hours: number | null, stepHours: number, nowMs: number): Bin[] {
  const end = (Math.floor(nowMs / hourMs) + 1) * hourMs;
  const oldest = counts.reduce((least, { at }) => Math.min(least, Date.parse(at)), end - hourMs);
  const span = hours === null ? Math.max(dayMs * 2, end - oldest) : hours * hourMs;
  // fewer, longer bars rather than more than there is room for
  const step = Math.max(stepHours, Math.ceil(span / hourMs / maxBins)) * hourMs;
  const bins = Array.from(
    { length: Math.ceil(span / step) },
    (_, i, from = end - (Math.ceil(span / step) - i) * step) => ({
      fromMs: from,
      toMs: from + step,
      count: 0,
    }),
  );
  const first = bins[0]?.fromMs ?? end;
  for (const { at, count } of counts) {
    const bin = bins[Math.floor((Date.parse(at) - first) / step)];
    if (bin !== undefined) bin.count += count;
  }
  return bins;
}

const [width, height] = [600, 56] as const;

export function History({ detail, nowMs }: { readonly detail: ErrorDetail; readonly nowMs: number }) {
  const [chosen, setChosen] = useState<StretchKey>(() =>
    nowMs - Date.parse(detail.lastSeen) < dayMs
      ? "24 h"
      : nowMs - Date.parse(detail.lastSeen) < 7 * dayMs
        ? "7 d"
        : "All",
  );
  const { hours, step } = stretches.find(({ key }) => key === chosen) ?? stretches[0];
  const hour = Math.floor(nowMs / hourMs);
  const bins = useMemo(() => binsOf(detail.hours, hours, step, nowMs), [detail.hours, chosen, hour]);
  const sum = bins.reduce((total, { count }) => total + count, 0);
  const most = bins.reduce((largest, { count }) => Math.max(largest, count), 0);
  const space = bins.length > 60 ? 1 : 2;
  const each = width / bins.length;
  return (
    <div class="history">
      <div class="segments small" role="group" aria-label="Stretch of time">
        {stretches.map(({ key }) => (
          <button key={key} type="button" aria-pressed={key === chosen} onClick={() => setChosen(key)}>
            {key}
          </button>
        ))}
      </div>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${counted(sum, "event")}, at most ${most} in ${step === 1 ? "an hour" : "a bar"}`}
      >
        <path
          d={barsPath(
            bins.map(({ count }) => count),
            width,
            height,
            space,
          )}
        />
        {bins.map(({ fromMs, count }, i) => (
          <rect key={fromMs} x={i * each} y={0} width={each} height={height}>
            <title>{`${fullTime(new Date(fromMs).toISOString())}: ${counted(count, "event")}`}</title>
          </rect>
        ))}
      </svg>
      <p class="ends">
        <span>{label(bins[0]?.fromMs ?? nowMs)}</span>
        <span>
          {counted(sum, "event")}
          {most > 0 && sum !== most && `, at most ${most}`}
        </span>
        <span>now</span>
      </p>
    </div>
  );
}

const label = (ms: number): string =>
  new Date(ms).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
