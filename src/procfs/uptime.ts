/** `/proc/uptime`: seconds since boot, time in suspend included. See proc_uptime(5). */
import { parseDecimal, words } from "./text.ts";

/** Parses `/proc/uptime` to seconds; undefined when it does not hold its two numbers. */
export function parseUptime(text: string): number | undefined {
  const fields = words(text);
  return fields.length < 2 ? undefined : parseDecimal(fields[0]);
}
