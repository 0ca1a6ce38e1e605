/** One chart: its name, what it says under the cursor or now, and the lines. */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

import { theme } from "../theme.ts";
import { type Plot, type Write, dataOf, optionsOf, shapeOf } from "./plot.ts";

/** Pixels; reserved from the start, so that nothing jumps when lines come. */
const height = 150;

/** Which step the cursor is on, in all charts of a page; null: none. */
export const cursor: Signal<number | null> = signal(null);
const dark = signal(matchMedia("(prefers-color-scheme: dark)").matches);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => (dark.value = event.matches));

export type ChartProps = {
  readonly title: string;
  /** undefined: not here yet */
  readonly plot: Plot | undefined;
  /** how the legend writes numbers, where the axis is too short for it */
  readonly say?: Write;
  readonly onZoom: (fromMs: number, toMs: number) => void;
  readonly onReset: () => void;
};

export function Chart({ title, plot, say, onZoom, onReset }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const latest = useRef(plot);
  const zoom = useRef(onZoom);
  latest.current = plot;
  zoom.current = onZoom;
  const [width, setWidth] = useState(0);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  const shape = plot === undefined ? "" : shapeOf(plot);
  const look = `${theme.value} ${dark.value}`;
  useEffect(() => {
    const element = box.current;
    if (element === null || plot === undefined || width === 0) return;
    const style = getComputedStyle(element);
    const world = {
      width,
      height,
      sync: "server",
      colour: (name: string) => colourOf(style, name),
      plot: () => latest.current ?? plot,
      onCursor: (index: number | null) => (cursor.value = index),
      onZoom: (from: number, to: number) => zoom.current(from * 1000, to * 1000),
    };
    const made = (chart.current = new uPlot(optionsOf(plot, world), dataOf(plot), element));
    return () => {
      chart.current = undefined;
      made.destroy();
    };
  }, [shape, look, width === 0]);
  useEffect(() => {
    if (width > 0) chart.current?.setSize({ width, height });
  }, [width]);
  useEffect(() => {
    if (plot !== undefined) chart.current?.setData(dataOf(plot));
  }, [plot]);

  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        {plot !== undefined && <Legend plot={plot} say={say ?? plot.write} />}
      </figcaption>
      <div
        class="plot"
        ref={box}
        style={{ height: `${height}px` }}
        role="img"
        aria-label={`${title}: ${plot === undefined ? "loading" : summaryOf(plot, say ?? plot.write)}`}
        onDblClick={onReset}
      />
    </figure>
  );
}

/** uPlot draws on a canvas, which knows nothing of `light-dark()`: the browser resolves it. */
function colourOf(style: CSSStyleDeclaration, name: string): string {
  const value = style.getPropertyValue(name).trim();
  if (!value.startsWith("light-dark")) return value;
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

/** The values under the cursor; without one, the newest. */
function Legend({ plot, say }: { readonly plot: Plot; readonly say: Write }) {
  const at = cursor.value;
  return (
    <ul class="legend">
      {plot.lines.map(({ name, values, colour }) => {
        const value = at === null ? newest(values) : values[at];
        return (
          <li key={name}>
            {plot.lines.length > 1 && (
              <>
                <span class="swatch" style={{ background: `var(${colour})` }} />
                <span class="name" title={name}>
                  {name}
                </span>
              </>
            )}
            <b>{value == null ? "–" : say(value)}</b>
          </li>
        );
      })}
    </ul>
  );
}

function newest(values: readonly (number | null)[]): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

/** For who can't see it: each line's newest, lowest and highest value. */
function summaryOf({ lines }: Plot, say: Write): string {
  if (lines.length === 0) return "no figures";
  return lines
    .map(({ name, values, spread }) => {
      const known = values.filter((value) => value !== null);
      if (known.length === 0) return `${name} no figures`;
      const least = Math.min(...(spread?.min ?? values).filter((value) => value !== null));
      const most = Math.max(...(spread?.max ?? values).filter((value) => value !== null));
      return `${name} ${say(known.at(-1) ?? 0)} now, between ${say(least)} and ${say(most)}`;
    })
    .join("; ");
}

/** When the cursor is somewhere: which moment that is. */
export function CursorTime({
  times,
  write,
}: {
  readonly times: readonly number[];
  readonly write: (ms: number) => string;
}) {
  const at = (cursor as ReadonlySignal<number | null>).value;
  const seconds = at === null ? undefined : times[at];
  return <span class="moment">{seconds === undefined ? "" : write(seconds * 1000)}</span>;
}
