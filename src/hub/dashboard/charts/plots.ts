/** From an answer of the API to the charts of a server. Pure. */
import type { Server } from "#src/protocol/api.ts";
import type { MetricSeries, MetricsAnswer } from "#src/protocol/metrics.ts";
import type { Mark } from "./marks.ts";
import type { Line, Plot, Stretch, Values } from "./plot.ts";
import { units } from "./units.ts";

/** Lines that one chart can hold and still be read; the rest have the least. */
const mostLines = 8;
const mostBands = 3;

const hostSeries = [
  "host.cpu",
  "host.memory.used",
  "host.disk.used",
  "host.network.rx",
  "host.network.tx",
  "host.load.1",
  "host.load.5",
  "host.load.15",
  "host.delivery.buffered",
];
/** What is asked for. */
export const wantedSeries = [
  ...hostSeries,
  "host.memory.total,host.disk.total,host.ssh,script.cpu,script.memory,container.cpu,container.memory",
  "container.network.rx,container.network.tx,container.io.read,container.io.written",
].join(",");

const hostPlots = ["cpu", "memory", "network", "disk", "load", "buffered"] as const;
const otherPlots = [
  "scriptCpu",
  "scriptMemory",
  "containerCpu",
  "containerMemory",
  "containerNetwork",
  "containerIo",
] as const;

export type Plots = Readonly<Record<(typeof hostPlots)[number] | (typeof otherPlots)[number], Plot>>;

/** `picked`: the only script or container to show; empty: all. `more`: what happened that the answer does not know of. */
export function plotsOf(
  { from, to, step, series, marks }: MetricsAnswer,
  picked = "",
  more: readonly Mark[] = [],
): Plots {
  const [startS, endS] = [Date.parse(from) / 1000, Date.parse(to) / 1000];
  const steps = Math.max(0, Math.round((endS - startS) / step));
  const times = Array.from({ length: steps }, (_, i) => startS + i * step);
  const named = (name: string) => series.find((one) => one.name === name);
  const top = (name: string) => {
    const known = (named(name)?.values ?? []).filter((value) => value !== null);
    return known.length === 0 ? null : Math.max(...known);
  };
  const all: readonly Mark[] = [...marks, ...more];
  const own = all.filter(({ subject }) => subject === null);
  const plot = (lines: readonly Line[], over: Pick<Plot, "unit"> & Partial<Plot>): Plot => ({
    from: startS,
    to: endS,
    times,
    lines,
    omitted: 0,
    marks: own,
    stretches: stretchesOf(named("host.ssh"), times, step),
    most: null,
    ...over,
  });
  const host = (...names: readonly (readonly [name: string, shown: string])[]) =>
    names.flatMap(([name, shown], i) => {
      const one = named(name);
      return one === undefined ? [] : [lineOf(one, shown, i)];
    });
  const each = (unit: Plot["unit"], ...names: readonly string[]) => {
    const found = summed(series, names);
    const only = found.some(({ subject }) => subject === picked) ? picked : "";
    // the same colour whether it is shown alone or not, and however the largest change places
    const lines = byName(found.slice(0, mostLines)).map((one, i) => lineOf(one, one.subject ?? "", i));
    const shown = only === "" ? lines : lines.filter(({ name }) => name === only);
    const alone = found.filter(({ subject }) => subject === only).map((one) => lineOf(one, only, 0));
    const drawn = only !== "" && shown.length === 0 ? alone : shown;
    // bands of many lines would lie over one another and hide what they are of
    return plot(drawn.length > mostBands ? drawn.map(({ spread: _, ...line }) => line) : drawn, {
      unit,
      omitted: only === "" ? Math.max(0, found.length - mostLines) : 0,
      marks: all.filter(({ subject }) =>
        found.some((one) => one.subject === subject && (only === "" || subject === only)),
      ),
    });
  };
  return {
    cpu: plot(host(["host.cpu", "CPU"]), { most: 100, unit: units.percent }),
    memory: plot(host(["host.memory.used", "used"]), { most: top("host.memory.total"), unit: units.bytes }),
    disk: plot(host(["host.disk.used", "used"]), { most: top("host.disk.total"), unit: units.bytes }),
    network: plot(host(["host.network.rx", "received"], ["host.network.tx", "sent"]), { unit: units.rate }),
    load: plot(host(["host.load.1", "1 min"], ["host.load.5", "5 min"], ["host.load.15", "15 min"]), {
      unit: units.number,
    }),
    buffered: plot(host(["host.delivery.buffered", "lines"]), { unit: units.count }),
    scriptCpu: each(units.percent, "script.cpu"),
    scriptMemory: each(units.bytes, "script.memory"),
    containerCpu: each(units.percent, "container.cpu"),
    containerMemory: each(units.bytes, "container.memory"),
    containerNetwork: each(units.rate, "container.network.rx", "container.network.tx"),
    containerIo: each(units.rate, "container.io.read", "container.io.written"),
  };
}

