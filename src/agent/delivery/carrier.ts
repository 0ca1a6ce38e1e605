/**
 * How a batch travels: over the stream when it holds lines of containers and the stream is open, several behind each
 * other; else by POST, alone. Never both at once: the hub takes a number that it has passed for a repeat.
 */
import type { Batch } from "./batches.ts";
import type { Answer, Client, Request } from "./client.ts";
import type { Connection } from "./door.ts";
import { frameFor, requestFor } from "./request.ts";
import type { Stream } from "./stream.ts";

/** Most bytes in frames without an acknowledgement: where the hub begins to hold a stream back. */
const maxFlightBytes = 4 * 1024 * 1024;

/** A batch as it will travel; `bytes` is its size as NDJSON. */
export type Ready = { readonly batch: Batch; readonly bytes: number } & (
  { readonly frame: string | Uint8Array<ArrayBuffer> } | { readonly request: Request }
);

/** A batch that was sent and is not answered yet. */
export type Flight = {
  readonly batch: Batch;
  readonly bytes: number;
  /** it went over the stream */
  readonly framed: boolean;
  readonly answer: Promise<Answer>;
};

export type Carrier = {
  /** Makes a batch ready; it must not be sent later than what is made ready after it. */
  prepare(batch: Batch, to: Connection): Promise<Ready>;
  /** Whether it may be sent while others are on their way. */
  mayFollow(flights: readonly Flight[], ready: Ready): boolean;
  /** Whether there may be more on the way than this. */
  hasRoom(flights: readonly Flight[]): boolean;
  send(ready: Ready, to: Connection): Flight;
  /** Up to this number everything goes by POST from now on. */
  avoidStream(upTo: number): void;
  /** Ends the request that is on its way. */
  abort(): void;
};

export function createCarrier(client: Client, stream: Pick<Stream, "want" | "isOpen" | "send">): Carrier {
  let current: AbortController | undefined;
  let unframedUpTo = 0;
  return {
    async prepare(batch, to) {
      const bytes = batch.bytes.length;
      if (batch.containers) {
        stream.want();
        const frame = stream.isOpen() && batch.last > unframedUpTo ? await frameFor(batch) : undefined;
        if (frame !== undefined) return { batch, bytes, frame };
      }
      return { batch, bytes, request: await requestFor(batch, to) };
    },
    mayFollow: (flights, ready) => flights.length === 0 || ("frame" in ready && flights.every(({ framed }) => framed)),
    hasRoom: (flights) => bytesOf(flights) < maxFlightBytes,
    send(ready, to) {
      const { batch, bytes } = ready;
      if ("frame" in ready) return { batch, bytes, framed: true, answer: stream.send(batch.last, ready.frame) };
      const controller = new AbortController();
      current = controller;
      const answer = client(to, ready.request, controller).finally(() => {
        if (current === controller) current = undefined;
      });
      return { batch, bytes, framed: false, answer };
    },
    avoidStream(upTo) {
      unframedUpTo = upTo;
    },
    abort: () => current?.abort(),
  };
}

/** Bytes that are on their way. */
export function bytesOf(flights: readonly Flight[]): number {
  return flights.reduce((sum, { bytes }) => sum + bytes, 0);
}
