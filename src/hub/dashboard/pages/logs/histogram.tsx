/** Lines per level over the view's time. Drag over a stretch, or click a column, to look at that time only. */
import { useRef, useState } from "preact/hooks";

import { type Level, levels } from "#src/protocol/level.ts";
import { type Bars, pathsOf, sumOf } from "./bars.ts";
import { spanText } from "./span-text.ts";

/** Pixels that a pointer moves before it is a drag. */
const leastDrag = 4;

type Drag = { readonly from: number; readonly to: number };

export function Histogram({
  bars,
  fromMs,
  toMs,
  busy,
  onZoom,
}: {
  /** undefined: not counted yet */
  readonly bars: Bars | undefined;
  readonly fromMs: number;
  readonly toMs: number;
  readonly busy: boolean;
  readonly onZoom: (fromMs: number, toMs: number) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const [drag, setDrag] = useState<Drag | null>(null);
  const { paths, most } = bars === undefined ? { paths: [], most: 0 } : pathsOf(bars, fromMs, toMs);
  const stepMs = bars?.stepMs ?? 0;

  /** Share of the width, 0 to 1. */
  const shareOf = (event: PointerEvent) => {
    const rect = box.current?.getBoundingClientRect();
    return rect === undefined ? 0 : Math.min(1, Math.max(0, (event.clientX - rect.left) / rect.width));
  };
  const timeOf = (share: number) => fromMs + share * (toMs - fromMs);
  const stepAt = (share: number) => Math.floor(timeOf(share) / stepMs) * stepMs;

  function release(event: PointerEvent): void {
    if (drag === null) return;
    const width = box.current?.clientWidth ?? 1;
    const to = shareOf(event);
    setDrag(null);
    if (Math.abs(to - drag.from) * width >= leastDrag) return onZoom(timeOf(drag.from), timeOf(to));
    const begin = stepAt(to);
    if (stepMs > 1 && sumOf(bars?.steps.get(begin) ?? {}) > 0) onZoom(begin, begin + stepMs);
  }

  const under = at === null || bars === undefined ? null : stepAt(at);
  const counts = under === null ? undefined : bars?.steps.get(under);
  const share = (part: number) => `${part * 100}%`;
  return (
    <figure class={`histogram${busy ? " busy" : ""}`}>
      <div
        class="columns-over-time"
        ref={box}
        role="img"
        aria-label={summaryOf(bars)}
        onPointerDown={(event) => {
          if (event.button !== 0 || bars === undefined) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag({ from: shareOf(event), to: shareOf(event) });
        }}
        onPointerMove={(event) => {
          setAt(shareOf(event));
          if (drag !== null) setDrag({ ...drag, to: shareOf(event) });
        }}
        onPointerUp={release}
        onPointerCancel={() => setDrag(null)}
        onPointerLeave={() => setAt(null)}
      >
        <svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">
          {paths.map(([level, path]) => (
            <path key={level} class={level} d={path} />
          ))}
        </svg>
        {drag !== null && drag.from !== drag.to && (
          <span
            class="selection"
            style={{ left: share(Math.min(drag.from, drag.to)), width: share(Math.abs(drag.to - drag.from)) }}
          />
        )}
        {at !== null && drag === null && <span class="cursor" style={{ left: share(at) }} />}
      </div>
      <figcaption>
        <span>{edgeText(fromMs)}</span>
        <span class="said">
          {drag !== null && drag.from !== drag.to
            ? spanText(timeOf(Math.min(drag.from, drag.to)), timeOf(Math.max(drag.from, drag.to)))
            : under !== null
              ? `${spanText(under, under + stepMs)} · ${countText(counts)}`
              : bars === undefined
                ? " "
                : `${bars.partial ? "at least " : ""}${countText(totalOf(bars))}${most > 0 ? ` · at most ${most.toLocaleString("en")} in ${stepText(stepMs)}` : ""}`}
        </span>
        <span>{edgeText(toMs)}</span>
      </figcaption>
    </figure>
  );
}

function totalOf({ steps }: Bars): Partial<Record<Level, number>> {
  const total: Partial<Record<Level, number>> = {};
  for (const counts of steps.values()) {
    for (const level of levels) if (counts[level] !== undefined) total[level] = (total[level] ?? 0) + counts[level];
  }
  return total;
}

/** `1,204 lines, 3 error`: all of them, and how many need a look. */
function countText(counts: Partial<Record<Level, number>> = {}): string {
  const sum = sumOf(counts);
  const bad = (["fatal", "error", "warn"] as const)
    .filter((level) => (counts[level] ?? 0) > 0)
    .map((level) => `${(counts[level] ?? 0).toLocaleString("en")} ${level}`);
  return [`${sum.toLocaleString("en")} ${sum === 1 ? "line" : "lines"}`, ...bad].join(", ");
}

function summaryOf(bars: Bars | undefined): string {
  return bars === undefined ? "Lines over time, being counted" : `Lines over time: ${countText(totalOf(bars))}`;
}

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
] as const;

function stepText(ms: number): string {
  const [unit, size] = units.find(([, one]) => ms >= one) ?? ["ms", 1];
  return `${Number((ms / size).toFixed(1))} ${unit}`;
}

function edgeText(ms: number): string {
  const date = new Date(ms);
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (new Date().toDateString() === date.toDateString()) return time;
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${time}`;
}
