/** `/proc/loadavg`: how many threads ran or waited, on average. See proc_loadavg(5). */
import { parseDecimal, words } from "./text.ts";

/** Averages over the last 1, 5 and 15 minutes. */
export type LoadAverages = readonly [oneMinute: number, fiveMinutes: number, fifteenMinutes: number];

/** Parses `/proc/loadavg`; undefined when it does not begin with three numbers. */
export function parseLoadavg(text: string): LoadAverages | undefined {
  const fields = words(text);
  // the fields behind the averages prove that the third was not cut
  if (fields.length < 4) return undefined;
  const one = parseDecimal(fields[0]);
  const five = parseDecimal(fields[1]);
  const fifteen = parseDecimal(fields[2]);
  if (one === undefined || five === undefined || fifteen === undefined) return undefined;
  return [one, five, fifteen];
}
