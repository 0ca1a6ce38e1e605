/** The room's door: what servers and applications measured, as charts. */
import { timestamp } from "#src/lib/clock.ts";
import type { MetricSeries, MetricsAnswer, MetricsQuery } from "#src/protocol/metrics.ts";
import type { Series, SeriesQuery, SeriesRetention } from "#src/protocol/series.ts";
import { readLabels } from "./application.ts";
import { unitOf } from "./catalogue.ts";
import { drawSeries, planChart, wantsOf } from "./chart.ts";

export { createApplicationMetrics } from "./application.ts";
export { createRecorder } from "./recorder.ts";

const hourMs = 3_600_000;

export type ChartWorld = {
  readonly read: (origin: string, query: SeriesQuery) => readonly Series[];
  readonly retention: SeriesRetention;
  readonly now: () => number;
};

export type Charts = {
  /** What a server or source measured; empty when it is not known. `from` must not be after `to`. */
  readonly chart: (origin: string, query: MetricsQuery) => Omit<MetricsAnswer, "marks">;
};

export function createCharts({ read, retention, now }: ChartWorld): Charts {
  return {
    chart(origin, query) {
      const nowMs = now();
      const toMs = query.to === undefined ? nowMs : Date.parse(query.to);
      const fromMs = query.from === undefined ? toMs - hourMs : Date.parse(query.from);
      const plan = planChart({ fromMs, toMs, stepS: query.step ?? null }, retention, nowMs);
      const { tier, fromS, toS, stepS } = plan;
      const isWanted = wantsOf(query.series);
      const found = read(origin, { tier, fromS, toS, wants: (key) => isWanted(shownName(key)) });
      return {
        from: timestamp(fromS * 1000),
        to: timestamp(toS * 1000),
        step: stepS,
        resolution: tier,
        series: found.map((series) => {
          const { values, spread } = drawSeries(series, plan);
          return {
            ...named(series.key),
            values: [...values],
            ...(spread && { min: [...spread.min], max: [...spread.max] }),
          };
        }),
      };
    },
  };
}

/** What a reader calls a series: its key, or of an application's own metric its name. */
function shownName(key: string): string {
  return unitOf(key.slice(0, (key.indexOf("/") + 1 || key.length + 1) - 1)) === undefined ? readLabels(key).name : key;
}

/** What a key says: `script.cpu/api`, or of an application's own metric its unit and labels. */
function named(key: string): Pick<MetricSeries, "name" | "subject" | "labels" | "unit"> {
  const slash = key.indexOf("/");
  const name = slash === -1 ? key : key.slice(0, slash);
  const rest = slash === -1 ? null : key.slice(slash + 1);
  const unit = unitOf(name);
  return unit === undefined ? readLabels(key) : { name, subject: rest, unit };
}
