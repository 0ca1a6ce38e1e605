/**
 * Searches run on threads of their own, so that neither a long one nor a pathological expression keeps the hub from its
 * other work. Threads are started when they are needed and end when nothing was asked for a while.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";

import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { SearchPart } from "../log-port.ts";
import type { BlockFile, Job, Order, Report, Result } from "./jobs.ts";

/**
 * One for a long search, one for what is short meanwhile; with two processors one of all, which gives each job its turn: what
 * comes in has the other processor.
 */
const maxThreads = Math.max(1, Math.min(2, availableParallelism() - 1));
/** A thread that nothing was asked of ends after this long, in milliseconds: it holds some 20 MiB, and starts in 0.1 s. */
const idleMs = 600_000;
/** A thread that says nothing for this long while it works hangs in an expression, and is ended. Milliseconds. */
const stuckMs = 15_000;
const checkEveryMs = 1000;

/** Milliseconds, for tests that can't wait so long. */
export type PoolTimes = { readonly idleMs?: number; readonly stuckMs?: number; readonly checkMs?: number };

export type Pool = {
  /** Runs a job; its parts go to `take`. Resolves with null when it was aborted. */
  run(job: Job, take: (part: SearchPart) => void, signal?: AbortSignal): Promise<Result>;
  /** Threads that are there. */
  threads(): number;
  close(): void;
};

type Running = {
  readonly take: (part: SearchPart) => void;
  readonly done: (result: Result) => void;
  readonly fail: (fault: Fault) => void;
};

type Thread = {
  readonly worker: Worker;
  readonly jobs: Map<number, Running>;
  /** when it last told or was asked something */
  seenAt: number;
  /** it has told something since it was asked: it has started, however busy the machine is */
  heard: boolean;
};

/** The program of a thread: one of those in scripts/build.ts, by its folder here. */
export type Program = "search" | "clickhouse/search";

/** Where a thread's program is: beside this file, or inside the compiled binary. */
function placeOf(program: Program): string | URL {
  const compiled = import.meta.url.startsWith("file:///$bunfs/");
  return compiled
    ? `/$bunfs/root/src/hub/store/${program}/thread.js`
    : new URL(`../${program}/thread.ts`, import.meta.url);
}

/** Threads that search the store in `file`, which must be there when the first job comes. */
export function createPool(file: string, times: PoolTimes = {}): Pool {
  return createPoolOf("search", { file } satisfies BlockFile, times);
}

/** Threads of a program that search a store, which must be there when the first job comes. */
export function createPoolOf(program: Program, store: object, times: PoolTimes = {}): Pool {
  const { idleMs: idle = idleMs, stuckMs: stuck = stuckMs, checkMs = checkEveryMs } = times;
  const threads = new Set<Thread>();
  let jobs = 0;
  let closed = false;
  let check: ReturnType<typeof setInterval> | undefined;

  function startThread(): Thread {
    const worker = new Worker(placeOf(program));
    const thread: Thread = { worker, jobs: new Map(), seenAt: performance.now(), heard: false };
    worker.on("message", (report: Report) => hear(thread, report));
    worker.on("error", (error) => end(thread, new Fault("failed", `a search failed: ${reasonOf(error)}`)));
    tell(thread, { kind: "open", store });
    // it does not keep the process alive
    worker.unref();
    threads.add(thread);
    check ??= setInterval(checkAll, checkMs);
    check.unref();
    return thread;
  }

  function tell(thread: Thread, order: Order<object>): void {
    thread.worker.postMessage(order, []);
  }

  function hear(thread: Thread, report: Report): void {
    thread.seenAt = performance.now();
    thread.heard = true;
    if (report.kind === "alive") return;
    const job = thread.jobs.get(report.id);
    if (report.kind === "part") return job?.take(report.part);
    thread.jobs.delete(report.id);
    if (report.kind === "done") return job?.done(report.result);
    const { code, message, hint } = report;
    job?.fail(new Fault(code, message, hint === null ? {} : { hint }));
  }

  function end(thread: Thread, fault: Fault): void {
    threads.delete(thread);
    for (const job of thread.jobs.values()) job.fail(fault);
    thread.jobs.clear();
    // it is gone either way, and what it would still say is about nothing
    void thread.worker.terminate();
    if (threads.size > 0) return;
    clearInterval(check);
    check = undefined;
  }

  function checkAll(): void {
    const now = performance.now();
    for (const thread of threads) {
      const silentMs = now - thread.seenAt;
      if (thread.jobs.size > 0 && thread.heard && silentMs > stuck) {
        const hint = "Make the expression simpler, or limit the search to less time";
        end(thread, new Fault("limited", "the search hung in an expression that takes too long", { hint }));
      } else if (thread.jobs.size === 0 && silentMs > idle) {
        end(thread, new Fault("unavailable", "the thread has ended"));
      }
    }
  }

  /** An idle one, a new one, or the one with the least to do. */
  function choose(): Thread {
    const [least] = [...threads].toSorted((a, b) => a.jobs.size - b.jobs.size);
    if (least === undefined || (least.jobs.size > 0 && threads.size < maxThreads)) return startThread();
    return least;
  }

  return {
    run(job, take, signal) {
      if (closed) return Promise.reject(new Fault("unavailable", "the store is closed"));
      if (signal?.aborted === true) return Promise.resolve(null);
      const thread = choose();
      const id = ++jobs;
      const { promise, resolve, reject } = Promise.withResolvers<Result>();
      const abort = () => {
        if (threads.has(thread)) tell(thread, { kind: "cancel", id });
        thread.jobs.delete(id);
        resolve(null);
      };
      signal?.addEventListener("abort", abort);
      const leave = () => signal?.removeEventListener("abort", abort);
      if (thread.jobs.size === 0) thread.heard = false;
      thread.jobs.set(id, {
        take,
        done(result) {
          leave();
          resolve(result);
        },
        fail(fault) {
          leave();
          reject(fault);
        },
      });
      thread.seenAt = performance.now();
      tell(thread, { kind: "start", id, job });
      return promise;
    },
    threads: () => threads.size,
    close() {
      closed = true;
      for (const thread of threads) end(thread, new Fault("unavailable", "the store is closed"));
    },
  };
}
