/**
 * A thread that searches in ClickHouse, with a connection of its own. Started by `../../search/pool.ts` as a worker: what
 * SQL can't decide is matched here, where an expression that takes too long holds up nobody else.
 */
import { setPriority } from "node:os";
import { type MessagePort, parentPort } from "node:worker_threads";

import { systemClock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Order, Report } from "../../search/jobs.ts";
import { openClickhouse } from "../client.ts";
import { type ClickhouseStore, runJob } from "./jobs.ts";
import type { FindWorld } from "./find.ts";
import { createReading } from "./reading.ts";
import { createSpread } from "./spread.ts";

const aliveEveryMs = 500;
/** Where there are too few processors, what comes in goes before what is searched; see nice(2), which is a thread's own. */
const niceness = 15;

function serve(port: MessagePort): void {
  const running = new Map<number, AbortController>();
  let store: ClickhouseStore | undefined;
  let world: Promise<FindWorld> | undefined;
  const report = (message: Report) => port.postMessage(message);

  async function open(): Promise<FindWorld> {
    if (store === undefined) throw new Fault("failed", "no store was opened");
    const { url, cluster } = store;
    // the hub has waited for it already: whoever searches is told at once that it is away
    const clickhouse = await openClickhouse(url, { clock: systemClock, log: { info() {} }, cluster, startMs: 0 });
    const own = { reading: createReading(clickhouse), ...systemClock };
    return { ...own, spread: createSpread(own) };
  }

  async function run(id: number, { job }: Extract<Order, { kind: "start" }>, signal: AbortSignal): Promise<void> {
    world ??= open();
    let ready: FindWorld;
    try {
      ready = await world;
    } catch (error) {
      // the next one tries again
      world = undefined;
      throw error;
    }
    try {
      const result = await runJob(ready, job, (part) => report({ kind: "part", id, part }), signal);
      report({ kind: "done", id, result });
    } catch (error) {
      if (!signal.aborted) throw error;
      report({ kind: "done", id, result: null });
    }
  }

  function start(order: Extract<Order, { kind: "start" }>): void {
    const { id } = order;
    const stop = new AbortController();
    running.set(id, stop);
    report({ kind: "alive" });
    keep(
      run(id, order, stop.signal).finally(() => running.delete(id)),
      (error) => {
        const fault = error instanceof Fault ? error : new Fault("failed", reasonOf(error));
        report({ kind: "failed", id, code: fault.code, message: fault.message, hint: fault.hint ?? null });
      },
    );
  }

  // while it waits for an answer it is alive; in an expression that hangs, it can't say so
  setInterval(() => {
    if (running.size > 0) report({ kind: "alive" });
  }, aliveEveryMs);
  port.on("message", (order: Order<ClickhouseStore>) => {
    if (order.kind === "open") ({ store } = order);
    else if (order.kind === "start") start(order);
    else running.get(order.id)?.abort();
  });
}

if (parentPort !== null) {
  setPriority(niceness);
  serve(parentPort);
}
