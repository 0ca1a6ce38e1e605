/** A thread that searches, with a connection of its own. Started by `pool.ts` as a worker. */
import { setPriority } from "node:os";
import { type MessagePort, parentPort } from "node:worker_threads";

import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { keep } from "#src/lib/keep.ts";
import { openBlockReader } from "../blocks/reader.ts";
import type { BlockReader } from "../blocks/reader-port.ts";
import { type Job, type Order, type Report, startJob } from "./jobs.ts";

/** A job lets others have their turn, and hears that it was cancelled, this often. Milliseconds. */
const turnMs = 10;
const aliveEveryMs = 500;
/** Where there are too few processors, what comes in goes before what is searched; see nice(2), which is a thread's own. */
const niceness = 15;

function serve(port: MessagePort): void {
  // jobs that run, and whether they still should
  const wanted = new Map<number, boolean>();
  let reader: BlockReader | undefined;
  let aliveAt = 0;
  const report = (message: Report) => port.postMessage(message);

  async function run(id: number, job: Job): Promise<void> {
    if (reader === undefined) throw new Fault("failed", "no store was opened");
    const steps = startJob(reader, job);
    let turnEnds = performance.now() + turnMs;
    for (;;) {
      const step = steps.next();
      if (step.done === true) return report({ kind: "done", id, result: step.value });
      if (step.value !== undefined) report({ kind: "part", id, part: step.value });
      const now = performance.now();
      if (now < turnEnds) continue;
      if (now > aliveAt) {
        aliveAt = now + aliveEveryMs;
        report({ kind: "alive" });
      }
      await new Promise<void>((resolve) => void setImmediate(resolve));
      if (wanted.get(id) === false) {
        steps.return(null);
        return report({ kind: "done", id, result: null });
      }
      turnEnds = performance.now() + turnMs;
    }
  }

  port.on("message", (order: Order) => {
    if (order.kind === "open") reader = openBlockReader(order.store.file);
    else if (order.kind === "start") {
      const { id, job } = order;
      report({ kind: "alive" });
      wanted.set(id, true);
      keep(
        run(id, job).finally(() => wanted.delete(id)),
        (error) => {
          const fault = error instanceof Fault ? error : new Fault("failed", reasonOf(error));
          report({ kind: "failed", id, code: fault.code, message: fault.message, hint: fault.hint ?? null });
        },
      );
    } else if (wanted.has(order.id)) wanted.set(order.id, false);
  });
}

if (parentPort !== null) {
  setPriority(niceness);
  serve(parentPort);
}
