/** Opens the pipes that scripts print into and reads them. (The pipes outlive this process; see pipe.ts.) */
import type { CapturedStream } from "./ports.ts";

/** The pipe of one stream of one script. */
export type CapturedPipe = {
  /** A new descriptor of the write end, for `Bun.spawn`; the caller closes it after the spawn. */
  openWriter(): number;
  /** Reads what lies in the pipe now and hands it on, as far as it is taken. */
  drain(): void;
  /** The last line without a newline becomes a line: every writer has ended. Drains first. */
  finish(): void;
  /** Closes the pipe but leaves it on disk for the next daemon. */
  close(): void;
  /** Closes and deletes it. */
  remove(): void;
};

/** Whoever keeps copies of descriptors while this process is away, such as systemd. */
export type DescriptorStore = { store(name: string, fd: number): void; discard(name: string): void };

export type CapturePipes = {
  /** The pipe of a stream: the one that an earlier daemon left, with all that still lies in it, or a new one. */
  open(script: string, stream: CapturedStream): CapturedPipe;
  /**
   * A descriptor of each pipe that stays open across execve(2): the kernel forgets what is in a pipe that nobody has
   * open, and a script may end while its daemon is replaced. Whoever comes next closes them when it reads the pipes.
   */
  handOver(): number[];
  /** Stops reading; closes every pipe, deletes none. */
  stop(): void;
};
