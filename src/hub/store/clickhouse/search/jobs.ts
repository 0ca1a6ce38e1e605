/** What is asked of a thread that searches in ClickHouse. */
import type { SearchPart } from "../../log-port.ts";
import type { Job, Result } from "../../search/jobs.ts";
import { findContext } from "./context.ts";
import { type FindWorld, find } from "./find.ts";
import { countOverTime } from "./histogram.ts";
import { countValues } from "./top.ts";

/** Where it is; crosses to the thread by structured clone. */
export type ClickhouseStore = { readonly url: string; readonly cluster: string | null };

/** Runs a job; parts are of a search. */
export async function runJob(
  world: FindWorld,
  job: Job,
  take: (part: SearchPart) => void,
  signal: AbortSignal,
): Promise<Result> {
  switch (job.kind) {
    case "search":
      for await (const part of find(world, job.search, signal)) take(part);
      return null;
    case "histogram":
      return await countOverTime(world, job.selection, job.stepMs, job.budgetMs, signal);
    case "top":
      return await countValues(world, job.selection, job, signal);
    case "context":
      return await findContext(world, job.id, job.before, job.after, signal);
  }
}
