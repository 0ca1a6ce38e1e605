/** Background jobs of the hub, followed to their end. */
import { type Job, job as jobSchema } from "#src/protocol/job.ts";

import { type Paint, harmless } from "../colour.ts";
import type { HubClient } from "./client.ts";

/** Milliseconds between two looks: a job takes seconds to minutes. */
const lookEveryMs = 500;

export type JobReader = {
  /** A step has begun. */
  step(name: string): Promise<void>;
  /** What a step has said since. */
  output(text: string): Promise<void>;
};

/** Follows a job until it is over. @throws {CliFault} the hub refuses or can't be reached; the job goes on without us */
export async function followJob(hub: HubClient, first: Job, signal: AbortSignal, reader: JobReader): Promise<Job> {
  let now = first;
  let told = 0;
  let said: number[] = [];
  for (;;) {
    const { steps } = now;
    for (const [index, { name, state, output, omitted }] of steps.entries()) {
      if (state === "waiting" || state === "skipped") continue;
      if (index >= told) {
        told = index + 1;
        await reader.step(name);
      }
      const from = said[index] ?? 0;
      if (omitted + output.length > from) await reader.output(output.slice(Math.max(0, from - omitted)));
    }
    said = steps.map(({ output, omitted }) => omitted + output.length);
    if (isOver(now)) return now;
    await Bun.sleep(lookEveryMs);
    signal.throwIfAborted();
    const before = now;
    now = await hub.ask({ path: `/api/jobs/${first.id}`, signal }, jobSchema);
    // taken up anew by a hub that was started again: its steps begin again
    if (
      now.steps.filter(({ state }) => state !== "waiting").length <
      before.steps.filter(({ state }) => state !== "waiting").length
    ) {
      told = 0;
      said = [];
    }
  }
}

export const isOver = ({ state }: Job): boolean => state !== "queued" && state !== "running";

/** How a job ended, in one line. */
export function renderEnd({ kind, hostname, state, problem }: Job, paint: Paint): string {
  const what = kind === "deploy" ? `the agent of ${hostname}` : `taking the agent off ${hostname}`;
  if (state === "done") return paint("green", kind === "deploy" ? `${what} runs and reports` : `${what} is done`);
  const why = problem === null ? "" : `: ${problem.message}${problem.hint === null ? "" : `. ${problem.hint}`}`;
  return paint("red", `${what}: ${state}${harmless(why, false)}`);
}
