import { describe, expect, test } from "bun:test";

import { type JobPlan, type JobRecord, type JobView, createJobs } from "#src/hub/ssh/jobs.ts";
import { maxOutput } from "#src/hub/ssh/jobs-output.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Job } from "#src/protocol/job.ts";
import { systemClock } from "#src/lib/clock.ts";
import { until } from "#test/kit/wait.ts";
import { jobsStoreOn } from "./jobs-store.ts";

type Steps = Readonly<Record<string, (view: JobView) => Promise<void>>>;

/** Jobs over a store in memory, with a plan that the test says. */
function jobsOf(
  plan: (job: Job) => Steps,
  rows = new Map<string, JobRecord>(),
  names: readonly string[] = ["one", "two"],
) {
  const undone: string[] = [];
  const warnings: string[] = [];
  const failing = { puts: false };
  const store = jobsStoreOn(rows, failing);
  const make = (job: Job): JobPlan => ({
    steps: names.map((name) => ({ name, run: plan(job)[name] ?? (async () => undefined) })),
    async undo(view) {
      undone.push(view.job.serverId);
      await plan(job)["undo"]?.(view);
    },
    close: () => undefined,
  });
  const jobs = createJobs({
    store,
    clock: systemClock,
    plan: { deploy: make, uninstall: make },
    stepNames: { deploy: names, uninstall: names },
    warn: (message) => void warnings.push(message),
  });
  const start = (serverId: string) =>
    jobs.start({ kind: "deploy", serverId, hostname: serverId, createdBy: "owner@example.com", request: {} });
  const over = async (id: string) =>
    await until(async () => {
      const job = await jobs.get(id);
      return job !== undefined && job.finishedAt !== null ? job : undefined;
    }, "the end of the job");
  return { jobs, rows, undone, warnings, failing, start, over };
}

const states = ({ state, steps }: Job) => [state, ...steps.map((step) => step.state)];

