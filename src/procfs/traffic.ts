/** What passed the network between two readings of `/proc/net/dev`. */
import { counterAdvance } from "./counter.ts";
import type { Traffic } from "./net-dev.ts";

/** Bytes a second; null where that can't be known. */
export type TrafficRates = { readonly rxRate: number | null; readonly txRate: number | null };

/** Bytes of the counted interfaces since they were made. */
export function trafficTotals(traffic: ReadonlyMap<string, Traffic>, counted: readonly string[]): Traffic {
  let rxBytes = 0;
  let txBytes = 0;
  for (const name of counted) {
    rxBytes += traffic.get(name)?.rxBytes ?? 0;
    txBytes += traffic.get(name)?.txBytes ?? 0;
  }
  return { rxBytes, txBytes };
}

/** The sum over the interfaces that were there both times and whose counters went on; null when there is none. */
export function trafficRates(
  before: ReadonlyMap<string, Traffic>,
  now: ReadonlyMap<string, Traffic>,
  counted: readonly string[],
  seconds: number,
): TrafficRates {
  const rate = (bytes: (of: Traffic) => number): number | null => {
    let sum: number | undefined;
    for (const name of counted) {
      const earlier = before.get(name);
      const later = now.get(name);
      if (earlier === undefined || later === undefined) continue;
      const advance = counterAdvance(bytes(earlier), bytes(later), seconds);
      if (advance !== undefined) sum = (sum ?? 0) + advance;
    }
    return sum === undefined ? null : Math.round(sum / seconds);
  };
  return { rxRate: rate((of) => of.rxBytes), txRate: rate((of) => of.txBytes) };
}
