/**
 * Following log entries live. The stream is read by hand: an event source would make an event of each of 20,000 lines a
 * second, and a page could do nothing else. Lines that come faster than anybody reads are counted instead of shown.
 */
import type { SkippedLines, StoredEntry } from "#src/protocol/api.ts";
import { ask, get } from "./client.ts";
import type { Connection } from "./stream.ts";

/** Lines a second from which on a reader sees samples of them. */
const floodRate = 2000;
/** Between two samples, in milliseconds: four a second can be looked at. */
const sampleEveryMs = 250;
/** Lines of a sample, and of one frame before it comes to that. */
const sampleLines = 150;
const frameLines = 1000;
/** After a refusal or a broken connection, in milliseconds. */
const retryMs = 3000;

/** What came since the batch before. */
export type TailBatch = {
  /** in the order of arrival */
  readonly entries: readonly StoredEntry[];
  /** lines before these that were left out, here or by the hub */
  readonly skipped: number;
  /** the hub left some out: it counted all lines, whoever they are for */
  readonly skippedByHub: boolean;
  /** lines that came, those that were left out here among them: how many of each level */
  readonly arrived: ReadonlyMap<string, number>;
  /** lines a second, when they are sampled; else null */
  readonly flood: number | null;
};

export type TailHandlers = {
  readonly onBatch: (batch: TailBatch) => void;
  /** It follows from here on: once for each connection that could not resume. */
  readonly onReady: () => void;
  readonly onState: (state: Connection) => void;
  /** It ended for good, and why. */
  readonly onProblem: (problem: string) => void;
};

/** Follows what `query` lets through. A hidden page reads nothing, and resumes behind the last line. @returns ends it */
export function followTail(query: URLSearchParams, handlers: TailHandlers): () => void {
  let running: AbortController | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let ended = false;
  let lastId = "";
  const sampler = createSampler();
  let frame = 0;

  function showSoon(): void {
    if (frame !== 0) return;
    frame = requestAnimationFrame((time) => {
      frame = 0;
      if (ended) return;
      const batch = sampler.take(time);
      if (batch !== null) handlers.onBatch(batch);
      if (sampler.waiting()) showSoon();
    });
  }

  function hear({ event, id, data }: TailEvent): void {
    const resumed = lastId !== "";
    if (id !== "") lastId = id;
    if (event === "log") sampler.add(data);
    else if (event === "skipped") sampler.skip((JSON.parse(data) as SkippedLines).lines);
    else if (event === "ready" && !resumed) return handlers.onReady();
    else if (event === "problem") {
      stop();
      return handlers.onProblem((JSON.parse(data) as { readonly problem: string }).problem);
    } else return;
    showSoon();
  }

  async function read(signal: AbortSignal): Promise<void> {
    const wanted = new URLSearchParams(query);
    if (lastId !== "") wanted.set("after", lastId);
    const { body } = await ask("GET", `/api/logs/tail?${wanted}`, { signal, accept: "text/event-stream" });
    if (body === null) return;
    handlers.onState("live");
    const parser = createEventParser(hear);
    for await (const text of body.pipeThrough(new TextDecoderStream())) {
      if (signal.aborted) return;
      parser.feed(text);
    }
  }

  function open(): void {
    clearTimeout(retry);
    const own = (running = new AbortController());
    const again = () => {
      if (ended || own.signal.aborted) return;
      handlers.onState("away");
      running = undefined;
      retry = setTimeout(open, retryMs);
      // a stream that ends doesn't tell why: if the session has ended, asking for it says so to the page
      get("/api/auth/session").catch(() => undefined);
    };
    read(own.signal).then(again, again);
  }

  function close(): void {
    clearTimeout(retry);
    running?.abort();
    running = undefined;
  }

  function followVisibility(): void {
    if (document.visibilityState === "hidden") close();
    else if (running === undefined) open();
  }

  function stop(): void {
    ended = true;
    close();
    cancelAnimationFrame(frame);
    document.removeEventListener("visibilitychange", followVisibility);
  }

  handlers.onState("connecting");
  document.addEventListener("visibilitychange", followVisibility);
  if (document.visibilityState !== "hidden") open();
  return stop;
}

export type TailEvent = { readonly event: string; readonly id: string; readonly data: string };

/** Reads server-sent events as this hub writes them: one line of data each. Comments are passed over. */
export function createEventParser(hear: (event: TailEvent) => void): { readonly feed: (text: string) => void } {
  let rest = "";
  return {
    feed(text) {
      const blocks = (rest === "" ? text : rest + text).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        let [event, id, data] = ["", "", ""];
        for (let from = 0; from < block.length;) {
          const newline = block.indexOf("\n", from);
          const to = newline < 0 ? block.length : newline;
          if (block.startsWith("data: ", from)) data = block.slice(from + 6, to);
          else if (block.startsWith("id: ", from)) id = block.slice(from + 4, to);
          else if (block.startsWith("event: ", from)) event = block.slice(from + 7, to);
          from = to + 1;
        }
        if (id !== "" || event !== "") hear({ event, id, data });
      }
    },
  };
}

export type Sampler = {
  /** An entry as JSON. It is read only when it is to be shown. */
  add(text: string): void;
  /** Lines that the hub left out. */
  skip(lines: number): void;
  /** What there is to show at a time (milliseconds); null: nothing now. */
  take(time: number): TailBatch | null;
  /** Whether there is anything to show yet. */
  waiting(): boolean;
};

/** Keeps what fits in the reader's eye: all lines as long as they come slowly, else the newest of each sample. */
export function createSampler(): Sampler {
  let pending: string[] = [];
  let [skipped, skippedByHub] = [0, false];
  let arrived = new Map<string, number>();
  let came = 0;
  // lines a second, over a second
  let rate = 0;
  let [ratedAt, ratedLines] = [-Infinity, 0];
  let takenAt = -Infinity;

  return {
    add(text) {
      came++;
      const level = levelOf(text);
      arrived.set(level, (arrived.get(level) ?? 0) + 1);
      pending.push(text);
      if (pending.length <= frameLines * 2) return;
      skipped += pending.length - frameLines;
      pending = pending.slice(-frameLines);
    },
    skip(lines) {
      // what is waiting is before the gap
      skipped += lines + pending.length;
      skippedByHub = true;
      pending = [];
    },
    take(time) {
      if (time - ratedAt >= 1000) {
        rate = ratedAt === -Infinity ? 0 : ((came - ratedLines) * 1000) / (time - ratedAt);
        [ratedAt, ratedLines] = [time, came];
      }
      const flooded = rate > floodRate || pending.length > frameLines;
      if (flooded && time - takenAt < sampleEveryMs) return null;
      if (pending.length === 0 && skipped === 0) return null;
      takenAt = time;
      const most = flooded ? sampleLines : frameLines;
      const shown = pending.length > most ? pending.slice(-most) : pending;
      const batch: TailBatch = {
        entries: shown.map((text) => JSON.parse(text) as StoredEntry),
        skipped: skipped + pending.length - shown.length,
        skippedByHub,
        arrived,
        flood: flooded ? Math.max(rate, floodRate) : null,
      };
      pending = [];
      [skipped, skippedByHub] = [0, false];
      arrived = new Map();
      return batch;
    },
    waiting: () => pending.length > 0 || skipped > 0,
  };
}

/** Without reading all of it. Text of others can't look like this: its quotes are escaped. */
function levelOf(text: string): string {
  const at = text.indexOf('"level":"');
  return at < 0 ? "" : text.slice(at + 9, text.indexOf('"', at + 9));
}
