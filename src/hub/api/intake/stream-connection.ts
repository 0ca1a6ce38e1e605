/** One open stream of an agent: frames in, acknowledgements out, in order, with a bound on what is on its way. */
import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { createColumnBuilder } from "#src/protocol/columns/builder.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { type StreamAnswer, streamCloses, streamDeadMs, streamPingMs } from "#src/protocol/stream.ts";
import { type Admission, noRoom } from "./admission.ts";
import type { Logs } from "../ports.ts";
import { retryAfterSeconds } from "../problem.ts";
import { type Frame, FrameFault, readFrame } from "./stream-frame.ts";

/** Unacknowledged bytes at which a connection is not read any more, until half of them are durable. */
const maxUnackedBytes = 4 * 1024 * 1024;
/** Frames that wait are written together up to this size. */
const maxGroupBytes = 1024 * 1024;
/** With this much waiting, nothing is gained by waiting for more. */
const enoughBytes = 256 * 1024;
/** RFC 6455 section 5.5: a control frame holds 125 bytes, two of them the code. */
const maxReasonBytes = 123;

/** What a connection needs of its socket. */
export type Wire = {
  send(text: string): unknown;
  /** what `work` sends leaves together */
  cork(work: () => void): unknown;
  ping(): unknown;
  close(code: number, reason: string): void;
  terminate(): void;
  pause(): unknown;
  resume(): unknown;
};

export type Connection = {
  readonly serverId: string;
  receive(message: string | Uint8Array): void;
  /** Something was heard from the other side. */
  heard(): void;
  /** Pings when it is time to; ends the connection when nothing was heard for too long. */
  watch(): void;
  /** Says why, and closes. */
  end(code: number, message: string): void;
  /** The socket is closed. */
  closed(): void;
  /** Takes nothing new; resolves when what was taken has been answered. */
  settle(): Promise<void>;
};

/** A frame that is not stored yet, and how to give its room back. */
type Waiting = { readonly frame: Frame; readonly release: () => void };

type Batch = Pick<Frame, "columns" | "bytes">;

export type ConnectionWorld = {
  readonly logs: Pick<Logs, "append">;
  readonly admission: Pick<Admission, "reserve">;
  readonly clock: Pick<Clock, "monotonic" | "after">;
  /** how long frames should wait for others, see stream-pace.ts */
  readonly gatherMs: () => number;
  readonly error: (message: string) => void;
};

