/** What the tables of scripts and of containers have in common. */
import { useMemo } from "preact/hooks";

import type { MetricsAnswer } from "#src/protocol/metrics.ts";
import type { Charts } from "../../charts/use-charts.ts";
import { address } from "../../client.ts";
import { percent } from "../../format.ts";
import { Sparkline } from "../../parts/sparkline.tsx";

/** Points that a line as wide as a word can show. */
const sparkPoints = 32;

/** What of a subject was measured in the time that the charts show, for a small line; empty: nothing. */
export function useSparks(answer: MetricsAnswer | undefined, name: string): ReadonlyMap<string, (number | null)[]> {
  return useMemo(() => {
    const found = (answer?.series ?? []).filter((one) => one.name === name && one.subject !== null);
    return new Map(found.map(({ subject, values }) => [subject ?? "", thinned(values, sparkPoints)]));
  }, [answer, name]);
}

/** Means of as many stretches of equal length; what holds nothing stays a gap. */
export function thinned(values: readonly (number | null)[], points: number): (number | null)[] {
  if (values.length <= points) return [...values];
  return Array.from({ length: points }, (_, i) => {
    const part = values.slice(Math.floor((i * values.length) / points), Math.floor(((i + 1) * values.length) / points));
    const known = part.filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  });
}

export function CpuCell({
  value,
  line,
}: {
  readonly value: number | null;
  readonly line: readonly (number | null)[] | undefined;
}) {
  return (
    <td class="number cpu" data-label="CPU">
      <Sparkline values={line ?? []} most={null} />
      <span>{percent(value)}</span>
    </td>
  );
}

/** The name of a row; where there are charts, it shows this one alone in them, or all again. */
export function Name({
  name,
  source = name,
  charts: { picked, doors },
}: {
  readonly name: string;
  readonly source?: string;
  readonly charts: Pick<Charts, "picked" | "doors">;
}) {
  const alone = picked === source;
  return (
    <button
      type="button"
      class="name"
      aria-pressed={alone}
      title={alone ? "Show all in the charts" : "Show it alone in the charts"}
      onClick={() => doors.onPick(alone ? "" : source)}
    >
      {name}
    </button>
  );
}

/** Where its lines and its errors are. */
export function Places({
  serverId,
  source,
  name,
}: {
  readonly serverId: string;
  readonly source: string;
  readonly name: string;
}) {
  const query = { server: serverId, source };
  return (
    <td class="places">
      <a href={address("/logs", {}, query)} aria-label={`Logs of ${name}`}>
        Logs
      </a>
      <a href={address("/errors", {}, query)} aria-label={`Errors of ${name}`}>
        Errors
      </a>
    </td>
  );
}
