/** One job, live: its steps, and what each of them says. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Job, JobStep, jobOutput } from "#src/protocol/job.ts";
import type { z } from "#src/protocol/schema.ts";
import { address, get, send, sentence, sentenceOf } from "../../client.ts";
import { duration } from "../../format.ts";
import { Confirm, Dialog } from "../../parts/dialog.tsx";
import { Notice } from "../../parts/notice.tsx";
import { Time } from "../../parts/time.tsx";
import { openStream } from "../../stream.ts";
import { isOver } from "./jobs.ts";
import { Since } from "./since.tsx";

type Output = z.infer<typeof jobOutput>;

export const kindWords = { deploy: "Deploy the agent", uninstall: "Take the agent off" } as const;
export const stateLooks = {
  queued: ["", "waiting"],
  running: ["busy", "running"],
  done: ["running", "done"],
  failed: ["crashed", "failed"],
  cancelled: ["", "cancelled"],
} as const satisfies Readonly<Record<Job["state"], readonly [pill: string, words: string]>>;

/** `onOver`: it has come to its end while it was looked at. */
export function JobDialog({
  id,
  onClose,
  onOver,
}: {
  readonly id: string;
  readonly onClose: () => void;
  readonly onOver: () => void;
}) {
  const { job, problem } = useJob(id, onOver);
  return (
    <Dialog title={job === undefined ? "Job" : `${kindWords[job.kind]}: ${job.hostname}`} onClose={onClose}>
      {problem !== "" && (
        <Notice tone="bad" alert>
          {problem}
        </Notice>
      )}
      {job === undefined ? problem === "" && <p class="nothing">Loading…</p> : <Shown job={job} />}
    </Dialog>
  );
}

function useJob(id: string, onOver: () => void): { readonly job: Job | undefined; readonly problem: string } {
  const [job, setJob] = useState<Job>();
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const path = address("/api/jobs/:id", { id });
    let ended = false;
    let close: (() => void) | undefined;
    let wasRunning = false;
    function follow(next: Job): void {
      setJob(next);
      if (!isOver(next)) wasRunning = true;
      else {
        // a stream that has nothing more to say would be opened again by the browser
        close?.();
        if (wasRunning) onOver();
      }
    }
    async function open(): Promise<void> {
      // why there is no such job, a stream would not tell
      const first = await get<Job>(path);
      if (ended) return;
      follow(first);
      if (isOver(first)) return;
      close = openStream(
        () => path,
        {
          job: (data) => follow(data as Job),
          output: (data) => setJob((before) => before && withOutput(before, data as Output)),
        },
        () => undefined,
      );
    }
    open().catch((error: unknown) => {
      if (!ended) setProblem(sentenceOf(error));
    });
    return () => {
      ended = true;
      close?.();
    };
  }, [id]);
  return { job, problem };
}

function withOutput(job: Job, { step, text }: Output): Job {
  return { ...job, steps: job.steps.map((one, i) => (i === step ? { ...one, output: one.output + text } : one)) };
}

function Shown({ job }: { readonly job: Job }) {
  const [pill, words] = stateLooks[job.state];
  return (
    <div class="job">
      <p class="job-state">
        <span class={`pill ${pill}`} role="status">
          {words}
        </span>
        <span>
          asked for <Time at={job.createdAt} />
          {job.createdBy !== null && ` by ${job.createdBy}`}
          {job.request.method !== undefined && `, as ${job.request.method}`}
        </span>
        {!isOver(job) && <Cancel job={job} />}
      </p>
      {job.problem !== null && (
        <Notice tone="bad" alert>
          <p>{sentence(job.problem.message)}</p>
          {job.problem.hint !== null && <p>{sentence(job.problem.hint)}</p>}
        </Notice>
      )}
      {job.state === "done" && (
        <Notice tone="good" alert>
          {job.kind === "deploy"
            ? "The agent is installed and reports."
            : "The agent is gone; its configuration stays."}
        </Notice>
      )}
      <ol class="steps">
        {job.steps.map((step, i) => (
          <Step key={`${i} ${step.name}`} step={step} />
        ))}
      </ol>
    </div>
  );
}

const stepSigns: Readonly<Record<JobStep["state"], string>> = {
  waiting: "○",
  running: "◐",
  done: "✓",
  failed: "✕",
  skipped: "–",
};

function Step({ step }: { readonly step: JobStep }) {
  const { name, state, output, omitted, startedAt, finishedAt } = step;
  const head = (
    <>
      <span class="sign" role="img" aria-label={state}>
        {stepSigns[state]}
      </span>
      <span class="name">{name}</span>
      <span class="faint">
        {startedAt !== null &&
          (finishedAt === null ? (
            state === "running" && <Since startMs={Date.parse(startedAt)} />
          ) : (
            <>{took(Date.parse(finishedAt) - Date.parse(startedAt))}</>
          ))}
      </span>
    </>
  );
  if (output === "") {
    return (
      <li data-state={state}>
        <div class="step">{head}</div>
      </li>
    );
  }
  return (
    <li data-state={state}>
      <details open={state === "running" || state === "failed"}>
        <summary class="step">{head}</summary>
        <Said text={omitted > 0 ? `… ${omitted.toLocaleString("en")} characters before this\n${output}` : output} />
      </details>
    </li>
  );
}

const took = (ms: number) => (ms < 1000 ? `${Math.max(0, ms)} ms` : duration(ms / 1000));

/** Follows its end unless the reader has scrolled up. */
function Said({ text }: { readonly text: string }) {
  const box = useRef<HTMLPreElement>(null);
  const follows = useRef(true);
  useLayoutEffect(() => {
    if (box.current !== null && follows.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  return (
    <pre
      ref={box}
      tabIndex={0}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        follows.current = scrollHeight - scrollTop - clientHeight < 8;
      }}
    >
      {text}
    </pre>
  );
}

function Cancel({ job: { id, kind } }: { readonly job: Job }) {
  return (
    <Confirm
      label="Cancel"
      title={kind === "deploy" ? "Cancel the deployment?" : "Leave the agent where it is?"}
      submit="Cancel the job"
      onConfirm={async () => {
        await send("DELETE", address("/api/jobs/:id", { id }));
      }}
    >
      What it has done on the host is undone before it is over.
    </Confirm>
  );
}
