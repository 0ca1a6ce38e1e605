/** A server over time: its own figures, and those of its scripts and containers. */
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import type { MetricMark, MetricSeries, MetricsAnswer } from "#src/protocol/metrics.ts";
import { bytes, fullTime, percent, rate } from "../format.ts";
import { now } from "../live.ts";
import { Notice } from "../parts/notice.tsx";
import { navigate, usePlace } from "../router.ts";
import { Chart, CursorTime } from "./chart.tsx";
import { useMetrics } from "./metrics.ts";
import { type Line, type Plot, type Stretch, toneOf } from "./plot.ts";
import { type RangeName, type Span, endsOf, rangeNames, readSpan, writeSpan, zoomedSpan } from "./span.ts";

/** Lines that one chart can hold and still be read; the rest have the least. */
const mostLines = 8;

const wanted =
  "host.cpu,host.memory.used,host.memory.total,host.disk.used,host.disk.total,host.network.rx,host.network.tx,host.load.*,host.ssh,script.cpu,script.memory,container.cpu,container.memory";

export function ServerCharts({ serverId }: { readonly serverId: string }) {
  const { path, query } = usePlace();
  const span = readSpan(query);
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (box.current !== null) setWidth(Math.min(box.current.clientWidth, 1200));
  }, []);
  const { answer, problem } = useMetrics(serverId, span, wanted, width);
  const plots = useMemo(() => (answer === undefined ? undefined : plotsOf(answer)), [answer]);
  const times = plots?.cpu.times ?? [];

  const show = (next: Span) => {
    const kept = [...query].filter(([name]) => !["range", "from", "to"].includes(name));
    const search = new URLSearchParams([...kept, ...Object.entries(writeSpan(next))]);
    navigate(search.size === 0 ? path : `${path}?${search}`, { keepScroll: true });
  };
  const zoom = (fromMs: number, toMs: number) => show(zoomedSpan(fromMs, toMs));
  const reset = () => {
    if (span.kind === "fixed") show({ kind: "live", name: "1h" });
  };
  const frame = { onZoom: zoom, onReset: reset };
  const many = [
    ["Scripts: CPU", plots?.scriptCpu],
    ["Scripts: memory", plots?.scriptMemory],
    ["Containers: CPU", plots?.containerCpu],
    ["Containers: memory", plots?.containerMemory],
  ] as const;
  return (
    <section aria-label="Charts" class="subject" ref={box}>
      <div class="span-tools">
        <div class="segments" role="group" aria-label="Time shown">
          {rangeNames.map((name: RangeName) => (
            <button
              key={name}
              type="button"
              aria-pressed={span.kind === "live" && span.name === name}
              onClick={() => show({ kind: "live", name })}
            >
              {name}
            </button>
          ))}
        </div>
        {span.kind === "fixed" && (
          <>
            <span>
              {fullTime(new Date(span.fromMs).toISOString())} – {fullTime(new Date(span.toMs).toISOString())}
            </span>
            <button type="button" onClick={reset}>
              Back to now
            </button>
          </>
        )}
        <CursorTime times={times} write={(ms) => fullTime(new Date(ms).toISOString())} />
      </div>
      {problem !== "" && <Notice tone="bad">{problem}</Notice>}
      <Marks marks={answer?.marks ?? []} ends={endsOf(span, now.peek())} />
      <div class="charts">
        <Chart title="CPU" plot={plots?.cpu} {...frame} />
        <Chart title="Memory" plot={plots?.memory} {...frame} />
        <Chart title="Network" plot={plots?.network} {...frame} />
        <Chart title="Disk" plot={plots?.disk} {...frame} />
        <Chart title="Load" plot={plots?.load} {...frame} />
        {many.map(
          ([title, plot]) =>
            plot !== undefined && plot.lines.length > 0 && <Chart key={title} title={title} plot={plot} {...frame} />,
        )}
      </div>
    </section>
  );
}

