/** How a crash is told: to the hub as events, to the agent's log as a line. Pure. */
import type { AgentEvent, Exit } from "#src/protocol/event.ts";

import type { Verdict } from "./policy.ts";

export type Crash = {
  readonly script: string;
  readonly exit: Exit;
  readonly verdict: Verdict;
  /** why it could not be started, when that is the crash */
  readonly reason: string | undefined;
  /** the last lines of its output, oldest first */
  readonly tail: string[];
};

/** Lines of output that a crash alert carries. */
export const tailLines = 20;

/** The alert, and when it was the last crash that was tolerated, the giving up as well. */
export function eventsOf({ script, exit, verdict, reason, tail }: Crash): AgentEvent[] {
  const facts = {
    at: exit.at,
    script,
    exitCode: exit.code,
    signal: exit.signal,
    observed: exit.observed,
    oom: exit.oom,
    restarts: verdict.crashes,
    ...(reason === undefined ? {} : { reason }),
    tail,
  };
  const { restartInMs } = verdict;
  const crashed: AgentEvent = { type: "script.crashed", ...facts, willRestart: restartInMs !== null, restartInMs };
  return verdict.gaveUp ? [crashed, { type: "script.gave-up", ...facts }] : [crashed];
}

/** The same in one line. */
export function lineOf({ script, exit, verdict, reason }: Crash): string {
  const next = verdict.restartInMs === null ? "not restarted" : `restart in ${verdict.restartInMs} ms`;
  return `script ${script} crashed: ${reason ?? describeExit(exit)}; crash ${verdict.crashes} in a row, ${next}`;
}

/** How a process ended, in words. */
export function describeExit(exit: Exit): string {
  if (!exit.observed)
    return exit.oom ? "killed for memory while no agent was there" : "ended while no agent was there to see how";
  const how = exit.signal === null ? `ended with code ${exit.code}` : `ended by ${exit.signal}`;
  return exit.oom ? `${how}, killed for memory` : how;
}
