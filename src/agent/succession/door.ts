/** What the hallway knows of the room that replaces the daemon. */
import type { Clock } from "#src/lib/clock.ts";
import type { Problem, ReexecAnswer } from "#src/protocol/ipc.ts";

export type LogPort = { info(message: string): void; warn(message: string): void };

/** Descriptors that stay open for the successor. */
export type Kept = { lock: number | null; readonly pipes: number[] };

/** How this process began, when an earlier one left word of it. */
export type Beginning = {
  /** in words: `re-executed`, `upgraded from 1.2.3`, … */
  readonly began: string;
  /** the descriptor of the lock, when it is held already */
  readonly lock: number | undefined;
  /** this is the program of before, because the new one failed */
  readonly rolledBack: boolean;
  readonly problems: readonly Problem[];
};

export type Succession = {
  /** The path of the program that runs here, and of the one that would take over. */
  readonly program: string;
  /** Reads what an earlier process left; to be called once, before anything is opened. undefined: an ordinary start. */
  takeUp(): Beginning | undefined;
  /** The pipes of all scripts are open: those descriptors that were kept for this moment are closed. */
  pipesAreOpen(): void;
  /** The start is over. A new program's probation begins, and ends well by itself. */
  serving(clock: Clock): void;
  /** The signal that the process before was asked to stop with, too late for it to obey. */
  askedToStop(): NodeJS.Signals | undefined;
  /** Asked to stop: what happens from here on is no failure of a new program. While it is being replaced, the successor stops. */
  stopping(signal: string): void;
  onProbation(): boolean;
  /** Tries the successor and, when it is another program, sets a guard over its start. @throws {Fault} why it is not fit */
  prepare(): Promise<ReexecAnswer>;
  /**
   * Replaces this process once everything is closed but what `close` gives.
   * @throws {Fault} when neither the successor nor this program can be executed
   */
  become(close: () => Promise<Kept>): Promise<never>;
};
