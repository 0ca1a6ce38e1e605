/** Gathers the numbers of a request; a data point that can't be taken is counted, and the others are taken. */
import { RecordFault } from "./otlp-entry.ts";
import type { MetricPoint } from "./otlp-metrics.ts";
import { HttpFault } from "../problem.ts";

/** Most numbers of one request. */
const maxPoints = 100_000;

/** Takes one data point. `read` may throw RecordFault. */
export type CollectPoint = (name: string, read: () => readonly MetricPoint[]) => void;

export type CollectedPoints = {
  readonly points: readonly MetricPoint[];
  readonly rejected: number;
  /** of the first that was rejected */
  readonly reason: string;
};

export function collectPoints(read: (collect: CollectPoint) => void): CollectedPoints {
  const points: MetricPoint[] = [];
  let rejected = 0;
  let reason = "";
  read((name, readOne) => {
    try {
      const more = readOne();
      if (points.length + more.length > maxPoints) {
        throw new HttpFault(413, `the body holds more than ${maxPoints} numbers; send it in parts`);
      }
      points.push(...more);
    } catch (error) {
      if (!(error instanceof RecordFault)) throw error;
      if (rejected === 0) reason = `${name.slice(0, 200)}: ${error.message}`;
      rejected++;
    }
  });
  return { points, rejected, reason };
}