/** The answer that is to be expected, without its figures: so that charts take their room before they come. */
export function expected(
  server: Server,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): MetricsAnswer {
  const report = server.polled ?? server.latest;
  const empty = (name: string, subject: string | null = null): MetricSeries => ({
    name,
    subject,
    unit: "1",
    values: [null],
  });
  const each = (kind: string, what: string, subjects: readonly string[]) =>
    subjects.map((subject) => empty(`${kind}.${what}`, subject));
  const scripts = (server.latest?.scripts ?? []).filter(({ cpu }) => cpu !== null).map(({ name }) => name);
  const containers = (report?.containers ?? []).filter(({ cpu }) => cpu !== null).map((one) => one.source ?? one.name);
  return {
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    step: (toMs - fromMs) / 1000,
    resolution: 0,
    series: [
      ...hostSeries.map((name) => empty(name)),
      ...["cpu", "memory"].flatMap((what) => each("script", what, scripts)),
      ...["cpu", "memory", "network.rx", "io.read"].flatMap((what) => each("container", what, containers)),
    ],
    marks: [],
  };
}

/** One series a script or container, the sum of those of these names, the largest first. */
function summed(series: readonly MetricSeries[], names: readonly string[]): MetricSeries[] {
  const bySubject = new Map<string, MetricSeries>();
  for (const one of series) {
    if (one.subject === null || !names.includes(one.name)) continue;
    const before = bySubject.get(one.subject);
    bySubject.set(one.subject, before === undefined ? one : added(before, one));
  }
  return [...bySubject.values()].sort((a, b) => total(b.values) - total(a.values));
}

/** The lowest and highest of two are not those of their sum, so that it has none. */
function added({ min: _, max: __, ...a }: MetricSeries, b: MetricSeries): MetricSeries {
  const values = a.values.map((value, i) => {
    const other = b.values[i] ?? null;
    return value === null ? other : value + (other ?? 0);
  });
  return { ...a, values };
}

function lineOf({ values, min, max }: MetricSeries, name: string, index: number): Line {
  const spread = min === undefined || max === undefined ? undefined : { min, max };
  return { name, values, spread, colour: `--line-${(index % mostLines) + 1}` };
}

const byName = (series: readonly MetricSeries[]): MetricSeries[] =>
  series.toSorted((a, b) => ((a.subject ?? "") < (b.subject ?? "") ? -1 : 1));

function total(values: Values): number {
  return values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

/** Neighbouring steps of which something is known, joined. */
function stretchesOf(series: MetricSeries | undefined, times: readonly number[], step: number): Stretch[] {
  const found: { from: number; to: number }[] = [];
  series?.values.forEach((value, i) => {
    const from = times[i];
    if (value === null || from === undefined) return;
    const last = found.at(-1);
    if (last !== undefined && last.to >= from) last.to = from + step;
    else found.push({ from, to: from + step });
  });
  return found;
}
