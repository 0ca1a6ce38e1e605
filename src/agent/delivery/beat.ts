/** The heartbeat: sent on a beat of its own, never stored, since only the newest one is of use. */
import { exponentialDelay } from "#src/lib/backoff.ts";
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { type Heartbeat, heartbeatAnswer } from "#src/protocol/heartbeat.ts";
import { z } from "#src/protocol/schema.ts";

import type { Client } from "./client.ts";
import type { Connection } from "./door.ts";

const retryBaseMs = 1_000;
const retryCeilingMs = 60_000;

export type Beat = {
  start(): void;
  stop(): void;
  /** Beats now, then goes on at the interval. */
  now(): void;
  setInterval(seconds: number): void;
};

export function createBeat(world: {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void };
  readonly connection: () => Connection | null;
  readonly read: () => Promise<Heartbeat>;
  readonly seconds: number;
}): Beat {
  const { client, clock, log } = world;
  let seconds = world.seconds;
  let failures = 0;
  let cancel: Cancel | undefined;
  let sending = false;
  let running = false;

  function next(delayMs: number): void {
    cancel?.();
    if (!running) return;
    cancel = clock.after(delayMs, beat);
  }

  function beat(): void {
    const to = world.connection();
    if (to === null) {
      next(seconds * 1000);
      return;
    }
    if (sending) return;
    sending = true;
    keep(send(to), (error) => {
      sending = false;
      fail(String(error));
    });
  }

  async function send(to: Connection): Promise<void> {
    const body = JSON.stringify(await world.read());
    const answer = await client(to, {
      path: "/api/v1/agent/heartbeat",
      body,
      headers: { "content-type": "application/json" },
    });
    sending = false;
    if (answer.kind !== "ok") {
      fail(answer.reason);
      return;
    }
    if (failures > 0) log.info(`heartbeats arrive again after ${failures} failures`);
    failures = 0;
    const known = z.safeParse(heartbeatAnswer, answer.body);
    if (!known.success) log.warn("the hub's answer to a heartbeat is not understood");
    next(seconds * 1000);
  }

  function fail(reason: string): void {
    const delay = exponentialDelay(retryBaseMs, retryCeilingMs, failures);
    if (failures === 0) log.warn(`heartbeat failed: ${reason}`);
    failures++;
    next(delay);
  }

  return {
    start() {
      running = true;
      beat();
    },
    stop() {
      running = false;
      cancel?.();
      cancel = undefined;
    },
    now() {
      if (running) beat();
    },
    setInterval(value) {
      if (value === seconds) return;
      seconds = value;
      if (running && !sending) next(seconds * 1000);
    },
  };
}
