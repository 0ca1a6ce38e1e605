import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { type JobPlan, type JobRecord, type JobView, type Jobs, createJobs } from "#src/hub/ssh/jobs.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { Fault } from "#src/protocol/fault.ts";
import type { Job } from "#src/protocol/job.ts";
import { jobsStoreOn } from "#test/hub/ssh/jobs-store.ts";
import { until } from "#test/kit/wait.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

type Step = (view: JobView, hub: string) => Promise<void>;
type Hub = { readonly jobs: Jobs; member: boolean; readonly warnings: string[]; close(): Promise<void> };

/** Hubs over one store of jobs; what one writes the others read again at once. */
function hubsOf(steps: Readonly<Record<string, Step>>, rows = new Map<string, JobRecord>()) {
  const hubs = new Map<string, Hub>();
  const goneListeners = new Set<(id: string) => void>();
  const ran: string[] = [];
  const undone: string[] = [];
  /** servers on which something runs, by whom */
  const busy = new Map<string, string>();
  const clashes: string[] = [];

  function hub(id: string): Hub {
    const warnings: string[] = [];
    const store = jobsStoreOn(rows, { puts: false }, (job) => {
      for (const [other, { jobs }] of hubs) {
        if (other !== id) setImmediate(() => void jobs.refresh([job]).catch(() => undefined));
      }
    });
    const plan = (job: Job): JobPlan => ({
      steps: Object.entries(steps).map(([name, run]) => ({
        name,
        async run(view) {
          const other = busy.get(job.serverId);
          if (other !== undefined) clashes.push(`${job.serverId}: ${other} and ${id}`);
          busy.set(job.serverId, id);
          ran.push(`${id} ${name}`);
          try {
            await run(view, id);
          } finally {
            busy.delete(job.serverId);
          }
        },
      })),
      undo: async () => void undone.push(id),
      close: () => undefined,
    });
    const names = Object.keys(steps);
    const jobs = createJobs({
      store,
      clock: systemClock,
      plan: { deploy: plan, uninstall: plan },
      stepNames: { deploy: names, uninstall: names },
      warn: (message) => void warnings.push(message),
      shareWithinMs: 20,
      cluster: {
        hubId: () => id,
        isMember: () => made.member,
        isGone: async (other) => !hubs.has(other),
        onGone(listener) {
          goneListeners.add(listener);
          return () => void goneListeners.delete(listener);
        },
      },
    });
    const made: Hub = { jobs, member: true, warnings, close: () => jobs.close() };
    hubs.set(id, made);
    return made;
  }

  /** It is gone for the others; it may not know that yet. */
  function lose(id: string): void {
    hubs.delete(id);
    for (const listener of goneListeners) listener(id);
  }

  const start = ({ jobs }: Hub, serverId = "s1") =>
    jobs.start({ kind: "deploy", serverId, hostname: serverId, createdBy: "owner@example.com", request: {} });
  const over = ({ jobs }: Hub, id: string) =>
    until(
      async () => {
        const job = await jobs.get(id);
        return job !== undefined && job.finishedAt !== null ? job : undefined;
      },
      `the end of the job; it is ${JSON.stringify(rows.get(id))}`,
    );
  /** Whether some hub does something on that server. */
  const isBusy = (serverId: string) => busy.has(serverId);
  return { hub, lose, start, over, ran, undone, clashes, isBusy };
}

const untilAborted = ({ signal }: JobView) =>
  new Promise<void>((_, reject) => {
    if (signal.aborted) reject(signal.reason as Fault);
    signal.addEventListener("abort", () => reject(signal.reason as Fault));
  });

