/** What the life of a script needs, whom it tells, and what may be asked of it. */
import type { Script } from "#src/protocol/scripts.ts";
import type { Fault } from "#src/protocol/fault.ts";
import type { ScriptStatus } from "#src/protocol/heartbeat.ts";
import type { Problem } from "#src/protocol/ipc.ts";

import type { Decision } from "./adopt.ts";
import type { CapturePipes } from "./output.ts";
import type { EventPort, LogPort, OutputPort } from "./ports.ts";
import type { ProcessName } from "./processes.ts";
import type { Run, RunWorld } from "./run.ts";
import type { Records, ScriptRecord } from "./state.ts";
import type { Happening, Machine } from "./table.ts";

export type LifeWorld = RunWorld & {
  readonly records: Records;
  readonly pipes: CapturePipes;
  readonly output: OutputPort;
  readonly events: EventPort;
  readonly log: LogPort;
  readonly random: () => number;
  readonly inherit: Readonly<Record<string, string>>;
  /** of the daemon's run folder: begins the id of each run, so that two daemons on a machine keep apart */
  readonly instance: string;
};

/** Whom a life tells what becomes of orders. */
export type LifeListener = {
  started(pid: number): void;
  startFailed(fault: Fault): void;
  stopped(): void;
};

export type Life = {
  machine(): Machine;
  script(): Script;
  /** New settings, for the next start. */
  setScript(next: Script): void;
  pid(): number | undefined;
  tell(happening: Happening): void;
  /** A person's order: counts begin again. */
  resetCounts(): void;
  status(): ScriptStatus;
  problems(): Problem[];
  /** The processes that survived SIGKILL at the last stop, in words. */
  stuck(): string | undefined;
  restore(record: ScriptRecord, decision: Decision, leader: ProcessName | undefined): void;
  /** A stop under way, or to come, kills at this time of the monotonic clock at the latest. */
  hurry(killAtMs: number): void;
  /** Is over. `next`: the record and the pipes stay for the next daemon; `anew`: only the pipes do; `nothing` stays. */
  close(leave: "next" | "anew" | "nothing"): void;
  closed(): boolean;
  sample(all: Parameters<Run["sample"]>[0]): void;
};
