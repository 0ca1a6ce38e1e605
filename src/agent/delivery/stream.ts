/**
 * The WebSocket to the hub: batches go out one behind the other, and each is answered once the hub has it for good. What
 * it does when it is not open is the sender's matter. See protocol/stream.ts.
 */
import { exponentialDelay } from "#src/lib/backoff.ts";
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import {
  type StreamError,
  streamAnswer,
  streamCloses,
  streamDeadMs,
  streamPath,
  streamPingMs,
} from "#src/protocol/stream.ts";
import { z } from "#src/protocol/schema.ts";

import type { Answer } from "./client.ts";
import type { Connection } from "./door.ts";
import { createTrust } from "./trust.ts";

/** Between two attempts to open it; begins anew with the first acknowledgement. */
const retryBaseMs = 1_000;
const retryCeilingMs = 60_000;
const openWithinMs = 10_000;
/** Longest wait for an acknowledgement, as for the answer to a POST. */
const answerWithinMs = 30_000;

/** The runtime's own, which takes headers and a certificate authority. */
const OwnSocket = WebSocket as unknown as new (url: string, options: Bun.WebSocketOptions) => Bun.WebSocket;

export type Stream = {
  /** From now on it is kept open: there is something to send over it. */
  want(): void;
  /** Uses another hub or token from now on; null: none. */
  connect(connection: Connection | null): void;
  /** Whether a frame may be sent now. */
  isOpen(): boolean;
  /** Sends a frame that is named `seq`, larger than that of any frame before it. Never rejects. */
  send(seq: number, frame: Uint8Array<ArrayBuffer> | string): Promise<Answer>;
  /** Ends the connection; what was not acknowledged is answered `later`. It is opened again after a while. */
  drop(reason: string): void;
  stop(): void;
};

/** A frame without an acknowledgement. */
type Sent = { readonly seq: number; readonly sentMs: number; readonly answer: (answer: Answer) => void };

type World = {
  readonly userAgent: string;
  readonly clock: Clock;
  readonly log: { info(message: string): void; debug(message: string): void };
  readonly connection: Connection | null;
  /** It is open: the hub is there, and takes the token. */
  readonly onOpen: () => void;
  /** The hub closed it since the token is dead. */
  readonly onRefused: (reason: string) => void;
};

