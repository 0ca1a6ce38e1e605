/**
 * Error groups with several hubs: one of them follows the log (it has the duty), all answer from a copy of their own. What
 * people decide elsewhere is handed to the one with the duty.
 */
import type { Cancel } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import type { ErrorGroup } from "#src/protocol/error-group.ts";
import type { PruneLimits } from "#src/protocol/error-rows.ts";
import { Fault, type FaultCode, reasonOf } from "#src/protocol/fault.ts";
import { type Errors, type ErrorsWorld, type Told, createErrors } from "./errors.ts";
import { createReads } from "./group-reads.ts";
import type { SharedStore } from "./port.ts";
import type { RegroupProgress, RegroupReport } from "./regroup.ts";

/** Groups are opened again whose time has come, also when nobody reads them here. */
const dueEveryMs = 1000;
/** After another hub has taken over what is still this hub's duty. */
const againAfterMs = 5000;
/** How often another hub is told how grouping anew gets on. */
const progressEveryMs = 500;

export type SharedErrorsWorld = Omit<ErrorsWorld, "store"> & {
  readonly shared: SharedStore;
  /** Learns where the log ends from the database: this hub may not have heard of all that others have read. */
  readonly refreshHead: () => Promise<unknown>;
};

/** What people do with groups, on whichever hub. */
export type ErrorsDoor = Omit<Errors, "start" | "stop" | "abandon" | "settle" | "decide" | "prune"> & {
  /** Durable when it resolves, and seen here. Rejects as `Errors.decide` throws, `unavailable` if nobody can do it. */
  decide(...decision: Parameters<Errors["decide"]>): Promise<ErrorGroup | undefined>;
  prune(projects: PruneLimits["projects"]): Promise<number>;
};

export type SharedErrors = ErrorsDoor & {
  /** That of grouping, which one hub at a time has. */
  readonly duty: { begin(): Promise<void>; end(): Promise<void> };
  close(): Promise<void>;
};

type Wish =
  | { readonly do: "decide"; readonly decision: Parameters<Errors["decide"]> }
  | { readonly do: "prune"; readonly projects: PruneLimits["projects"] }
  | { readonly do: "regroup"; readonly sinceMs: number };

type Reply<T> =
  | { readonly value?: T }
  | { readonly fault: { readonly code: FaultCode; readonly message: string; readonly hint: string | undefined } };

