/**
 * A job as it goes on: the whole of it at each change of a step, and in between what the running step says. The stream
 * ends with the job. Its last event has an id, by which a reader that comes back by itself is told to stay away.
 */
import { keep } from "#src/lib/keep.ts";
import type { Job } from "#src/protocol/job.ts";
import { type Feed, createBell, sseEvent } from "../sse.ts";
import type { Jobs } from "../provision-ports.ts";

/** What a reader of the whole sends as Last-Event-ID. */
export const overId = "over";

export const isOver = ({ state }: Job): boolean => state !== "queued" && state !== "running";

/** @param first the job as it is now */
export function createJobFeed(jobs: Pick<Jobs, "onChange" | "get">, first: Job): Feed {
  const bell = createBell();
  let latest = first;
  let told: string | undefined;
  /** characters of each step's output that were told, with those that have been left out since */
  let lengths: number[] = [];
  async function read(): Promise<void> {
    latest = (await jobs.get(first.id)) ?? latest;
    bell.ring();
  }
  // a store that can't be read now: the next change asks again, and the reader may ask for the job itself
  const look = () => keep(read(), () => undefined);
  const cancel = jobs.onChange((id) => {
    if (id === first.id) look();
  });
  bell.ring();
  // what has happened between the look that `first` came from and now
  look();

  const headOf = (job: Job) => JSON.stringify({ ...job, steps: job.steps.map(({ state, name }) => ({ state, name })) });
  const lengthsOf = (job: Job) => job.steps.map(({ output, omitted }) => omitted + output.length);

  return {
    next() {
      const job = latest;
      const head = headOf(job);
      if (head !== told) {
        told = head;
        lengths = lengthsOf(job);
        return sseEvent("job", JSON.stringify(job), isOver(job) ? overId : undefined);
      }
      let text = "";
      for (const [step, { output, omitted }] of job.steps.entries()) {
        const from = lengths[step] ?? 0;
        const fresh = output.slice(Math.max(0, from - omitted));
        if (omitted + output.length > from) text += sseEvent("output", JSON.stringify({ step, text: fresh }));
      }
      lengths = lengthsOf(job);
      return text === "" ? undefined : text;
    },
    over: () => isOver(latest),
    wait: bell.wait,
    close: cancel,
  };
}