export function createStream(world: World): Stream {
  const { userAgent, clock, log, onOpen, onRefused } = world;
  const trustFor = createTrust();
  let connection = world.connection;
  let wanted = false;
  let failures = 0;
  let saidWhy = "";
  let current: Wire | undefined;
  let cancelRetry: Cancel | undefined;

  /** One connection, from its handshake to its end. */
  type Wire = {
    readonly socket: Bun.WebSocket;
    open: boolean;
    readonly waiting: Sent[];
    /** what the hub said before it closed */
    error: StreamError | undefined;
    heardMs: number;
    pingedMs: number;
    cancelWatch: Cancel | undefined;
  };

  function begin(): void {
    if (!wanted || connection === null || current !== undefined || cancelRetry !== undefined) return;
    const trust = trustFor(connection.caFile);
    if (!trust.ok) {
      again(trust.reason);
      return;
    }
    const url = `${connection.apiUrl.replace(/^http/, "ws").replace(/\/+$/, "")}${streamPath}`;
    const headers = {
      authorization: `Bearer ${connection.token}`,
      "x-server-id": connection.serverId,
      "user-agent": userAgent,
    };
    const socket = new OwnSocket(url, { headers, perMessageDeflate: false, ...(trust.tls && { tls: trust.tls }) });
    const now = clock.monotonic();
    const wire: Wire = {
      socket,
      open: false,
      waiting: [],
      error: undefined,
      heardMs: now,
      pingedMs: now,
      cancelWatch: clock.after(openWithinMs, () => end(wire, `no answer within ${openWithinMs / 1000} s`)),
    };
    current = wire;
    let failure = "";
    const heard = (): void => void (wire.heardMs = clock.monotonic());
    socket.addEventListener("open", () => {
      if (current !== wire) return;
      wire.open = true;
      heard();
      watch(wire);
      log.debug("the stream to the hub is open");
      onOpen();
    });
    socket.addEventListener("message", ({ data }) => {
      if (current !== wire) return;
      heard();
      receive(wire, data);
    });
    socket.addEventListener("ping", heard);
    socket.addEventListener("pong", heard);
    socket.addEventListener("error", (event) => void (failure = event.message));
    socket.addEventListener("close", ({ code, reason }) => {
      if (current === wire) closed(wire, code, reason === "" ? failure : reason);
    });
  }

  function receive(wire: Wire, data: unknown): void {
    const answer = z.safeParse(streamAnswer, parse(data));
    if (!answer.success) {
      end(wire, "the hub's message on the stream is not understood");
      return;
    }
    if (answer.data.type === "error") {
      wire.error = answer.data;
      return;
    }
    const { seq } = answer.data;
    if ((wire.waiting[0]?.seq ?? Number.POSITIVE_INFINITY) <= seq) {
      failures = 0;
      saidWhy = "";
    }
    // for all before it as well
    for (let sent = wire.waiting[0]; sent !== undefined && sent.seq <= seq; sent = wire.waiting[0]) {
      wire.waiting.shift();
      sent.answer({ kind: "ok", body: answer.data });
    }
  }

  /** Pings, and ends what is dead; wakes when there is something to look for, and no more often. */
  function watch(wire: Wire): void {
    const now = clock.monotonic();
    const oldest = wire.waiting[0];
    if (now - wire.heardMs >= streamDeadMs) {
      end(wire, `nothing was heard from the hub for ${streamDeadMs / 1000} s`);
      return;
    }
    if (oldest !== undefined && now - oldest.sentMs >= answerWithinMs) {
      end(wire, `no acknowledgement within ${answerWithinMs / 1000} s`);
      return;
    }
    if (now - wire.pingedMs >= streamPingMs) {
      wire.pingedMs = now;
      wire.socket.ping();
    }
    const late = oldest === undefined ? Number.POSITIVE_INFINITY : oldest.sentMs + answerWithinMs;
    const next = Math.min(wire.pingedMs + streamPingMs, wire.heardMs + streamDeadMs, late);
    wire.cancelWatch?.();
    wire.cancelWatch = clock.after(Math.max(1, next - now), () => watch(wire));
  }

  function closed(wire: Wire, code: number, reason: string): void {
    const why = reason === "" ? `the stream was closed with ${code}` : reason;
    const { error } = wire;
    if (code === streamCloses.token) {
      finish(wire, { kind: "refused", reason: `the hub closed the stream: ${why}` });
      again(why);
      onRefused(`the hub closed the stream: ${why}`);
      return;
    }
    if (unacceptable.has(code)) {
      finish(wire, { kind: "unacceptable", reason: why, tooLarge: code === streamCloses.tooLarge });
      again(why);
      return;
    }
    const retryAfterMs = error?.retryAfterMs;
    finish(wire, { kind: "later", reason: why, ...(retryAfterMs !== undefined && { retryAfterMs }) });
    again(why, retryAfterMs);
  }

  /** Ends it from this side. */
  function end(wire: Wire, reason: string): void {
    finish(wire, { kind: "later", reason });
    again(reason);
  }

  function finish(wire: Wire, answer: Answer): void {
    if (current === wire) current = undefined;
    wire.open = false;
    wire.cancelWatch?.();
    wire.cancelWatch = undefined;
    // without a goodbye: nobody may be there to answer it
    wire.socket.terminate();
    for (const sent of wire.waiting.splice(0)) sent.answer(answer);
  }

  function again(why: string, notBeforeMs = 0): void {
    if (!wanted || connection === null) return;
    // once a cause: what is wrong in earnest, the requests beside it say
    if (failures > 0 && why !== saidWhy) log.info(`container logs go by single requests, there is no stream: ${why}`);
    if (failures > 0) saidWhy = why;
    cancelRetry?.();
    cancelRetry = clock.after(Math.max(exponentialDelay(retryBaseMs, retryCeilingMs, failures++), notBeforeMs), () => {
      cancelRetry = undefined;
      begin();
    });
  }

  return {
    want() {
      if (wanted) return;
      wanted = true;
      begin();
    },
    connect(next) {
      connection = next;
      cancelRetry?.();
      cancelRetry = undefined;
      failures = 0;
      saidWhy = "";
      if (current !== undefined) finish(current, { kind: "later", reason: "the connection's settings have changed" });
      begin();
    },
    isOpen: () => current?.open === true,
    send(seq, frame) {
      const wire = current;
      if (wire?.open !== true) return Promise.resolve({ kind: "later", reason: "the stream has ended" });
      const { promise, resolve } = Promise.withResolvers<Answer>();
      wire.waiting.push({ seq, sentMs: clock.monotonic(), answer: resolve });
      try {
        wire.socket.send(frame);
        if (wire.waiting.length === 1) watch(wire);
      } catch (error) {
        end(wire, reasonOf(error));
      }
      return promise;
    },
    drop(reason) {
      if (current !== undefined) end(current, reason);
    },
    stop() {
      wanted = false;
      cancelRetry?.();
      cancelRetry = undefined;
      if (current !== undefined) finish(current, { kind: "later", reason: "the agent stops" });
    },
  };
}

/** What is in a frame is at fault: it is sent by POST, which finds out the entry. */
const unacceptable: ReadonlySet<number> = new Set([streamCloses.garbled, streamCloses.tooLarge, streamCloses.invalid]);

function parse(data: unknown): unknown {
  if (typeof data !== "string") return undefined;
  try {
    return JSON.parse(data);
  } catch {
    // the schema says that it is none
    return undefined;
  }
}
