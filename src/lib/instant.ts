/** RFC 3339 instants in UTC, read fast: log lines carry one each and neighbours mostly share their second. */

const whole = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?Z$/;

// the last text up to its seconds, and what it stands for
let lastSecond = "";
let lastMs = Number.NaN;

/**
 * Milliseconds since the epoch of `YYYY-MM-DDTHH:MM[:SS[.fraction]]Z`, digits beyond milliseconds cut off;
 * NaN for any other text and for dates that do not exist.
 */
export function parseInstant(text: string): number {
  const length = text.length;
  if (length < 20 || !text.startsWith(lastSecond) || lastSecond === "") {
    const ms = parseWhole(text);
    if (Number.isNaN(ms) || length < 20) return ms;
    lastSecond = text.slice(0, 19);
    lastMs = Math.floor(ms / 1000) * 1000;
    return ms;
  }
  if (text.charCodeAt(length - 1) !== 90) return Number.NaN;
  if (length === 20) return lastMs;
  if (length === 21 || text.charCodeAt(19) !== 46) return Number.NaN;
  let millis = 0;
  let scale = 100;
  for (let i = 20; i < length - 1; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    millis += digit * scale;
    scale = scale > 1 ? scale / 10 : 0;
  }
  return lastMs + millis;
}

function parseWhole(text: string): number {
  const match = whole.exec(text);
  if (match === null) return Number.NaN;
  const part = (index: number) => Number(match[index] ?? 0);
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
  // Date.UTC would take 60 minutes for an hour
  if (hour > 23 || minute > 59 || second > 59) return Number.NaN;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // … and 31 April for 1 May
  if (date.getUTCDate() !== day || date.getUTCMonth() + 1 !== month) return Number.NaN;
  const fraction = (match[7] ?? "").slice(0, 3).padEnd(3, "0");
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + Number(fraction);
}
