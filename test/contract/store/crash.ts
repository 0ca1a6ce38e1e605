/** A crash, as an agent tells of it. */
import type { AgentEvent } from "#src/protocol/event.ts";

export type Crash = Extract<AgentEvent, { type: "script.crashed" }>;

export const crash = (rest: Partial<Crash> = {}): Crash => ({
  type: "script.crashed",
  at: "2026-01-01T00:00:00.000Z",
  script: "api",
  exitCode: 1,
  signal: null,
  observed: true,
  oom: false,
  restarts: 1,
  tail: ["boom"],
  willRestart: true,
  restartInMs: 1000,
  ...rest,
});
