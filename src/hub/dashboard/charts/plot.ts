/** What uPlot is told: axes, lines, bands, marks. */
import type uPlot from "uplot";

import type { MetricMark } from "#src/protocol/metrics.ts";

/** How numbers of a chart are written: short on the axis, whole in the legend. */
export type Write = (value: number) => string;

export type Line = {
  readonly name: string;
  readonly values: readonly (number | null)[];
  /** lowest and highest behind each mean */
  readonly spread?: { readonly min: readonly (number | null)[]; readonly max: readonly (number | null)[] } | undefined;
  /** a custom property of style/charts.css */
  readonly colour: string;
};

/** A stretch that was watched by other means than the agent. Seconds since the epoch. */
export type Stretch = { readonly from: number; readonly to: number };

export type Plot = {
  /** beginning of each step, seconds since the epoch */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly marks: readonly MetricMark[];
  readonly stretches: readonly Stretch[];
  /** the top of the axis; null: as high as the values */
  readonly most: number | null;
  readonly write: Write;
};

const axisWidth = 58;
const [lineWidth, thinLine] = [1.5, 1];

/** The data in uPlot's order: times, each line, then each line's highest and lowest. */
export function dataOf({ times, lines }: Plot): uPlot.AlignedData {
  const spreads = lines.flatMap(({ spread }) => (spread === undefined ? [] : [spread.max, spread.min]));
  return [times, ...lines.map(({ values }) => values), ...spreads] as unknown as uPlot.AlignedData;
}

/** Whether a chart can take new data as it is, or has to be made anew. */
export function shapeOf({ lines, most }: Plot): string {
  return JSON.stringify([lines.map(({ name, colour, spread }) => [name, colour, spread !== undefined]), most]);
}

export type PlotWorld = {
  readonly width: number;
  readonly height: number;
  /** the value of a custom property */
  readonly colour: (name: string) => string;
  /** charts that share a cursor */
  readonly sync: string;
  /** the latest of what is drawn beside the lines */
  readonly plot: () => Plot;
  readonly onCursor: (index: number | null) => void;
  readonly onZoom: (from: number, to: number) => void;
};

export function optionsOf(plot: Plot, world: PlotWorld): uPlot.Options {
  const { colour } = world;
  const font = `11px ${colour("--sans")}`;
  const axis = {
    stroke: colour("--faint"),
    font,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  const spread = plot.lines.filter((line) => line.spread !== undefined);
  const hidden = { stroke: "transparent", width: 0, points: { show: false } };
  return {
    width: world.width,
    height: world.height,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: world.sync },
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
      y: false,
    },
    scales: {
      x: { time: true },
      y: { range: (_, __, most) => [0, plot.most ?? (most > 0 ? most * 1.08 : 1)] },
    },
    axes: [
      { ...axis, space: 70, size: 26, values: timesOf },
      { ...axis, size: axisWidth, space: 34, values: (_, splits) => splits.map(plot.write) },
    ],
    series: [
      {},
      ...plot.lines.map((line): uPlot.Series => ({
        label: line.name,
        stroke: colour(line.colour),
        width: lineWidth,
        points: { show: isAlone, size: 3 },
        ...(plot.lines.length === 1 && line.spread === undefined
          ? { fill: mix(colour(line.colour), colour("--panel")) }
          : {}),
      })),
      ...spread.flatMap(() => [hidden, hidden]),
    ],
    bands: spread.map((line, i) => ({
      series: [plot.lines.length + 1 + i * 2, plot.lines.length + 2 + i * 2],
      fill: mix(colour(line.colour), colour("--panel")),
    })),
    hooks: {
      drawClear: [(chart) => drawStretches(chart, world)],
      draw: [(chart) => drawMarks(chart, world)],
      setCursor: [(chart) => world.onCursor(chart.cursor.idx ?? null)],
      setSelect: [
        (chart) => {
          const { left, width } = chart.select;
          if (width < 3) return;
          world.onZoom(chart.posToVal(left, "x"), chart.posToVal(left + width, "x"));
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

/** Values between two gaps would not be seen as a line: they are dots, and there are dots only then. */
function isAlone(chart: uPlot, series: number): boolean {
  const values = chart.data[series] ?? [];
  return values.some((value, i) => value != null && values[i - 1] == null && values[i + 1] == null);
}

const mix = (one: string, other: string) => `color-mix(in srgb, ${one} 14%, ${other})`;

/** Hours, days or months in the viewer's zone, by how far the ticks lie apart. */
function timesOf(_: uPlot, splits: number[], __: number, ___: number, apart: number): string[] {
  return splits.map((seconds, i) => {
    const date = new Date(seconds * 1000);
    const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    if (apart >= 86_400) return day;
    const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    const before = splits[i - 1];
    const changed = before !== undefined && new Date(before * 1000).getDate() !== date.getDate();
    return changed ? day : time;
  });
}

/** Behind the grid: time that was watched over SSH. */
function drawStretches(chart: uPlot, { plot, colour }: PlotWorld): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.fillStyle = `color-mix(in srgb, ${colour("--warn")} 9%, transparent)`;
  for (const { from, to } of plot().stretches) {
    const left = Math.max(bbox.left, chart.valToPos(from, "x", true));
    const right = Math.min(bbox.left + bbox.width, chart.valToPos(to, "x", true));
    if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

/** Over the lines: what happened. */
function drawMarks(chart: uPlot, { plot, colour }: PlotWorld): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.lineWidth = thinLine * devicePixelRatio;
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const { at, type } of plot().marks) {
    const x = chart.valToPos(Date.parse(at) / 1000, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = colour(toneOf(type));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

const badMarks = /crashed|gave-up|died|oom|unhealthy|dropped|silent|failed/;

/** The colour of a mark: bad news, or just news. */
export function toneOf(type: string): "--bad" | "--faint" {
  return badMarks.test(type) ? "--bad" : "--faint";
}
