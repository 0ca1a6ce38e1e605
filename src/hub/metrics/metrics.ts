/** The room's door: what servers and applications measured, as charts. */
import { timestamp } from "#src/lib/clock.ts";
import type { MetricSeries, MetricsAnswer, MetricsQuery } from "#src/protocol/metrics.ts";
import type { Series, SeriesQuery, SeriesRetention } from "#src/protocol/series.ts";
import { applicationPrefix, readLabels } from "./application.ts";
import { unitOf } from "./catalogue.ts";
import { type Plan, drawSeries, planChart, prefixesOf, wantsOf } from "./chart.ts";

export { createApplicationMetrics } from "./application.ts";
export { createRecorder } from "./recorder.ts";

const hourMs = 3_600_000;

export type ChartWorld = {
  readonly read: (origin: string, query: SeriesQuery) => Promise<readonly Series[]>;
  /** of several origins; one without any series has no entry */
  readonly readMany: (
    origins: readonly string[],
    query: SeriesQuery,
  ) => Promise<ReadonlyMap<string, readonly Series[]>>;
  readonly retention: SeriesRetention;
  readonly now: () => number;
};

export type Chart = Omit<MetricsAnswer, "marks">;

export type Charts = {
  /**
   * What a server or source measured; empty when it is not known. `from` must not be after `to`. Rejects with a Fault
   * `unavailable` while the store is away.
   */
  readonly chart: (origin: string, query: MetricsQuery) => Promise<Chart>;
  /** The same of several; one that measured nothing has no entry. */
  readonly charts: (origins: readonly string[], query: MetricsQuery) => Promise<ReadonlyMap<string, Chart>>;
};

export function createCharts({ read, readMany, retention, now }: ChartWorld): Charts {
  function asked(query: MetricsQuery): { readonly plan: Plan; readonly query: SeriesQuery } {
    const nowMs = now();
    const toMs = query.to === undefined ? nowMs : Date.parse(query.to);
    const fromMs = query.from === undefined ? toMs - hourMs : Date.parse(query.from);
    const plan = planChart({ fromMs, toMs, stepS: query.step ?? null }, retention, nowMs);
    const { tier, fromS, toS } = plan;
    const isWanted = wantsOf(query.series);
    const narrowed = prefixesOf(query.series);
    const wants = (key: string) => isWanted(shownName(key));
    // what an application calls its series stands further behind in the key
    const prefixes = narrowed === undefined ? {} : { prefixes: [...narrowed, applicationPrefix] };
    return { plan, query: { tier, fromS, toS, wants, ...prefixes } };
  }

  return {
    async chart(origin, wish) {
      const { plan, query } = asked(wish);
      return chartOf(await read(origin, query), plan);
    },
    async charts(origins, wish) {
      const { plan, query } = asked(wish);
      const found = await readMany(origins, query);
      return new Map([...found].map(([origin, series]) => [origin, chartOf(series, plan)]));
    },
  };
}

function chartOf(found: readonly Series[], plan: Plan): Chart {
  return {
    from: timestamp(plan.fromS * 1000),
    to: timestamp(plan.toS * 1000),
    step: plan.stepS,
    resolution: plan.tier,
    series: found.map((series) => {
      const { values, spread } = drawSeries(series, plan);
      return {
        ...named(series.key),
        values: [...values],
        ...(spread && { min: [...spread.min], max: [...spread.max] }),
      };
    }),
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
