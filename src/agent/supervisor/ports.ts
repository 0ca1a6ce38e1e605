/** What the supervisor needs of the rest of the agent. */
import type { AgentEvent } from "#src/protocol/event.ts";

export type CapturedStream = "stdout" | "stderr";

/**
 * Finished lines of one stream. `bytes` holds whole lines, each ended by `\n`, and is only valid during the call.
 * Positions count the bytes of a stream since its pipe was made; `end` is where the next chunk begins.
 */
export type OutputChunk = {
  readonly source: string;
  readonly stream: CapturedStream;
  readonly bytes: Uint8Array;
  readonly end: number;
  /** set when the chunk is a piece of one over-long line: which piece, from 1, and whether it is the last */
  readonly piece?: { readonly part: number; readonly last: boolean };
};

export type OutputPort = {
  /** Makes the lines durable. false: not now (the hub is behind, or the disk is full), nothing was taken, ask again. */
  take(chunk: OutputChunk): boolean;
  /** Whether a chunk would be taken now; while it would not, pipes are left alone and hold their writers back. */
  ready(): boolean;
  /** Up to where a stream is durable, or undefined when nothing of it ever was. */
  position(source: string, stream: CapturedStream): number | undefined;
  /** Forgets a stream's position: its pipe is gone. */
  forget(source: string, stream: CapturedStream): void;
  /** The newest `lines` messages of a source, oldest first. */
  tail(source: string, lines: number): string[];
};

export type EventPort = { emit(event: AgentEvent): void };

/** One fact a line, to the agent's own log. */
export type LogPort = {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
};