export function createConnection(serverId: string, wire: Wire, world: ConnectionWorld): Connection {
  const { logs, admission, clock, gatherMs, error: say } = world;
  const monotonic = () => clock.monotonic();
  let over = false;
  let settling = false;
  let unackedBytes = 0;
  let paused = false;
  let heardMs = monotonic();
  let pingedMs = heardMs;
  const waiting: Waiting[] = [];
  /** settles when nothing waits any more */
  let storing: Promise<void> | undefined;
  /** ends the waiting for more frames */
  let enough: () => void = () => undefined;

  const send = (answer: StreamAnswer): unknown => wire.send(JSON.stringify(answer));

  function end(
    code: number,
    message: string,
    more: { readonly seq?: number; readonly retryAfterMs?: number } = {},
  ): void {
    if (over) return;
    over = true;
    send({ type: "error", code, message, ...more });
    wire.close(code, cutReason(message));
  }

  function overloaded(message: string, seq: number): void {
    end(streamCloses.overloaded, message, { seq, retryAfterMs: retryAfterSeconds * 1000 });
  }

  function pace(): void {
    if (!paused && unackedBytes > maxUnackedBytes) {
      paused = true;
      wire.pause();
    } else if (paused && unackedBytes <= maxUnackedBytes / 2) {
      paused = false;
      // silence was ours
      heardMs = monotonic();
      if (!over) wire.resume();
    }
  }

  /** Lets frames wait for others while there are very many of them. */
  async function gather(): Promise<void> {
    const ms = gatherMs();
    if (ms === 0 || settling || unackedBytes >= enoughBytes) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(ms, resolve);
      enough = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Stores what waits, one write at a time, and answers it in order. */
  async function drain(): Promise<void> {
    await gather();
    for (let group = takeGroup(waiting); group.length > 0; group = takeGroup(waiting)) {
      const [first] = group;
      const failed = await store(group.length === 1 && first !== undefined ? first.frame : join(group));
      for (const { frame, release } of group) {
        release();
        unackedBytes -= frame.bytes;
      }
      // behind a frame that failed none is acknowledged, or that one would count as stored
      if (failed === undefined && !over) {
        wire.cork(() => {
          for (const { frame } of group) send({ type: "ack", seq: frame.seq });
        });
      }
      if (failed !== undefined) {
        fail(failed.error, first?.frame.seq ?? 0);
        for (const { release } of waiting.splice(0)) release();
        return;
      }
      pace();
    }
  }

  async function store({ columns, bytes }: Batch): Promise<{ readonly error: unknown } | undefined> {
    try {
      await logs.append({ serverId, batchId: null, columns, zstd: null, bytes });
      return undefined;
    } catch (error) {
      return { error };
    }
  }

  function fail(error: unknown, seq: number): void {
    if (error instanceof Fault && error.code === "unavailable") {
      overloaded(error.oneLine, seq);
      return;
    }
    say(`the stream of server ${serverId} failed: ${reasonOf(error)}`);
    end(streamCloses.failed, "the hub failed to store the frame; its log says why", { seq });
  }

  return {
    serverId,
    receive(message) {
      if (over || settling) return;
      heardMs = monotonic();
      try {
        const frame = readFrame(message);
        const release = admission.reserve(serverId, frame.bytes);
        if (release === undefined) {
          overloaded(noRoom, frame.seq);
          return;
        }
        waiting.push({ frame, release });
        unackedBytes += frame.bytes;
        if (unackedBytes >= enoughBytes) enough();
        pace();
        if (storing === undefined) {
          storing = drain().finally(() => (storing = undefined));
          keep(storing, (error) => say(`the stream of server ${serverId} failed: ${reasonOf(error)}`));
        }
      } catch (error) {
        if (error instanceof FrameFault) end(error.code, error.message);
        else {
          say(`a frame of server ${serverId} failed: ${reasonOf(error)}`);
          end(streamCloses.failed, "the hub failed to read the frame; its log says why");
        }
      }
    },
    heard() {
      heardMs = monotonic();
    },
    watch() {
      const now = monotonic();
      if (over || paused) return;
      if (now - heardMs >= streamDeadMs) {
        end(streamCloses.silent, `nothing was heard for ${streamDeadMs / 1000} s`);
        // nobody is there to answer the close
        wire.terminate();
      } else if (now - pingedMs >= streamPingMs) {
        pingedMs = now;
        wire.ping();
      }
    },
    end,
    closed() {
      over = true;
    },
    async settle() {
      settling = true;
      enough();
      await storing;
    },
  };
}

/**
 * The frames at the head that may be one delivery: a write costs much the same for one line as for a hundred. Between
 * them no number may be missing, which would count as one that will not come.
 */
function takeGroup(waiting: Waiting[]): Waiting[] {
  let count = 0;
  let bytes = 0;
  let next: number | undefined;
  for (const { frame } of waiting) {
    bytes += frame.bytes;
    const { count: lines, seqs } = frame.columns;
    if (count > 0 && (seqs[0] !== next || bytes > maxGroupBytes)) break;
    count++;
    next = (seqs[lines - 1] ?? 0) + 1;
  }
  return waiting.splice(0, count);
}

function join(group: readonly Waiting[]): Batch {
  const builder = createColumnBuilder();
  let bytes = 0;
  for (const { frame } of group) {
    builder.addRange(frame.columns, 0, frame.columns.count);
    bytes += frame.bytes;
  }
  return { columns: builder.columns(), bytes };
}

function cutReason(text: string): string {
  const bytes = Buffer.from(text);
  // a character that is cut in two is left out
  return bytes.length <= maxReasonBytes ? text : bytes.toString("utf8", 0, maxReasonBytes).replace(/\ufffd+$/, "");
}
