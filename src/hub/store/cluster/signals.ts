/** What wakes those who follow something, here and on other hubs. Signals may be lost; nobody waits for them alone. */
import { type Kysely, sql } from "kysely";

import type { Cancel, Clock } from "#src/lib/clock.ts";
import type { Listen } from "../postgres/listen.ts";
import { type Calls, createCalls } from "./calls.ts";
import type { Cluster, Signal } from "./port.ts";
import { createTurn } from "./turn.ts";

const channel = "orion_signals";
/** Signals of this time go out together. */
const gatherMs = 25;

const signals: readonly Signal[] = ["logs", "events", "errors", "jobs"];
const isSignal = (text: string): text is Signal => (signals as readonly string[]).includes(text);

export type Signals = Pick<Cluster, "signal" | "onSignal"> & { close(): Promise<void> };

type SignalsLog = { warn(message: string): void };

/** Wakes those of this hub, all of them together, soon. */
export function createWaking(clock: Pick<Clock, "after">, log: SignalsLog) {
  const calls = new Map<Signal, Calls<void>>();
  const woken = new Set<Signal>();

  function callsOf(signal: Signal): Calls<void> {
    const known = calls.get(signal) ?? createCalls<void>(log);
    calls.set(signal, known);
    return known;
  }

  return {
    on: (signal: Signal, listener: () => void): Cancel => callsOf(signal).add(listener),
    wake: (signal: Signal): void => {
      if (woken.size === 0) {
        clock.after(0, () => {
          const due = [...woken];
          woken.clear();
          for (const each of due) calls.get(each)?.call();
        });
      }
      woken.add(signal);
    },
  };
}

export type SignalsWorld = {
  readonly db: Kysely<unknown>;
  readonly listen: Listen;
  readonly canNotify: boolean;
  readonly clock: Clock;
  readonly log: SignalsLog;
  /** listeners are woken this often anyway */
  readonly pollMs: number;
};

export function createSignals({ db, listen, canNotify, clock, log, pollMs }: SignalsWorld): Signals {
  const waking = createWaking(clock, log);
  let toSend = new Set<Signal>();
  let cancelSending: Cancel | undefined;
  const turn = createTurn(send, () => {
    // lost: listeners look from time to time anyway
  });

  async function send(): Promise<void> {
    const due = toSend;
    toSend = new Set();
    for (const signal of due) await sql`SELECT pg_notify(${channel}, ${signal})`.execute(db);
  }

  const unlisten = listen(channel, (payload) => {
    if (payload !== null && isSignal(payload)) waking.wake(payload);
  });

  let cancelPoll = clock.after(pollMs, poll);
  function poll(): void {
    cancelPoll = clock.after(pollMs, poll);
    for (const signal of signals) waking.wake(signal);
  }

  return {
    signal(signal) {
      waking.wake(signal);
      if (!canNotify) return;
      toSend.add(signal);
      cancelSending ??= clock.after(gatherMs, () => {
        cancelSending = undefined;
        turn.ask();
      });
    },
    onSignal: waking.on,
    async close() {
      cancelPoll();
      cancelSending?.();
      await Promise.all([unlisten(), turn.done()]);
    },
  };
}