describe("a job of several hubs", () => {
  test("is done by the one that was asked, and seen on the other as it goes on", async () => {
    const gate = Promise.withResolvers<void>();
    const { hub, start, over, ran } = hubsOf({
      async one({ say }) {
        say("half way\n");
        await gate.promise;
      },
    });
    const [a, b] = [hub("a"), hub("b")];
    const told: string[] = [];
    b.jobs.onChange((id) => told.push(id));
    const { id } = await start(a);
    await until(async () => (await b.jobs.get(id))?.steps[0]?.output === "half way\n", "what it says");
    expect([b.jobs.busy("s1"), (await b.jobs.of("s1")).length, told.includes(id)]).toEqual([true, 1, true]);
    gate.resolve();
    expect(await over(b, id)).toEqual(await over(a, id));
    await until(() => !b.jobs.busy("s1"), "its end on the other");
    expect(ran).toEqual(["a one"]);
    await Promise.all([a.close(), b.close()]);
  });

  test("is cancelled from any of them, and undone where it ran", async () => {
    const { hub, start, over, undone } = hubsOf({ one: untilAborted });
    const [a, b] = [hub("a"), hub("b")];
    const { id } = await start(a);
    await until(async () => (await b.jobs.get(id))?.state === "running", "its beginning");
    expect((await b.jobs.cancel(id))?.problem?.message).toBe("the job was cancelled");
    expect([(await over(b, id)).state, undone]).toEqual(["cancelled", ["a"]]);
    expect(await b.jobs.cancel(id)).toBeUndefined();
    await Promise.all([a.close(), b.close()]);
  });

  test("ends at once when it waits and is cancelled on another hub", async () => {
    const { hub, start, ran } = hubsOf({ one: untilAborted });
    const [a, b] = [hub("a"), hub("b")];
    await start(a);
    const second = await start(a);
    expect((await b.jobs.cancel(second.id))?.state).toBe("cancelled");
    await until(async () => (await a.jobs.get(second.id))?.state === "cancelled", "its end where it was asked for");
    expect(ran).toEqual(["a one"]);
    await Promise.all([a.close(), b.close()]);
  });

  test("is taken up from the beginning when its hub is gone, by one of the others", async () => {
    let hang = true;
    const { hub, lose, start, over, ran, clashes, isBusy } = hubsOf({
      one: async () => undefined,
      two: async (view) => {
        if (hang) await untilAborted(view);
      },
    });
    const [a, b, c] = [hub("a"), hub("b"), hub("c")];
    await Promise.all([b.jobs.open(), c.jobs.open()]);
    const { id } = await start(a);
    await until(() => ran.includes("a two"), "the second step");
    hang = false;
    // whoever counts as gone has let go before
    a.member = false;
    await until(() => !isBusy("s1"), "it to let go");
    lose("a");
    expect((await over(b, id)).state).toBe("done");
    const rest = ran.slice(2);
    expect([
      ["b one", "b two"],
      ["c one", "c two"],
    ]).toContainEqual(rest);
    expect(clashes).toEqual([]);
    await Promise.all([a.close(), b.close(), c.close()]);
  });

  test("is let go of by a hub that has lost touch, which writes nothing of it any more", async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { hub, lose, start, over, ran } = hubsOf({
      // does not listen to its signal: as a host that does not answer
      one: async (_, id) => await gates[id === "a" ? 0 : 1]?.promise,
    });
    const [a, b] = [hub("a"), hub("b")];
    await b.jobs.open();
    const { id } = await start(a);
    await until(() => ran.length === 1, "its beginning");
    lose("a");
    await until(() => ran.length === 2, "the other hub to take it up");
    gates[0]?.resolve();
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect((await b.jobs.get(id))?.state).toBe("running");
    gates[1]?.resolve();
    expect((await over(b, id)).state).toBe("done");
    expect(ran).toEqual(["a one", "b one"]);
    await Promise.all([a.close(), b.close()]);
  });

  test("goes on with the hub that has it after the database was away, and with no other", async () => {
    let runs = 0;
    const { hub, start, over, ran, isBusy } = hubsOf({
      one: async (view) => {
        if (++runs === 1) await untilAborted(view);
      },
    });
    const [a, b] = [hub("a"), hub("b")];
    await b.jobs.open();
    const { id } = await start(a);
    await until(() => ran.length === 1, "its beginning");
    a.member = b.member = false;
    await until(() => !isBusy("s1"), "it to let go");
    a.member = b.member = true;
    expect((await over(b, id)).state).toBe("done");
    expect(ran).toEqual(["a one", "a one"]);
    await Promise.all([a.close(), b.close()]);
  });

  test("that a hub lets go of as it ends is taken up at once", async () => {
    let hang = true;
    const { hub, start, over, ran } = hubsOf({
      one: async (view) => {
        if (hang) await untilAborted(view);
      },
    });
    const [a, b] = [hub("a"), hub("b")];
    await b.jobs.open();
    const { id } = await start(a);
    await until(() => ran.length === 1, "its beginning");
    hang = false;
    await a.close();
    expect((await over(b, id)).state).toBe("done");
    expect(ran).toEqual(["a one", "b one"]);
    await b.close();
  });

  test("runs once, and one at a time for each server, whatever hubs are asked, lost and ended", async () => {
    const orders = fc.array(
      fc.record({ hub: fc.constantFrom(0, 1, 2), server: fc.constantFrom("s1", "s2"), turns: fc.nat({ max: 5 }) }),
      { minLength: 1, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(orders, async (asked) => {
        const { hub, start, over, ran, clashes } = hubsOf({ one: () => Bun.sleep(1) });
        const hubs = [hub("a"), hub("b"), hub("c")];
        for (const { jobs } of hubs) await jobs.open();
        const made: Promise<Job[]>[] = [];
        // no more than a few may wait for a server
        const refused = (error: unknown): Job[] => {
          expect(error).toMatchObject({ code: "limited" });
          return [];
        };
        for (const { hub: index, server, turns } of asked) {
          made.push(start(hubs[index] as Hub, server).then((job) => [job], refused));
          for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        }
        const started = (await Promise.all(made)).flat();
        for (const { id } of started) expect((await over(hubs[0] as Hub, id)).state).toBe("done");
        expect([ran.length, clashes]).toEqual([started.length, []]);
        for (const one of hubs) await one.close();
      }),
      { numRuns: 4 },
    );
  });
});
