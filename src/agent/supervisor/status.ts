/** What a script is doing, in the words of the protocol. Pure. */
import { timestamp } from "#src/lib/clock.ts";
import type { Exit } from "#src/protocol/event.ts";
import type { ScriptStatus } from "#src/protocol/heartbeat.ts";

import type { Run } from "./run.ts";
import type { Machine } from "./table.ts";

export type StatusFacts = {
  readonly name: string;
  readonly machine: Machine;
  readonly run: Pick<Run, "ended" | "leader" | "upMs" | "usage"> | undefined;
  readonly crashes: number;
  readonly restarts: number;
  readonly lastExit: Exit | null;
  readonly nextRestartAtMs: number | null;
  readonly problem: string | null;
};

/** A script whose process is up is `running` until it has ended, also while it is being stopped. */
export function statusOf(facts: StatusFacts): ScriptStatus {
  const { name, machine, run, crashes, restarts, lastExit, nextRestartAtMs, problem } = facts;
  const up = (machine.state === "running" || machine.state === "stopping") && run?.ended === false ? run : undefined;
  // one that a person wants up but that is down has crashed, unless it is only about to be started
  const crashed =
    machine.wanted === "up" && (machine.state === "waiting" || machine.state === "crashed" || crashes > 0);
  const usage = up?.usage();
  return {
    name,
    state: up !== undefined ? "running" : crashed ? "crashed" : "stopped",
    pid: up?.leader?.pid ?? null,
    uptime: up === undefined ? null : Math.round(up.upMs()) / 1000,
    restarts,
    cpu: usage?.cpuPercent ?? null,
    memory: usage?.memoryBytes ?? null,
    lastExit,
    nextRestartAt: nextRestartAtMs === null ? null : timestamp(nextRestartAtMs),
    problem,
  };
}
