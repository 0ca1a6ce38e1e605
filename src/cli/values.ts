/** Values that people type, read strictly: what can't be meant is refused with the form that can. */
import { usageFault } from "./exit.ts";

/** A whole number within limits. */
export function parseWhole(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw usageFault(`${flag} can't be "${text}"`, `Give a whole number from ${least} to ${most}`);
  }
  return value;
}

const secondsPer = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

/** `30s`, `10m`, `1h`, `2d`, `1w` before `now`, or an RFC 3339 time or date; as RFC 3339 in UTC. */
export function parseSince(text: string, now: number): string {
  const span = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text);
  if (span !== null) {
    const unit = secondsPer[span[2] as keyof typeof secondsPer];
    return isoTime(now - Number(span[1]) * unit * 1000, text);
  }
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) throw notTime(text);
  return isoTime(Date.parse(text), text);
}

/** `30m`, `2h`, `7d` from `now` on, or an RFC 3339 time or date that is still to come; as RFC 3339 in UTC. */
export function parseUntil(text: string, now: number): string {
  const at = parseSince(text, now);
  const ms = Date.parse(at);
  // what was read as a span before now is one after it
  const until = /[smhdw]$/.test(text) ? isoTime(2 * now - ms, text) : at;
  if (Date.parse(until) <= now) throw usageFault(`"${text}" is over already`, "Name a time to come, such as 2h or 7d");
  return until;
}

function isoTime(ms: number, text: string): string {
  // Date's own range; further back than year 0 the text would have another form
  if (!(ms >= -62_135_596_800_000 && ms <= 253_402_300_799_999)) throw notTime(text);
  return new Date(ms).toISOString();
}

const notTime = (text: string) => usageFault(`"${text}" is no time`, "Write 30s, 10m, 1h, 2d, or 2026-01-31T14:00:00Z");

const bytesPer = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 } as const;

/** Bytes, plain or with K, M, G, T (binary; `KiB`, `MB` and the like mean the same). */
export function parseBytes(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text);
  const value =
    match === null
      ? 0
      : Math.round(Number(match[1]) * bytesPer[(match[2] ?? "").toUpperCase() as keyof typeof bytesPer]);
  if (value <= 0 || !Number.isSafeInteger(value)) {
    throw usageFault(`${flag} can't be "${text}"`, "Give bytes, or a size such as 512M or 2G");
  }
  return value;
}
