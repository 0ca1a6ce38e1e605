/** How far a migration is: a line that is drawn again on a terminal, now and then a line elsewhere. */
import { fstatSync } from "node:fs";

import { note } from "../output.ts";
import { bytes, count, duration } from "../units.ts";

/** Of what is copied now. */
export type Progress = {
  readonly part: string;
  readonly done: number;
  readonly of: number | null;
  readonly bytes: number;
};

/** Milliseconds between two looks on a terminal, and between two lines in a file. */
const drawEveryMs = 200;
const sayEveryMs = 10_000;
const barWidth = 24;

const titles: Readonly<Record<string, string>> = {
  events: "events and audit trail",
  logs: "log lines",
  metrics: "metrics",
  state: "servers, projects, tokens, jobs",
  people: "people and organizations",
  errors: "error groups",
  check: "comparing both sides",
};

/** @param startedMs when this part began, and how much of it was done then */
export function progressLine(
  { part, done, of, bytes: size }: Progress,
  { startedMs, doneBefore }: { readonly startedMs: number; readonly doneBefore: number },
  nowMs: number,
): string {
  const seconds = Math.max(0.001, (nowMs - startedMs) / 1000);
  const rate = (done - doneBefore) / seconds;
  const share = of === null || of === 0 ? null : Math.min(1, done / of);
  const words = [
    (titles[part] ?? part).padEnd(32),
    share === null
      ? ""
      : `[${"#".repeat(Math.floor(share * barWidth)).padEnd(barWidth, ".")}] ${Math.floor(share * 100)} %`,
    of === null ? count(done) : `${count(done)} of ${count(of)}`,
    size > 0 ? bytes(size) : "",
    rate >= 1 ? `${count(Math.round(rate))}/s` : "",
    of !== null && rate >= 1 && of > done ? `${duration((of - done) / rate)} left` : "",
  ];
  return words.filter((word) => word !== "").join("  ");
}

/** Shows what it is told on stderr; `end` leaves the line as it was last. */
export function createProgressView(now: () => number) {
  const terminal = isTerminal();
  const everyMs = terminal ? drawEveryMs : sayEveryMs;
  let latest: Progress | undefined;
  let began = { startedMs: 0, doneBefore: 0 };
  let shownMs = -Infinity;
  let drawing: Promise<void> = Promise.resolve();

  function draw(progress: Progress): void {
    shownMs = now();
    const line = progressLine(progress, began, shownMs);
    const write = terminal ? async () => void (await Bun.write(Bun.stderr, `\r\u001b[K${line}`)) : () => note(line);
    drawing = drawing.then(write);
  }

  return {
    tell(progress: Progress): void {
      if (progress.part !== latest?.part || progress.done < latest.done) {
        if (latest !== undefined) finishPart(latest);
        began = { startedMs: now(), doneBefore: progress.done };
        // in a file, what takes long is said now and then, and each part once at its end
        shownMs = terminal ? -Infinity : now();
      }
      latest = progress;
      if (now() - shownMs >= everyMs) draw(progress);
    },
    async end(): Promise<void> {
      if (latest !== undefined) finishPart(latest);
      latest = undefined;
      await drawing;
    },
  };

  function finishPart(progress: Progress): void {
    draw(progress);
    if (terminal) drawing = drawing.then(async () => void (await Bun.write(Bun.stderr, "\n")));
  }
}

function isTerminal(): boolean {
  try {
    return fstatSync(2).isCharacterDevice();
  } catch {
    // stderr is closed: nothing will be seen at all
    return false;
  }
}
