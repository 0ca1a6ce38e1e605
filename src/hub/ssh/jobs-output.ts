/** What a step has said, bounded. */
import type { JobStep } from "#src/protocol/job.ts";

/** Characters of output that a step keeps: its end, where the reason of a failure stands. */
export const maxOutput = 65_536;

/** Adds text; what is too much goes at the beginning, and is counted. */
export function addOutput({ output, omitted }: JobStep, text: string): Pick<JobStep, "output" | "omitted"> {
  const whole = output + text;
  const over = Math.max(0, whole.length - maxOutput);
  return { output: whole.slice(over), omitted: omitted + over };
}
