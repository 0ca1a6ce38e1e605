/** One supervised script as others see it: orders, carried out one after the other, each answered with its outcome. */
import { Fault } from "#src/protocol/fault.ts";
import type { ScriptStatus } from "#src/protocol/heartbeat.ts";
import type { Problem } from "#src/protocol/ipc.ts";
import type { Script } from "#src/protocol/scripts.ts";

import { createLife } from "./life.ts";
import type { Life, LifeWorld } from "./life-door.ts";
import { createQueue } from "./queue.ts";
import { definitionHash } from "./state.ts";

export type Started = { readonly pid: number };

export type Unit = {
  script(): Script;
  status(): ScriptStatus;
  problems(): Problem[];
  /** Takes up what an earlier daemon left, as decided; a leader was found by the mark of its run. */
  readonly restore: Life["restore"];
  /** Starts it; one that runs is left alone. Counts begin again. @throws {Fault} why it could not be started */
  start(): Promise<Started>;
  stop(): Promise<void>;
  restart(): Promise<Started>;
  /** Takes new settings. @returns whether it was restarted for them */
  change(script: Script): Promise<boolean>;
  /** Stops it and deletes its pipes, its output's position and its record. */
  remove(): Promise<void>;
  /** Stops it, out of turn and killing at `killAtMs` of the monotonic clock; the next daemon begins anew. */
  shutDown(killAtMs: number): Promise<void>;
  /** Lets go of everything and ends nothing: the next daemon takes over. */
  letGo(): void;
  readonly sample: Life["sample"];
};

/** A script that is not started yet. */
export function createUnit(world: LifeWorld, script: Script): Unit {
  const { name } = script;
  const queue = createQueue();
  let starting: PromiseWithResolvers<Started> | undefined;
  let stopping: PromiseWithResolvers<void> | undefined;
  const life = createLife(world, script, {
    started: (pid) => starting?.resolve({ pid }),
    startFailed: (fault) => starting?.reject(fault),
    stopped() {
      stopping?.resolve();
      stopping = undefined;
      starting?.reject(new Fault("conflict", `script ${name} was stopped before it was started`));
    },
  });
  const leaving = (): Fault => new Fault("unavailable", "the agent is shutting down");

  async function startAnew(order: "start" | "restart"): Promise<Started> {
    if (life.closed()) throw leaving();
    const outcome = Promise.withResolvers<Started>();
    starting = outcome;
    try {
      life.resetCounts();
      life.tell(order);
      return await outcome.promise;
    } finally {
      starting = undefined;
    }
  }

  async function stopWhole(): Promise<void> {
    if (life.closed()) throw leaving();
    stopping ??= Promise.withResolvers<void>();
    const stopped = stopping.promise;
    life.tell("stop");
    await stopped;
    const stuck = life.stuck();
    if (stuck === undefined) return;
    throw new Fault("failed", `script ${name} could not be stopped whole: process ${stuck} can't be killed`, {
      hint: "A process in state D waits in the kernel, mostly for a disk or a network filesystem",
    });
  }

  return {
    script: () => life.script(),
    status: () => life.status(),
    problems: () => life.problems(),
    restore: (...left) => life.restore(...left),
    sample: (all) => life.sample(all),
    start: () =>
      queue(async () => {
        const pid = life.pid();
        return pid === undefined ? startAnew("start") : { pid };
      }),
    stop: () => queue(stopWhole),
    restart: () => queue(() => startAnew("restart")),
    change: (next) =>
      queue(async () => {
        if (life.closed()) throw leaving();
        if (definitionHash(next) === definitionHash(life.script())) {
          life.setScript(next);
          return false;
        }
        const { wanted } = life.machine();
        // with the signal and the patience of before
        await stopWhole();
        life.setScript(next);
        if (wanted === "down") return false;
        await startAnew("start");
        return true;
      }),
    remove: () =>
      queue(async () => {
        await stopWhole();
        life.close("nothing");
      }),
    async shutDown(killAtMs) {
      life.hurry(killAtMs);
      try {
        if (!life.closed()) await stopWhole();
      } finally {
        life.close("anew");
      }
    },
    letGo() {
      life.close("next");
      starting?.reject(leaving());
      stopping?.reject(leaving());
    },
  };
}