/** What happened in the stretch, in a row above the charts; the lines of the same colour go through all of them. */
function Marks({
  marks,
  ends,
}: {
  readonly marks: readonly MetricMark[];
  readonly ends: { readonly fromMs: number; readonly toMs: number };
}) {
  return (
    <ol class="marks" aria-label="What happened">
      {marks.map(({ id, at, type, subject }) => {
        const share = (Date.parse(at) - ends.fromMs) / (ends.toMs - ends.fromMs);
        const told = `${type}${subject === null ? "" : ` ${subject}`}, ${fullTime(at)}`;
        return (
          <li key={id} style={{ left: `${(share * 100).toFixed(2)}%` }}>
            <a
              class={toneOf(type) === "--bad" ? "bad" : ""}
              href={`/events?at=${encodeURIComponent(id)}`}
              title={told}
              aria-label={told}
            />
          </li>
        );
      })}
    </ol>
  );
}

type Plots = Readonly<
  Record<
    "cpu" | "memory" | "disk" | "network" | "load" | "scriptCpu" | "scriptMemory" | "containerCpu" | "containerMemory",
    Plot
  >
>;

/** The charts of an answer. */
export function plotsOf({ from, step, series, marks }: MetricsAnswer): Plots {
  const startS = Date.parse(from) / 1000;
  const steps = series.reduce((most, { values }) => Math.max(most, values.length), 0);
  const times = Array.from({ length: steps }, (_, i) => startS + i * step);
  const find = (name: string) => series.find((one) => one.name === name);
  const most = (name: string) => {
    const known = (find(name)?.values ?? []).filter((value) => value !== null);
    return known.length === 0 ? null : Math.max(...known);
  };
  const stretches = stretchesOf(find("host.ssh"), times, step);
  const own = marks.filter(({ subject }) => subject === null);
  const plot = (lines: readonly Line[], over: Partial<Plot>): Plot => ({
    times,
    lines,
    marks: own,
    stretches,
    most: null,
    write: String,
    ...over,
  });
  const only = (name: string, shown: string) => [find(name)].flatMap((one, i) => (one ? [lineOf(one, shown, i)] : []));
  const several = (names: readonly (readonly [name: string, shown: string])[]) =>
    names.flatMap(([name, shown], i) => {
      const one = find(name);
      return one === undefined ? [] : [lineOf(one, shown, i)];
    });
  const each = (name: string) =>
    series
      .filter((one) => one.name === name && one.subject !== null)
      .toSorted((a, b) => sumOf(b) - sumOf(a))
      .slice(0, mostLines)
      .map((one, i) => lineOf(one, one.subject ?? "", i));
  return {
    cpu: plot(only("host.cpu", "CPU"), { most: 100, write: percent }),
    memory: plot(only("host.memory.used", "Memory"), { most: most("host.memory.total"), write: bytes }),
    disk: plot(only("host.disk.used", "Disk"), { most: most("host.disk.total"), write: bytes }),
    network: plot(
      several([
        ["host.network.rx", "received"],
        ["host.network.tx", "sent"],
      ]),
      { write: rate },
    ),
    load: plot(
      several([
        ["host.load.1", "1 min"],
        ["host.load.5", "5 min"],
        ["host.load.15", "15 min"],
      ]),
      { write: (value) => value.toFixed(2) },
    ),
    scriptCpu: plot(each("script.cpu"), { write: percent, marks }),
    scriptMemory: plot(each("script.memory"), { write: bytes, marks }),
    containerCpu: plot(each("container.cpu"), { write: percent, marks }),
    containerMemory: plot(each("container.memory"), { write: bytes, marks }),
  };
}

function lineOf({ values, min, max }: MetricSeries, name: string, index: number): Line {
  const spread = min === undefined || max === undefined ? undefined : { min, max };
  return { name, values, spread, colour: `--line-${(index % mostLines) + 1}` };
}

function sumOf({ values }: MetricSeries): number {
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
