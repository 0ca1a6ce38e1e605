/** From when on: a span such as `24h` back from now, or a time. Pure. */

export const spans = [
  ["1h", "Last hour"],
  ["24h", "Last 24 hours"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
] as const;

const hours: Readonly<Record<string, number>> = { "1h": 1, "24h": 24, "7d": 168, "30d": 720 };

export const isSpan = (text: string): boolean => text in hours;

/** The time that it stands for; empty: none. A time stands for itself. */
export function sinceOf(text: string, nowMs: number): string {
  const span = hours[text];
  if (span !== undefined) return new Date(nowMs - span * 3_600_000).toISOString();
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? "" : new Date(atMs).toISOString();
}
