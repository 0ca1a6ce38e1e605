/** What uPlot is told: axes, lines, bands, marks. */
import type uPlot from "uplot";

import { type Mark, type MarkTone, joinMarks } from "./marks.ts";
import type { Unit } from "./units.ts";

export type Values = readonly (number | null)[];

export type Line = {
  readonly name: string;
  readonly values: Values;
  /** lowest and highest behind each mean */
  readonly spread?: { readonly min: Values; readonly max: Values } | undefined;
  /** a custom property of style/charts.css */
  readonly colour: string;
};

/** A stretch that was watched by other means than the agent. Seconds since the epoch. */
export type Stretch = { readonly from: number; readonly to: number };

export type Plot = {
  /** both ends, seconds since the epoch */
  readonly from: number;
  readonly to: number;
  /** beginning of each step, seconds since the epoch */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  /** lines that there was no room for */
  readonly omitted: number;
  readonly marks: readonly Mark[];
  readonly stretches: readonly Stretch[];
  /** the top of the axis; null: as high as the values */
  readonly most: number | null;
  readonly unit: Unit;
};

const axisWidth = 62;
const [lineWidth, thinLine] = [1.5, 1];
/** Pixels: lines of marks that are nearer to one another are one, and the pointer is at one that is no farther. */
const markApart = 4;
const markReach = 5;

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
  const { unit } = plot;
  const axis = {
    stroke: colour("--faint"),
    font: `11px ${colour("--sans")}`,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  const spread = plot.lines.filter((line) => line.spread !== undefined);
  const hidden = { stroke: "transparent", width: 0, points: { show: false } };
  const fill = (line: Line) => `color-mix(in srgb, ${colour(line.colour)} 14%, transparent)`;
  return {
    width: world.width,
    height: world.height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: world.sync },
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
      y: false,
    },
    scales: {
      x: { time: true, range: () => [world.plot().from, world.plot().to] },
      y: { range: (_, __, most) => [0, plot.most ?? (most > 0 ? most * 1.08 : 1)] },
    },
    axes: [
      { ...axis, space: 70, size: 26, values: timesOf },
      {
        ...axis,
        size: axisWidth,
        space: 30,
        values: (_, splits) => splits.map(unit.axis),
        ...(unit.steps === undefined ? {} : { incrs: [...unit.steps] }),
      },
    ],
    series: [
      {},
      ...plot.lines.map((line): uPlot.Series => ({
        label: line.name,
        stroke: colour(line.colour),
        width: lineWidth,
        points: { show: false, filter: aloneAt, size: 3 },
        ...(plot.lines.length === 1 && line.spread === undefined ? { fill: fill(line) } : {}),
      })),
      ...spread.flatMap(() => [hidden, hidden]),
    ],
    bands: spread.map((line, i) => ({
      series: [plot.lines.length + 1 + i * 2, plot.lines.length + 2 + i * 2],
      fill: fill(line),
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

/** Where values stand between two gaps, which would not be seen as a line: they are dots. null: nowhere. */
function aloneAt(chart: uPlot, series: number): number[] | null {
  const values = chart.data[series] ?? [];
  const found: number[] = [];
  values.forEach((value, i) => {
    if (value != null && values[i - 1] == null && values[i + 1] == null) found.push(i);
  });
  return found.length === 0 ? null : found;
}

/** Hours, days or months in the viewer's zone, by how far the ticks lie apart. */
function timesOf(_: uPlot, splits: number[], __: number, ___: number, apart: number): string[] {
  return splits.map((seconds, i) => {
    const date = new Date(seconds * 1000);
    const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    if (apart >= 86_400) return day;
    const fine = apart < 60 ? ({ second: "2-digit" } as const) : {};
    const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", ...fine });
    const before = splits[i - 1];
    const changed = before !== undefined && new Date(before * 1000).getDate() !== date.getDate();
    return changed ? day : time;
  });
}

/** Behind the grid: time that was watched over SSH. */
function drawStretches(chart: uPlot, { plot, colour }: PlotWorld): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.fillStyle = `color-mix(in srgb, ${colour("--warn")} 12%, transparent)`;
  for (const { from, to } of plot().stretches) {
    const left = Math.max(bbox.left, chart.valToPos(from, "x", true));
    const right = Math.min(bbox.left + bbox.width, chart.valToPos(to, "x", true));
    if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

const markColours: Readonly<Record<MarkTone, string>> = { bad: "--bad", warn: "--warn", quiet: "--faint" };

/** Over the lines: what happened. */
function drawMarks(chart: uPlot, { plot, colour }: PlotWorld): void {
  const { ctx, bbox } = chart;
  const { marks, from, to } = plot();
  const thin = thinLine * devicePixelRatio;
  ctx.save();
  ctx.lineWidth = thin;
  ctx.setLineDash([3 * thin, 3 * thin]);
  for (const { share, tone } of joinMarks(marks, from * 1000, to * 1000, (markApart * devicePixelRatio) / bbox.width)) {
    const x = Math.round(bbox.left + share * bbox.width) + thin / 2;
    ctx.strokeStyle = colour(markColours[tone]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

/** What the pointer is at. */
export function marksAt(chart: uPlot, { marks, from, to }: Plot): readonly Mark[] {
  const { left = -1 } = chart.cursor;
  const width = chart.bbox.width / devicePixelRatio;
  if (left < 0 || width === 0) return [];
  return joinMarks(marks, from * 1000, to * 1000, markApart / width)
    .filter(({ share }) => Math.abs(share * width - left) <= markReach)
    .flatMap((cluster) => cluster.marks);
}
