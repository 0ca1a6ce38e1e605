/**
 * `GET /api/v1/agent/stream`: log entries over a WebSocket (RFC 6455), opened with the headers of every agent request.
 *
 * The agent sends {@link streamFrame}s, the hub answers each with a {@link streamAck} once its entries are durable. A
 * frame is one slice of the sender's queue, like the body of `POST /api/v1/agent/logs`: its numbers rise, and a number
 * that is left out between its first and its last will not come later, whichever way. Several frames may be on their
 * way. Acknowledgements come in the order of the frames, so one is for all frames before it as well. Whatever was not
 * acknowledged when the connection ends is sent again, over a new one or by POST: repeats are left out by `seq`.
 *
 * A text message is the frame as JSON; a binary one is the same JSON compressed with zstd.
 */
import { logEntry } from "./log.ts";
import { z } from "./schema.ts";

/** Where the stream is. */
export const streamPath = "/api/v1/agent/stream";

/** Either side pings when it has not for this long, and takes the other for dead after so long a silence. */
export const streamPingMs = 30_000;
export const streamDeadMs = 90_000;

/** Largest message on the wire, and the largest JSON that a binary one may hold, in bytes. Beyond it: close 1009. */
export const maxFrameBytes = 4 * 1024 * 1024;
export const maxInflatedFrameBytes = 16 * 1024 * 1024;

/** Most entries in one frame. */
export const maxFrameEntries = 20_000;

/** Entries from the agent. `seq` names the frame in its answer; the number of the last entry is a good choice. */
export const streamFrame = z.object({
  type: z.literal("logs"),
  seq: z.number().check(z.nonnegative(), z.multipleOf(1)),
  entries: z.array(logEntry).check(z.minLength(1), z.maxLength(maxFrameEntries)),
});
export type StreamFrame = z.infer<typeof streamFrame>;

/** This frame, and all before it on this connection, are durable. */
export const streamAck = z.object({ type: z.literal("ack"), seq: z.number() });
export type StreamAck = z.infer<typeof streamAck>;

/** Sent before the hub closes the connection for a reason of its own. */
export const streamError = z.object({
  type: z.literal("error"),
  /** also the code that the connection is closed with */
  code: z.number(),
  message: z.string(),
  /** the frame that it is about */
  seq: z.optional(z.number()),
  /** milliseconds after which it is worth trying again */
  retryAfterMs: z.optional(z.number()),
});
export type StreamError = z.infer<typeof streamError>;

/** Anything from the hub. */
export const streamAnswer = z.discriminatedUnion("type", [streamAck, streamError]);
export type StreamAnswer = z.infer<typeof streamAnswer>;

/**
 * Codes that the hub closes with: those of RFC 6455 section 7.4.1 and the IANA registry, and private ones from 4000 on
 * that are read like HTTP's. After any of them but `token` and `invalid` the agent connects again.
 */
export const streamCloses = {
  /** not zstd, or not UTF-8 */
  garbled: 1007,
  tooLarge: 1009,
  /** a defect of the hub; its log says more */
  failed: 1011,
  /** the hub stops or restarts */
  stopping: 1012,
  /** the hub can't take more now, or its disk refuses; see `retryAfterMs` */
  overloaded: 1013,
  /** what was sent is not a frame; sending the same again is of no use */
  invalid: 4400,
  /** the token was rotated or revoked */
  token: 4401,
  /** nothing was heard for {@link streamDeadMs} */
  silent: 4408,
  /** the server has opened newer connections */
  replaced: 4409,
} as const;
