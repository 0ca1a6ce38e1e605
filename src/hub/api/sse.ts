/**
 * Server-sent events (html.spec.whatwg.org/#server-sent-events). A stream asks its feed for text only when the
 * connection has taken what it was given, so a slow reader costs nothing but its place.
 */

/** Silence after which a comment shows both sides that the connection lives. */
const keepAliveMs = 15_000;
/** How often a stream is asked whether its reader may still read it. */
const recheckEveryMs = 10_000;

/** One side of a stream: what comes next. */
export type Feed = {
  /** Text (or its bytes) to send now, or undefined when there is nothing. Called again after `wait` resolves. */
  next(): string | Uint8Array | undefined;
  /** Asked when there was nothing: whether nothing will ever come, so that the stream ends. Left out: it never does. */
  over?(): boolean;
  /** Resolves when `next` may have something. */
  wait(): Promise<void>;
  close(): void;
};

/** All open streams of a hub. */
export type Streams = {
  /**
   * An endless answer fed by `feed`. It ends when `stillGood` says no, or fails, which is asked every ten seconds;
   * what its reader has not taken by then is not sent any more, but for one piece of text.
   */
  open(feed: Feed, stillGood: () => Promise<boolean>): Response;
  /** Ends all streams; readers reconnect where they were. */
  close(): void;
  count(): number;
};

/** Streams beyond this are refused by the caller. */
export const maxStreams = 1000;

const headers = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
};

const keepAlive = ":\n\n";

/** Times in milliseconds, for tests that can't wait so long. */
export type StreamTimes = {
  /** between two questions whether a reader may still read */
  readonly recheckMs?: number;
  /** without text */
  readonly keepAliveAfterMs?: number;
};

export function createStreams({
  recheckMs = recheckEveryMs,
  keepAliveAfterMs = keepAliveMs,
}: StreamTimes = {}): Streams {
  const open = new Set<AbortController>();
  return {
    open(feed, stillGood) {
      const over = new AbortController();
      const encoder = new TextEncoder();
      let cancelled = false;
      open.add(over);
      const end = () => over.abort();
      const recheck = setInterval(() => {
        // who can't be known is not let in: the reader comes back and is told why
        stillGood().then((good) => (good ? undefined : end()), end);
      }, recheckMs);
      over.signal.addEventListener("abort", () => {
        clearInterval(recheck);
        open.delete(over);
        feed.close();
      });
      const stream = new ReadableStream<Uint8Array>(
        {
          start(controller) {
            // the reader learns at once that it is connected
            controller.enqueue(encoder.encode(keepAlive));
          },
          async pull(controller) {
            // news that is not for this reader does not keep the connection alive
            const silentUntil = performance.now() + keepAliveAfterMs;
            while (!over.signal.aborted) {
              const next = feed.next();
              if (next === undefined && feed.over?.() === true) {
                over.abort();
                break;
              }
              const text = next ?? (await quiet(feed.wait(), over.signal, silentUntil));
              if (text === undefined || over.signal.aborted) continue;
              controller.enqueue(typeof text === "string" ? encoder.encode(text) : text);
              return;
            }
            if (!cancelled) controller.close();
          },
          cancel() {
            cancelled = true;
            over.abort();
          },
        },
        { highWaterMark: 1 },
      );
      return new Response(stream, { headers });
    },
    close() {
      for (const over of open) over.abort();
    },
    count: () => open.size,
  };
}

/** Waits for news or the end, and gives nothing, or for the time of the keepalive, and gives that. */
async function quiet(news: Promise<void>, end: AbortSignal, until: number): Promise<string | undefined> {
  const waitMs = until - performance.now();
  if (waitMs <= 0) return keepAlive;
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const timer = setTimeout(() => resolve(keepAlive), waitMs);
  const stop = () => resolve(undefined);
  end.addEventListener("abort", stop);
  try {
    return await Promise.race([promise, news.then(() => undefined)]);
  } finally {
    clearTimeout(timer);
    end.removeEventListener("abort", stop);
  }
}

/** One event. `data` must not hold line breaks, which JSON text does not. */
export function sseEvent(event: string, data: string, id?: string): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`;
}

/** A bell: `wait` resolves at the next `ring`, or at once when it rang since the last wait. */
export function createBell(): { readonly ring: () => void; readonly wait: () => Promise<void> } {
  let rung = false;
  let waiting: PromiseWithResolvers<void> | undefined;
  return {
    ring() {
      rung = waiting === undefined;
      waiting?.resolve();
      waiting = undefined;
    },
    wait() {
      if (rung) {
        rung = false;
        return Promise.resolve();
      }
      waiting ??= Promise.withResolvers<void>();
      return waiting.promise;
    },
  };
}
