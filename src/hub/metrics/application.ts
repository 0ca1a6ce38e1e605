/**
 * Metrics that applications send themselves: each series has a name, a unit, and labels that tell it apart. A source may
 * have so many series and no more, since every one of them takes room for a year.
 */
import type { MetricSeries } from "#src/protocol/metrics.ts";
import type { Subject, Template } from "#src/protocol/series.ts";

/** Series of one source. */
export const maxSeriesOfSource = 5000;
/** Of all sources, in memory; beyond it what was known is forgotten and counted anew. */
const maxSeries = 200_000;
/** Text of the labels of one series. */
export const maxLabelsLength = 2000;

/** Nothing is known of these numbers: twelve digits around 1, four significant ones everywhere. */
const scale = { unit: 2 ** -40, bits: 12 };

const prefix = "app";
/** With which all their keys begin. */
export const applicationPrefix = `${prefix}.`;

/** One number at one moment. */
export type ApplicationPoint = {
  readonly name: string;
  readonly unit: string;
  readonly labels: Readonly<Record<string, string>>;
  /** it only grows, and begins again at 0 */
  readonly counter: boolean;
  readonly atMs: number;
  readonly value: number;
};

export type ApplicationMetrics = {
  /** Takes points of a source. @returns how many were not taken, and why the first was not */
  readonly take: (
    sourceId: string,
    points: readonly ApplicationPoint[],
  ) => { readonly refused: number; readonly reason: string };
};

export type ApplicationStore = {
  append(origin: string, atMs: number, subjects: readonly Subject[], values: ArrayLike<number>): boolean;
};

export function createApplicationMetrics(store: ApplicationStore): ApplicationMetrics {
  const sources = new Map<string, Map<string, Subject>>();
  let count = 0;

  function subjectOf(known: Map<string, Subject>, point: ApplicationPoint): Subject | string {
    const labels = JSON.stringify(
      Object.fromEntries(Object.entries(point.labels).sort(([a], [b]) => (a < b ? -1 : 1))),
    );
    const name =
      JSON.stringify([point.name, point.counter ? rateOf(point.unit) : point.unit]).slice(1, -1) + "," + labels;
    const key = `${point.counter ? "counter" : "gauge"} ${name}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    if (name.length > maxLabelsLength) return `its name and labels are longer than ${maxLabelsLength} characters`;
    if (known.size >= maxSeriesOfSource) return `the source has more than ${maxSeriesOfSource} series`;
    const subject = { template: point.counter ? counter : gauge, name };
    known.set(key, subject);
    count++;
    return subject;
  }

  return {
    take(sourceId, points) {
      if (count > maxSeries) {
        sources.clear();
        count = 0;
      }
      const known = sources.get(sourceId) ?? new Map<string, Subject>();
      sources.set(sourceId, known);
      let refused = 0;
      let reason = "";
      const refuse = (number: number, why: string) => {
        if (refused === 0) reason = why;
        refused += number;
      };
      // most exporters send all series of one moment
      const moments = Map.groupBy(points, ({ atMs }) => Math.floor(atMs / 1000));
      for (const [second, group] of [...moments].sort(([a], [b]) => a - b)) {
        const subjects: Subject[] = [];
        const values: number[] = [];
        for (const point of group) {
          const subject = subjectOf(known, point);
          if (typeof subject === "string") {
            refuse(1, `${point.name}: ${subject}`);
            continue;
          }
          subjects.push(subject);
          values.push(point.value);
        }
        if (subjects.length > 0 && !store.append(sourceId, second * 1000, subjects, values)) {
          refuse(subjects.length, "they are too old or too far ahead of the hub's clock");
        }
      }
      return { refused, reason };
    },
  };
}

// one metric each: which one it is, the name of the subject says
const gauge: Template = { name: prefix, metrics: [{ name: "gauge", counter: false, scale }] };
const counter: Template = { name: prefix, metrics: [{ name: "counter", counter: true, scale }] };

function rateOf(unit: string): string {
  return `${unit === "" ? "1" : unit}/s`;
}

/** What the key of an application's series says. */
export function readLabels(key: string): Pick<MetricSeries, "name" | "subject" | "labels" | "unit"> {
  const [name, unit, labels] = JSON.parse(`[${key.slice(key.indexOf("/") + 1)}]`) as [
    string,
    string,
    Record<string, string>,
  ];
  return { name, subject: null, labels, unit };
}
