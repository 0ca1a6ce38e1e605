/** What is wrong with a script now, and what to do about it. Pure. */
import type { Problem } from "#src/protocol/ipc.ts";

export type Trouble = {
  /** why the last start failed */
  readonly problem: string | null;
  /** what could not be done as asked, though it runs */
  readonly notes: readonly string[];
  /** processes that can't be killed */
  readonly stuck: string | undefined;
  /** why its state could not be written */
  readonly unwritten: string | undefined;
  readonly gaveUp: boolean;
  readonly crashes: number;
};

export function problemsOf(name: string, trouble: Trouble): Problem[] {
  const { problem, notes, stuck, unwritten, gaveUp, crashes } = trouble;
  const found: Problem[] = [];
  if (problem !== null) {
    found.push({
      what: `script ${name} can't be started`,
      why: problem,
      todo: `mend it, then: orion script start ${name}`,
    });
  } else if (gaveUp) {
    const why = `it crashed ${crashes} times in a row`;
    found.push({
      what: `script ${name} was given up`,
      why,
      todo: `see why: orion logs ${name}; then: orion script start ${name}`,
    });
  }
  for (const why of notes) {
    const todo = "run the agent as root on a host whose control groups it may write, or remove the setting";
    found.push({ what: `script ${name} runs, but not as asked`, why, todo });
  }
  if (stuck !== undefined) {
    const todo = "a process in state D waits in the kernel, mostly for a disk or a network filesystem: look there";
    found.push({
      what: `script ${name} has processes that can't be ended`,
      why: `process ${stuck} survives SIGKILL`,
      todo,
    });
  }
  if (unwritten !== undefined) {
    const todo = "make room or repair the rights in the agent's run folder";
    found.push({ what: `the state of script ${name} can't be written`, why: unwritten, todo });
  }
  return found;
}
