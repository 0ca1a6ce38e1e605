/**
 * Realistic access-log lines of about 131 bytes in ten streams, one hour of them, always the same ones; one in half a
 * million holds a needle.
 */
import type { LogEntry } from "#src/protocol/log.ts";

const methods = ["GET", "GET", "GET", "GET", "GET", "POST", "PUT", "DELETE"];
const paths: readonly ((n: number) => string)[] = [
  () => "/",
  () => "/index.html",
  (n) => `/api/v1/users/${n}`,
  (n) => `/api/v1/orders/${n}/items`,
  (n) => `/static/js/app.${n.toString(16)}.js`,
  (n) => `/static/css/main.${n.toString(16)}.css`,
  (n) => `/search?q=term${n}&page=2`,
  () => "/login",
  () => "/logout",
  (n) => `/img/products/${n}.webp`,
  (n) => `/api/v2/metrics?host=h${n}`,
  () => "/health",
];
const agents = [
  "Mozilla/5.0 (X11; Linux x64) Firefox/128.0",
  "curl/8.5.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5)",
  "Go-http-client/1.1",
  "python-requests/2.31",
  "Googlebot/2.1 (+http://www.google.com/bot.html)",
];
const statuses = [200, 200, 200, 200, 200, 200, 304, 301, 404, 403, 500, 502];

/** When the hour begins. */
export const beginMs = Date.UTC(2026, 8, 21, 12);
export const hourMs = 3_600_000;

/** Entries `from` to `to` (not included) of `total`. */
export function createLines(total: number): (from: number, to: number) => LogEntry[] {
  let low = 88_172_645;
  let high = 463_325_252;
  // xorshift64* is slow without 64-bit numbers; two Weyl-fed 32-bit mixers are as good for text
  const random = (): number => {
    low = (low + 0x9e3779b9) | 0;
    high = (high + 0x85ebca6b) | 0;
    let value = Math.imul(low ^ (low >>> 16), 0x21f0aaad) ^ high;
    value = Math.imul(value ^ (value >>> 15), 0x735a2d97);
    return (value ^ (value >>> 15)) >>> 0;
  };
  const pick = <T>(list: readonly T[]): T => list[random() % list.length] as T;
  return (from, to) => {
    const lines: LogEntry[] = [];
    for (let i = from; i < to; i++) {
      const ms = beginMs + Math.floor((i * hourMs) / total);
      const at = new Date(ms).toISOString();
      const address = random();
      const status = pick(statuses);
      const ip = `${10 + (address % 200)}.${(address >>> 8) & 255}.${(address >>> 16) & 63}.${address >>> 24}`;
      const time = `21/Sep/2026:${at.slice(11, 19)} +0000`;
      const needle = i % 500_000 === 250_000 ? ` panic: needle-${i}-zebra` : "";
      lines.push({
        seq: i + 1,
        at,
        source: `web${random() % 10}`,
        stream: "stdout",
        level: status >= 500 ? "error" : status >= 400 ? "warn" : "info",
        message: `${ip} - - [${time}] "${pick(methods)} ${pick(paths)(random() % 100_000)} HTTP/1.1" ${status} ${random() % 50_000} "${pick(agents)}" rt=${((random() % 2000) / 1000).toFixed(3)}${needle}`,
      });
    }
    return lines;
  };
}
