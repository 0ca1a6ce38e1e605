/** What the socket needs of the rest of the agent. */
import type { Cancel } from "#src/lib/clock.ts";
import type { ScriptStatus } from "#src/protocol/heartbeat.ts";
import type { PingAnswer, ReexecAnswer, StatusAnswer } from "#src/protocol/ipc.ts";
import type { Level, LogEntry } from "#src/protocol/log.ts";
import type { Script } from "#src/protocol/scripts.ts";

export type ScriptView = { readonly script: Script; readonly status: ScriptStatus };

/** Which of the kept entries to give. */
export type LogsQuery = {
  readonly source?: string;
  readonly lines: number;
  readonly sinceMs?: number;
  readonly level?: Level;
  readonly grep?: string;
};

/** The names of what a reload did. */
export type ReloadAnswer = {
  readonly started: readonly string[];
  readonly stopped: readonly string[];
  readonly restarted: readonly string[];
  readonly unchanged: readonly string[];
};

/** One function a thing that a client may order. Each throws (or rejects with) a Fault that is told to the client. */
export type Orders = {
  ping(): PingAnswer;
  status(): StatusAnswer;
  /** Durable when it returns. */
  log(entry: {
    readonly level: Level;
    readonly message: string;
    readonly source: string;
    readonly fields?: Readonly<Record<string, unknown>>;
  }): void;
  /** Kept entries, oldest first. */
  recent(query: LogsQuery): readonly LogEntry[];
  /** Calls `onEntry` for each new entry, until cancelled. */
  follow(query: LogsQuery, onEntry: (entry: LogEntry) => void): Cancel;
  listScripts(): readonly ScriptView[];
  showScript(name: string): ScriptView;
  startScript(name: string): Promise<{ readonly pid: number }>;
  stopScript(name: string): Promise<void>;
  restartScript(name: string): Promise<{ readonly pid: number }>;
  addScript(script: Script, start: boolean): Promise<{ readonly pid: number | null }>;
  removeScript(name: string): Promise<void>;
  reload(): Promise<ReloadAnswer>;
  /** Resolves when a successor is found fit; the daemon is replaced right after. */
  reexec(): Promise<ReexecAnswer>;
};
