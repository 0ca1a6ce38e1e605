/** What is asked of a thread that searches, and what it answers. All of it crosses by structured clone. */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { FaultCode } from "#src/protocol/fault.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import type { BlockReader } from "../blocks/reader-port.ts";
import type { EntrySearch, Histogram, SearchPart } from "../log-port.ts";
import { findContext } from "./context.ts";
import { find } from "./find.ts";
import { countOverTime } from "./histogram.ts";
import { type Top, countValues } from "./top.ts";

export type Job =
  | { readonly kind: "search"; readonly search: EntrySearch }
  | {
      readonly kind: "histogram";
      readonly selection: LogSelection;
      readonly stepMs: number | null;
      readonly budgetMs: number | null;
    }
  | {
      readonly kind: "top";
      readonly selection: LogSelection;
      readonly path: string;
      readonly limit: number;
      readonly budgetMs: number | null;
    }
  | { readonly kind: "context"; readonly id: string; readonly before: number; readonly after: number };

export type Result = Histogram | Top | readonly StoredEntry[] | null;

/** The store that a thread of `thread.ts` searches. */
export type BlockFile = { readonly file: string };

/** To the thread. The first message names the store. */
export type Order<Store = BlockFile> =
  | { readonly kind: "open"; readonly store: Store }
  | { readonly kind: "start"; readonly id: number; readonly job: Job }
  | { readonly kind: "cancel"; readonly id: number };

/** From the thread. Each job ends with `done` or `failed`, also when it was cancelled. */
export type Report =
  | { readonly kind: "part"; readonly id: number; readonly part: SearchPart }
  | { readonly kind: "done"; readonly id: number; readonly result: Result }
  | {
      readonly kind: "failed";
      readonly id: number;
      readonly code: FaultCode;
      readonly message: string;
      readonly hint: string | null;
    }
  /** it is at work; told while jobs run */
  | { readonly kind: "alive" };

/** The steps of a job; parts are of a search. */
export function startJob(reader: BlockReader, job: Job): Generator<SearchPart | undefined, Result, void> {
  switch (job.kind) {
    case "search":
      return withoutResult(find(reader, job.search));
    case "histogram":
      return countOverTime(reader, job.selection, job.stepMs, job.budgetMs);
    case "top":
      return countValues(reader, job.selection, job);
    case "context":
      return findContext(reader, job.id, job.before, job.after);
  }
}

function* withoutResult(
  steps: Generator<SearchPart | undefined, void, void>,
): Generator<SearchPart | undefined, null, void> {
  yield* steps;
  return null;
}