describe("jobs", () => {
  test("run their steps in order, each with what it says, and are kept", async () => {
    const { jobs, rows, start, over } = jobsOf(() => ({
      one: async ({ say }) => say("first\n"),
      two: async ({ say }) => say("second\n"),
    }));
    const { id } = await start("s1");
    const job = await over(id);
    expect(states(job)).toEqual(["done", "done", "done"]);
    expect(job.steps.map(({ output }) => output)).toEqual(["first\n", "second\n"]);
    await jobs.close();
    expect(JSON.parse(rows.get(id)?.body ?? "{}")).toEqual(job);
    expect(await jobs.of("s1")).toEqual([job]);
  });

  test("that fail undo what they did, and say why and what to do", async () => {
    const { undone, start, over } = jobsOf(() => ({
      one: async () => {
        throw new Fault("failed", "no space left", { hint: "Free some" });
      },
      undo: async ({ say }) => say("brought back\n"),
    }));
    const job = await over((await start("s1")).id);
    expect(states(job)).toEqual(["failed", "failed", "skipped"]);
    expect(job.problem).toEqual({ message: "no space left", hint: "Free some" });
    expect([job.steps[0]?.output, undone]).toEqual(["no space left. Free some\nbrought back\n", ["s1"]]);
  });

  test("say both what failed and that it could not be undone", async () => {
    const { start, over } = jobsOf(() => ({
      one: async () => {
        throw new Fault("failed", "no space left");
      },
      undo: async () => {
        throw new Fault("unavailable", "the host can't be reached", { hint: "Later" });
      },
    }));
    const job = await over((await start("s1")).id);
    expect(job.problem).toEqual({ message: "no space left; the host can't be reached", hint: "Later" });
  });

  test("of one server wait for each other, those of others don't", async () => {
    const gate = Promise.withResolvers<void>();
    const running = new Set<string>();
    let most = 0;
    const { jobs, start, over } = jobsOf((job) => ({
      one: async () => {
        running.add(job.id);
        most = Math.max(most, running.size);
        await gate.promise;
        running.delete(job.id);
      },
    }));
    const mine = [await start("s1"), await start("s1")];
    const others = await Promise.all(Array.from({ length: 12 }, (_, n) => start(`other-${n}`)));
    await until(() => most === 8, "eight jobs at once");
    expect((await jobs.get(mine[1]?.id ?? ""))?.state).toBe("queued");
    expect(jobs.busy("s1")).toBe(true);
    gate.resolve();
    for (const { id } of [...mine, ...others]) expect((await over(id)).state).toBe("done");
    expect(most).toBe(8);
    expect(jobs.busy("s1")).toBe(false);
  });

  test("of one server may wait in a small number only", async () => {
    const gate = Promise.withResolvers<void>();
    const { start } = jobsOf(() => ({ one: () => gate.promise }));
    for (let n = 0; n < 5; n++) await start("s1");
    expect(await start("s1").catch((error: unknown) => (error as Fault).code)).toBe("limited");
    gate.resolve();
  });

  test("that are cancelled end, and undo what they did; those that wait just end", async () => {
    const { jobs, undone, start, over } = jobsOf(() => ({
      one: ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    }));
    const [first, second] = [await start("s1"), await start("s1")];
    expect((await jobs.cancel(second.id))?.state).toBe("cancelled");
    await until(async () => (await jobs.get(first.id))?.steps[0]?.state === "running", "the first step");
    await jobs.cancel(first.id);
    const job = await over(first.id);
    expect([job.state, job.problem?.message, undone]).toEqual(["cancelled", "the job was cancelled", ["s1"]]);
    expect(await jobs.cancel(first.id)).toBeUndefined();
    expect((await jobs.get(second.id))?.state).toBe("cancelled");
  });

  test("are taken up from the beginning by the next life of the hub", async () => {
    const ran: string[] = [];
    const hang: Steps = {
      two: ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    };
    const first = jobsOf(() => hang);
    const [{ id }, waiting] = [await first.start("s1"), await first.start("s1")];
    await until(async () => (await first.jobs.get(id))?.steps[1]?.state === "running", "the second step");
    await first.jobs.close();
    expect(first.undone).toEqual([]);
    const second = jobsOf(
      () => ({
        one: async ({ job }) => void ran.push(job.id),
      }),
      first.rows,
    );
    await second.jobs.open();
    expect(states(await second.over(id))).toEqual(["done", "done", "done"]);
    expect(states(await second.over(waiting.id))).toEqual(["done", "done", "done"]);
    expect(ran).toEqual([id, waiting.id]);
  });

  test("that were cancelled stay so when the hub is started again before all is undone", async () => {
    // Before, the next life of the hub began the cancelled deployment anew. And undoing held up the hub's end.
    const untilAborted = ({ signal }: JobView) =>
      new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const first = jobsOf(() => ({ one: untilAborted, undo: untilAborted }));
    const { id } = await first.start("s1");
    await until(async () => (await first.jobs.get(id))?.steps[0]?.state === "running", "the first step");
    await first.jobs.cancel(id);
    await until(() => first.undone.length === 1, "the undoing");
    await first.jobs.close();
    const ran: string[] = [];
    const second = jobsOf(() => ({ one: async ({ job }) => void ran.push(job.id) }), first.rows);
    await second.jobs.open();
    const job = await second.over(id);
    expect([job.state, job.problem?.message, ran, second.undone]).toEqual([
      "cancelled",
      "the job was cancelled",
      [],
      ["s1"],
    ]);
  });

  test("that are cancelled too late are done", async () => {
    const gate = Promise.withResolvers<void>();
    const { jobs, start, over } = jobsOf(() => ({ two: () => gate.promise }));
    const { id } = await start("s1");
    await until(async () => (await jobs.get(id))?.steps[1]?.state === "running", "the last step");
    await jobs.cancel(id);
    gate.resolve();
    const { state, problem } = await over(id);
    expect([state, problem]).toEqual(["done", null]);
  });

  test("keep the end of what a step says, and count the rest", async () => {
    const { start, over } = jobsOf(() => ({
      one: async ({ say }) => {
        for (let n = 0; n < 100; n++) say("x".repeat(1000));
        say("end");
      },
    }));
    const [step] = (await over((await start("s1")).id)).steps;
    expect([step?.output.length, step?.omitted, step?.output.endsWith("xend")]).toEqual([
      maxOutput,
      100_003 - maxOutput,
      true,
    ]);
  });

  test("go on when the disk is full, and say so", async () => {
    const { jobs, failing, warnings, start } = jobsOf(() => ({ one: async () => void (failing.puts = true) }));
    const told: string[] = [];
    jobs.onChange((id) => told.push(id));
    const { id } = await start("s1");
    await until(() => !jobs.busy("s1"), "the end");
    expect(warnings[0]).toBe(`job ${id} is not on disk as it is now: disk full`);
    failing.puts = true;
    expect(await start("s1").catch((error: unknown) => (error as Error).message)).toBe("disk full");
  });

  test("of a server that is removed end", async () => {
    const { jobs, start, over } = jobsOf(() => ({
      one: ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    }));
    const { id } = await start("s1");
    await until(async () => (await jobs.get(id))?.steps[0]?.state === "running", "the first step");
    jobs.forget("s1");
    expect((await over(id)).problem?.message).toBe("the server was removed");
  });
});
