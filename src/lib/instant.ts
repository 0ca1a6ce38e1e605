/** RFC 3339 instants in UTC, read fast: log lines carry one each and neighbours mostly share their second. */

const whole = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?Z$/;

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
  const [, year, month, day, hour, minute, second = "0"] = match.map(Number) as unknown as number[];
  const ms = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  const date = new Date(ms);
  // Date.UTC rolls 31 April over to May, and 0-99 to 1900-1999
  if (date.getUTCDate() !== day || date.getUTCMonth() + 1 !== month || date.getUTCFullYear() !== year)
    return Number.NaN;
  if (date.getUTCHours() !== hour || date.getUTCMinutes() !== minute) return Number.NaN;
  if (!(Number(second) >= 0 && Number(second) <= 59)) return Number.NaN;
  const fraction = /\.(\d{1,3})/.exec(text)?.[1] ?? "";
  return ms + Number(fraction.padEnd(3, "0"));
}
