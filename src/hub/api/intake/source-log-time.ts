/** When something was logged, in the forms that loggers write. */

/** `YYYY-MM-DDTHH:MM:SS[.fraction][offset]` of RFC 3339, with a space for the T (section 5.6) and `+0100` allowed too. */
const written = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?$/;
/** The years 0000 to 9999, which RFC 3339 can write. */
const earliestMs = Date.parse("0000-01-01T00:00:00.000Z");
const latestMs = Date.parse("9999-12-31T23:59:59.999Z");

/**
 * Milliseconds since the epoch; undefined when it is no time. A text without an offset is taken for UTC. The size of a
 * number tells its unit: seconds up to the year 5138, then milli-, micro- and nanoseconds.
 */
export function readTime(value: unknown): number | undefined {
  const ms = typeof value === "number" ? msOfNumber(value) : typeof value === "string" ? msOfText(value) : undefined;
  return ms === undefined || Number.isNaN(ms) || ms < earliestMs || ms > latestMs ? undefined : Math.floor(ms);
}

function msOfNumber(value: number): number | undefined {
  if (!Number.isFinite(value) || value <= 0) return undefined;
  if (value < 1e11) return value * 1000;
  if (value < 1e14) return value;
  return value < 1e17 ? value / 1e3 : value / 1e6;
}

function msOfText(text: string): number | undefined {
  if (text.length > 40) return undefined;
  const match = written.exec(text.trim());
  if (match === null) {
    // one digit is a year, a count, anything; ten are seconds
    return /^\d{10,19}(?:\.\d{1,9})?$/.test(text) ? msOfNumber(Number(text)) : undefined;
  }
  const [, day = "", time = "", fraction = "", offset = "Z"] = match;
  const seconds = time.length === 5 ? `${time}:00` : time;
  const base = Date.parse(`${day}T${seconds}.${fraction.slice(0, 3).padEnd(3, "0")}Z`);
  // a day that does not exist is taken by some engines for the next one
  if (Number.isNaN(base) || new Date(base).toISOString().slice(0, 10) !== day) return undefined;
  const away = offsetMs(offset);
  return away === undefined ? undefined : base - away;
}

function offsetMs(offset: string): number | undefined {
  if (/^z$/i.test(offset)) return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(3).replace(":", "") || 0);
  if (hours > 23 || minutes > 59) return undefined;
  return (offset.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}
