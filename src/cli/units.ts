/** Numbers as people read them. A reading that does not exist is shown as `-`, never as zero. */

const binary = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Bytes with a binary unit, three digits or so: 0 B, 1.4 GiB. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return "-";
  let [left, unit] = [value, 0];
  while (left >= 1023.5 && unit < binary.length - 1) [left, unit] = [left / 1024, unit + 1];
  return `${unit === 0 || left >= 99.95 ? Math.round(left) : left.toFixed(1)} ${binary[unit] ?? "B"}`;
}

export const bytesPerSecond = (value: number | null | undefined): string =>
  value === null || value === undefined ? "-" : `${bytes(value)}/s`;

/** Percent with one decimal. */
export const percent = (value: number | null | undefined): string =>
  value === null || value === undefined ? "-" : `${value.toFixed(1)} %`;

/** Whole numbers, thousands apart by thin means: 1,234,567. */
export const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");

/** Seconds as the two largest units: 3d 4h, 5m 2s, 0s. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "-";
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"],
  ] as const;
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return "0s";
  return parts
    .slice(first, first + 2)
    .filter(([amount], i) => i === 0 || amount > 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join(" ");
}

/** How long ago an RFC 3339 time was. */
export const ago = (at: string, now: number): string => `${duration((now - Date.parse(at)) / 1000)} ago`;

/** An RFC 3339 time on this machine's clock and in its zone: 2026-01-31 14:05:09.123. */
export function localTime(at: string): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return at;
  const two = (part: number) => String(part).padStart(2, "0");
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return `${date} ${clock}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}
