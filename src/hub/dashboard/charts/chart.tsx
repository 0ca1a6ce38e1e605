/** One chart: its name, what it says under the cursor or now, and the lines. */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

import { clockTime } from "../format.ts";
import { theme } from "../theme.ts";
import { type Mark, wordsOf } from "./marks.ts";
import { type Line, type Plot, dataOf, marksAt, optionsOf, shapeOf } from "./plot.ts";
import { Summary } from "./summary.tsx";

/** Pixels; reserved from the start, so that nothing jumps when lines come. */
const height = 160;
/** So many lines and their values have room beside the chart's name. */
const fewLines = 3;

const at: Signal<number | null> = signal(null);
/** Which step the cursor is on, in all charts of a page; null: none. */
export const cursor: ReadonlySignal<number | null> = at;

const dark = signal(matchMedia("(prefers-color-scheme: dark)").matches);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => (dark.value = event.matches));

const sync = "server";

export type ChartDoors = {
  readonly onZoom: (fromMs: number, toMs: number) => void;
  /** out of the last zoom */
  readonly onBack: () => void;
  /** some of what happened was clicked on */
  readonly onMarks: (marks: readonly Mark[]) => void;
  /** one of many lines was chosen by its name */
  readonly onPick: (name: string) => void;
};

/** `picked` is the only one shown of many; `waiting`: figures are on their way. */
export function Chart({
  title,
  plot,
  picked = "",
  waiting = false,
  doors,
}: {
  readonly title: string;
  readonly plot: Plot;
  readonly picked?: string;
  readonly waiting?: boolean;
  readonly doors: ChartDoors;
}) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const latest = useRef({ plot, doors });
  latest.current = { plot, doors };
  const [width, setWidth] = useState(0);
  const [near, setNear] = useState<readonly Mark[]>([]);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  const shape = shapeOf(plot);
  const look = `${theme.value} ${dark.value}`;
  useEffect(() => {
    const element = box.current;
    if (element === null || width === 0) return;
    const style = getComputedStyle(element);
    const colours = new Map<string, string>();
    const world = {
      width,
      height,
      sync,
      colour(name: string) {
        const known = colours.get(name) ?? colourOf(style, name);
        colours.set(name, known);
        return known;
      },
      plot: () => latest.current.plot,
      onCursor: (index: number | null) => (at.value = index),
      onZoom: (from: number, to: number) => latest.current.doors.onZoom(from * 1000, to * 1000),
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
    chart.current?.setData(dataOf(plot));
  }, [plot]);

  const lookForMarks = () => {
    const found = chart.current === undefined ? [] : marksAt(chart.current, plot);
    setNear((before) => (before.length === 0 && found.length === 0 ? before : found));
  };
  const many = plot.lines.length > fewLines || plot.omitted > 0 || plot.lines.some(({ name }) => name === picked);
  return (
    <figure class={`chart${near.length > 0 ? " at-mark" : ""}`}>
      <figcaption>
        <h3>{title}</h3>
        {!many && <Legend lines={plot.lines} plot={plot} />}
      </figcaption>
      <div
        class="plot"
        ref={box}
        style={{ height: `${height}px` }}
        onDblClick={doors.onBack}
        onMouseMove={lookForMarks}
        onMouseLeave={() => setNear([])}
        onClick={() => {
          if (near.length > 0) doors.onMarks(near);
        }}
      >
        {near.length > 0 && <Near marks={near} left={chart.current?.cursor.left ?? 0} width={width} />}
        {!waiting && plot.lines.every(({ values }) => values.every((value) => value === null)) && (
          <p class="no-figures">No figures in this time</p>
        )}
      </div>
      {many && <Picks plot={plot} picked={picked} onPick={doors.onPick} />}
      {!waiting && <Summary title={title} plot={plot} />}
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
function Legend({ lines, plot: { unit } }: { readonly lines: readonly Line[]; readonly plot: Plot }) {
  return (
    <ul class="legend">
      {lines.map((line) => (
        <li key={line.name}>
          {lines.length > 1 && (
            <>
              <span class="swatch" style={{ background: `var(${line.colour})` }} />
              <span class="name">{line.name}</span>
            </>
          )}
          <Value line={line} say={unit.say} />
        </li>
      ))}
    </ul>
  );
}

/** As the legend; a name shows that line only. */
function Picks({
  plot,
  picked,
  onPick,
}: {
  readonly plot: Plot;
  readonly picked: string;
  readonly onPick: (name: string) => void;
}) {
  return (
    <>
      <ul class="legend picks">
        {plot.lines.map((line) => (
          <li key={line.name}>
            <button
              type="button"
              aria-pressed={line.name === picked}
              title={line.name === picked ? "Show all" : `Show ${line.name} only`}
              onClick={() => onPick(line.name === picked ? "" : line.name)}
            >
              <span class="swatch" style={{ background: `var(${line.colour})` }} />
              <span class="name">{line.name}</span>
              <Value line={line} say={plot.unit.say} />
            </button>
          </li>
        ))}
      </ul>
      {plot.omitted > 0 && (
        <p class="omitted">
          The {plot.lines.length} largest of {plot.lines.length + plot.omitted}
        </p>
      )}
    </>
  );
}

/** Only this is drawn anew when the cursor moves. */
function Value({ line: { values }, say }: { readonly line: Line; readonly say: (value: number) => string }) {
  const index = cursor.value;
  const value = index === null ? values.findLast((one) => one !== null) : values[index];
  return <b>{value == null ? "–" : say(value)}</b>;
}

/** What the pointer is at, beside it. */
function Near({
  marks,
  left,
  width,
}: {
  readonly marks: readonly Mark[];
  readonly left: number;
  readonly width: number;
}) {
  const shown = marks.slice(0, 4);
  // beside the pointer, on the side where there is more room
  const side =
    left > width / 2 ? { right: `${Math.max(0, width - left - 62 + 10)}px` } : { left: `${left + 62 + 10}px` };
  return (
    <ul class="near" style={side}>
      {shown.map((mark) => (
        <li key={mark.id}>
          {clockTime(mark.at).slice(0, 8)} {wordsOf(mark)}
        </li>
      ))}
      {marks.length > shown.length && <li>and {marks.length - shown.length} more</li>}
    </ul>
  );
}

/** Puts the cursor of all charts at a moment; null: nowhere. */
export function pointAt(ms: number | null): void {
  for (const chart of uPlot.sync(sync).plots) {
    chart.setCursor({ left: ms === null ? -10 : chart.valToPos(ms / 1000, "x"), top: ms === null ? -10 : 1 });
  }
}