export function createSharedErrors(world: SharedErrorsWorld): SharedErrors {
  const { shared, owners, clock, warn } = world;
  const listeners = new Set<(told: Told) => void>();
  const copied = createReads({
    store: shared.store,
    nowMs: () => clock.now(),
    nameOf: owners.nameOf,
    settle: () => undefined,
  }).door;
  let leading: Errors | undefined;
  let isWanted = false;
  let cancelDue: Cancel | undefined;
  let cancelAgain: Cancel | undefined;

  const reads = () => leading ?? copied;

  function say(told: Told): void {
    for (const listener of listeners) listener(told);
  }

  shared.onTold((all) => {
    for (const told of all ?? [{ kind: "all" }]) say(told as Told);
  });

  async function begin(): Promise<void> {
    const started = Promise.withResolvers<Errors | undefined>();
    let isOver = false;
    await shared.begin({
      asked(body, reply, onProgress) {
        keep(
          started.promise.then((errors) => carryOut(errors, JSON.parse(body) as Wish, reply, onProgress)),
          (error) => warn(`can't do what another hub asks: ${reasonOf(error)}`),
        );
      },
      onOver() {
        isOver = true;
        abandon();
      },
    });
    try {
      await world.refreshHead();
      if (isOver || !isWanted) throw new Fault("unavailable", "the duty has ended already");
      const errors = createErrors({ ...world, store: shared.store });
      errors.onChange((told) => {
        shared.tell(told);
        say(told);
      });
      leading = errors;
      errors.start();
      watchDue(errors);
      started.resolve(errors);
    } catch (error) {
      started.resolve(undefined);
      await shared.end();
      throw error;
    }
  }

  function watchDue(errors: Errors): void {
    cancelDue = clock.after(dueEveryMs, () => {
      errors.settle();
      watchDue(errors);
    });
  }

  /** Another hub groups: what was not written is counted there. */
  function abandon(): void {
    cancelDue?.();
    leading?.abandon();
    leading = undefined;
    cancelAgain?.();
    if (!isWanted) return;
    // two hubs must not take it from each other all the time
    cancelAgain = clock.after(againAfterMs, () => {
      if (!isWanted || leading !== undefined) return;
      keep(begin(), (error) => {
        warn(`can't group errors, it is tried again: ${reasonOf(error)}`);
        if (leading === undefined) abandon();
      });
    });
  }

  /** Replies right after what is done, so that both are written or none. */
  function carryOut(
    errors: Errors | undefined,
    wish: Wish,
    reply: (answer: string) => void,
    onProgress: (progress: string) => void,
  ): void {
    const answer = (value: unknown) => reply(JSON.stringify({ value } satisfies Reply<unknown>));
    const refuse = (error: unknown) => reply(JSON.stringify(refusal(error)));
    try {
      if (errors === undefined || errors !== leading) throw new Fault("unavailable", "another hub groups errors now");
      switch (wish.do) {
        case "decide":
          return answer(errors.decide(...wish.decision));
        case "prune":
          return answer(errors.prune(wish.projects));
        case "regroup":
          keep(errors.regroup(wish.sinceMs, seldom(onProgress)).then(answer), refuse);
      }
    } catch (error) {
      refuse(error);
    }
  }

  function seldom(onProgress: (progress: string) => void): (progress: RegroupProgress) => void {
    let nextMs = 0;
    return (progress) => {
      const nowMs = clock.monotonic();
      if (nowMs < nextMs) return;
      nextMs = nowMs + progressEveryMs;
      onProgress(JSON.stringify(progress));
    };
  }

  async function ask<T>(wish: Wish, onProgress?: (progress: RegroupProgress) => void): Promise<T> {
    const tell =
      onProgress === undefined ? undefined : (text: string) => onProgress(JSON.parse(text) as RegroupProgress);
    const reply = JSON.parse(await shared.ask(JSON.stringify(wish), tell)) as Reply<T>;
    if (!("fault" in reply)) return reply.value as T;
    const { code, message, hint } = reply.fault;
    throw new Fault(code, message, hint === undefined ? {} : { hint });
  }

  async function end(): Promise<void> {
    isWanted = false;
    cancelAgain?.();
    cancelDue?.();
    leading?.stop();
    leading = undefined;
    await shared.end();
  }

  return {
    list: (query) => reads().list(query),
    get: (projects, fingerprint) => reads().get(projects, fingerprint),
    detail: (projects, fingerprint) => reads().detail(projects, fingerprint),
    samples: (projects, fingerprint, before, limit) => reads().samples(projects, fingerprint, before, limit),
    fingerprintsOf: (events) => reads().fingerprintsOf(events),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async decide(...decision) {
      if (leading === undefined) return await ask({ do: "decide", decision });
      const group = leading.decide(...decision);
      await shared.settled();
      return group;
    },
    async prune(projects) {
      return leading === undefined ? await ask({ do: "prune", projects }) : leading.prune(projects);
    },
    async regroup(sinceMs, onProgress) {
      if (leading === undefined) return await ask<RegroupReport>({ do: "regroup", sinceMs }, onProgress);
      const report = await leading.regroup(sinceMs, onProgress);
      await shared.settled();
      return report;
    },
    figures: () => leading?.figures() ?? { behind: 0, events: 0 },
    duty: {
      async begin() {
        isWanted = true;
        try {
          await begin();
        } catch (error) {
          isWanted = false;
          throw error;
        }
      },
      end,
    },
    async close() {
      await end();
      await shared.close();
    },
  };
}

function refusal(error: unknown): Reply<never> {
  if (!(error instanceof Fault)) return { fault: { code: "failed", message: reasonOf(error), hint: undefined } };
  const { code, message, hint } = error;
  return { fault: { code, message, hint } };
}
