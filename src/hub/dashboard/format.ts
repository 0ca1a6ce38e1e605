/** Figures for people: short, of constant width, a dash for what is not known. */

const dash = "–";
const byteUnits = ["B", "KB", "MB", "GB", "TB", "PB"] as const;

/** `7.6 GB`; steps of 1024, as `free -h` has them. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return dash;
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < byteUnits.length - 1) {
    size /= 1024;
    unit++;
  }
  const digits = unit === 0 || size >= 100 ? 0 : 1;
  return `${size.toFixed(digits)} ${byteUnits[unit] ?? ""}`;
}

/** `12 KB/s` */
export function rate(value: number | null | undefined): string {
  return value === null || value === undefined ? dash : `${bytes(value)}/s`;
}

/** `12.5 %`, whole from 100 on. */
export function percent(value: number | null | undefined): string {
  if (value === null || value === undefined) return dash;
  return `${value >= 99.95 ? value.toFixed(0) : value.toFixed(1)} %`;
}

/** `3 d 4 h`, `12 min`, `9 s`: the two largest units. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return dash;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `5 s ago`, `just now`. */
export function ago(at: string | null, now: number): string {
  if (at === null) return "never";
  const seconds = (now - Date.parse(at)) / 1000;
  return seconds < 1.5 ? "just now" : `${duration(seconds)} ago`;
}

const two = (value: number) => String(value).padStart(2, "0");

/** `Mon 5 May 2026, 14:03:22.120 (12:03:22.120 UTC)`: by this browser's clock and by everybody's, for a hover. */
export function fullTime(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  const day = date.toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric" });
  const utc = date.toISOString();
  const other = date.getDate() === date.getUTCDate() ? "" : `${utc.slice(0, 10)} `;
  return `${day}, ${clockTime(at)} (${other}${utc.slice(11, 23)} UTC)`;
}

/** `14:03:22.120` by this browser's clock. */
export function clockTime(at: string): string {
  const date = new Date(at);
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}

/** `5 s ago`, `in 3 d 4 h`; the date once it is more than a month away. */
export function moment(at: string, now: number): string {
  const seconds = (Date.parse(at) - now) / 1000;
  if (Math.abs(seconds) > 31 * 86_400) {
    const date = new Date(at);
    return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  }
  return seconds > 1.5 ? `in ${duration(seconds)}` : ago(at, now);
}

const browsers: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["Edge", /\bEdg\//],
  ["Opera", /\bOPR\//],
  ["Firefox", /\bFirefox\//],
  ["Chrome", /\bChrom(?:e|ium)\//],
  ["Safari", /\bSafari\//],
];
const systems: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["Android", /\bAndroid\b/],
  ["iOS", /\b(?:iPhone|iPad)\b/],
  ["Windows", /\bWindows\b/],
  ["macOS", /\bMac OS X\b/],
  ["Linux", /\bLinux\b/],
];

/** `Firefox on Linux`; what is no browser by the name that it gives itself. */
export function agentName(userAgent: string | null): string {
  if (userAgent === null || userAgent === "") return "Unknown program";
  const find = (list: typeof browsers) => list.find(([, pattern]) => pattern.test(userAgent))?.[0];
  const browser = find(browsers);
  const system = find(systems);
  if (browser !== undefined) return system === undefined ? browser : `${browser} on ${system}`;
  return (userAgent.split(" ")[0] ?? userAgent).slice(0, 60);
}

/** `Today`, `Yesterday`, `Mon 5 May 2026`: the day by this browser's clock. */
export function dayOf(at: string, now: number): string {
  const day = (ms: number) => new Date(ms).toDateString();
  const ms = Date.parse(at);
  if (day(ms) === day(now)) return "Today";
  if (day(ms) === day(now - 86_400_000)) return "Yesterday";
  return new Date(ms).toLocaleDateString("en-GB", {
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
  });
}
