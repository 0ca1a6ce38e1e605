/** Times of the log page in words, by this browser's clock. Pure. */
import { clockTime } from "../../format.ts";
import { type LogSpan, stretchWords } from "./span.ts";

const dayText = (date: Date) => date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });

/** `14:03:22`; with milliseconds when there are any, and the stretch is so short that they count. */
const timeText = (ms: number, apartMs: number) =>
  clockTime(new Date(ms).toISOString()).slice(0, apartMs >= 60_000 || ms % 1000 === 0 ? 8 : 12);

/** `14:03:22 – 14:05:00`, `3 May 23:00:00 – 4 May 01:00:00`: the day only where it is not today's, and once if it is one. */
export function spanText(fromMs: number, toMs: number): string {
  const [from, to] = [new Date(fromMs), new Date(toMs)];
  const sameDay = from.toDateString() === to.toDateString();
  const today = new Date().toDateString();
  const first = from.toDateString() === today && sameDay ? "" : `${dayText(from)} `;
  return `${first}${timeText(fromMs, toMs - fromMs)} – ${sameDay ? "" : `${dayText(to)} `}${timeText(toMs, toMs - fromMs)}`;
}

export const nameOfSpan = (span: LogSpan): string =>
  span.kind === "live" ? stretchWords[span.name] : spanText(span.fromMs, span.toMs);

/** What a field of type `datetime-local` holds for a moment, to the second. */
export function localText(ms: number): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
