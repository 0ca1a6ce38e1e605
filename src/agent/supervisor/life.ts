/**
 * The life of one script: what happens is told to the state table, the effects that it answers are carried out here,
 * and each change is written down for the next daemon.
 */
import { type Cancel, timestamp } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import type { Exit } from "#src/protocol/event.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Script } from "#src/protocol/scripts.ts";

import { createBook } from "./book.ts";
import { type Capture, createCapture } from "./capture.ts";
import { describeExit, eventsOf, lineOf, tailLines } from "./crash.ts";
import { type Verdict, judgeCrash } from "./policy.ts";
import type { Life, LifeListener, LifeWorld } from "./life-door.ts";
import { launch } from "./process.ts";
import { type Run, beginRun, prepareRun, resumeRun } from "./run.ts";
import { type ScriptRecord, definitionHash } from "./state.ts";
import { statusOf } from "./status.ts";
import { type Effect, type Happening, type Machine, step } from "./table.ts";
import { problemsOf } from "./trouble.ts";
import type { Ended } from "./wait.ts";

/** The life of a script that is not started yet. */
export function createLife(world: LifeWorld, initial: Script, listener: LifeListener): Life {
  const { clock, log } = world;
  const name = initial.name;
  let script = initial;
  let machine: Machine = { state: "stopped", wanted: "down" };
  let definition = definitionHash(script);
  let run: Run | undefined;
  let capture: Capture | undefined;
  let cancelRestart: Cancel | undefined;
  let ending = false;
  let closed = false;
  let automatic = false;
  let crashes = 0;
  let restarts = 0;
  let gaveUp = false;
  let nextRestartAtMs: number | null = null;
  let lastExit: Exit | null = null;
  let problem: string | null = null;
  let notes: readonly string[] = [];
  let stuck: string | undefined;

  const book = createBook(world.records, (why) => log.error(`script ${name}: its state can't be written: ${why}`));

  function tell(happening: Happening): void {
    if (closed) return;
    const before = machine;
    const taken = step(machine, happening);
    if (taken.impossible) {
      log.error(`script ${name}: ${happening} while ${machine.state} should not be possible; ignored`);
      return;
    }
    machine = taken.machine;
    if (machine.state !== "waiting") nextRestartAtMs = null;
    if (happening === "due") automatic = true;
    if (machine.state !== before.state || machine.wanted !== before.wanted) book.write(record);
    for (const effect of taken.effects) carryOut(effect);
    if (machine.state === "stopped") listener.stopped();
  }

  function carryOut(effect: Effect): void {
    switch (effect) {
      case "spawn":
        spawn();
        break;
      case "end-tree":
        if (ending) break;
        ending = true;
        keep(endTree(), (error) => log.error(`script ${name}: ending its processes failed: ${reasonOf(error)}`));
        break;
      case "arm":
        cancelRestart = clock.after(Math.max(0, (nextRestartAtMs ?? 0) - clock.now()), () => tell("due"));
        break;
      case "disarm":
        cancelRestart?.();
        break;
    }
  }

  function spawn(): void {
    const id = `${world.instance}.${crypto.randomUUID()}`;
    definition = definitionHash(script);
    notes = [];
    if (automatic) restarts++;
    automatic = false;
    let pid: number;
    try {
      openOutput();
      const group = world.cgroups.make(name, script.memoryMax);
      const cgroup = group.kind === "made" ? group.cgroup : undefined;
      if (group.kind === "refused" && script.memoryMax !== undefined) notes = [`no memory limit: ${group.why}`];
      // written before the spawn: a daemon killed in between is followed by one that finds the process by its mark
      const beginning = prepareRun(clock, id, cgroup);
      run = beginRun(world, beginning, undefined);
      book.write(record);
      const child = launch({ script, runId: id, cgroup, pipes: capture?.pipes, inherit: world.inherit });
      pid = child.pid;
      // the child is not waited for before this returns, so that it is there even if it has ended
      const startTicks = world.processes.read(pid)?.startTicks ?? 0;
      const joined = child.inCgroup ? cgroup : undefined;
      const begun = beginRun(world, { ...beginning, cgroup: joined }, { pid, startTicks });
      begun.follow((how) => onEnd(begun, how), child.ended);
      run = begun;
      notes = [...notes, ...child.notes];
      problem = null;
    } catch (error) {
      onSpawnFailed(error);
      return;
    }
    log.info(`script ${name} started with pid ${pid}`);
    for (const note of notes) log.warn(`script ${name}: ${note}`);
    tell("spawned");
    listener.started(pid);
  }

  function openOutput(): void {
    if (script.captureOutput) {
      capture ??= createCapture(world.pipes, name);
    } else {
      capture?.remove();
      capture = undefined;
    }
  }

  function onSpawnFailed(error: unknown): void {
    const reason = reasonOf(error);
    const hint = error instanceof Fault && error.hint !== undefined ? { hint: error.hint } : {};
    run?.cgroup?.remove();
    run = undefined;
    problem = reason;
    const verdict = judgeCrash(script, crashes, null, world.random);
    const exit = { code: null, signal: null, observed: true, oom: false, at: timestamp(clock.now()) };
    onCrash(exit, verdict, reason);
    listener.startFailed(new Fault("failed", `script ${name} can't be started: ${reason}`, { ...hint, cause: error }));
  }

  function onEnd(of: Run, how: Ended): void {
    if (closed || of !== run) return;
    const exit = of.exitOf(how);
    lastExit = exit;
    capture?.drain();
    if (machine.state !== "running") {
      log.info(`script ${name} ended: ${describeExit(exit)}`);
      tell("ended");
      return;
    }
    if (of.tree.members().length === 0) leave();
    if (exit.code === 0) {
      log.info(`script ${name} ended by itself with code 0`);
      tell("ended");
      return;
    }
    onCrash(exit, judgeCrash(script, crashes, of.upMs(), world.random), undefined);
  }

  function onCrash(exit: Exit, verdict: Verdict, reason: string | undefined): void {
    const crash = { script: name, exit, verdict, reason, tail: world.output.tail(name, tailLines) };
    for (const event of eventsOf(crash)) world.events.emit(event);
    log.warn(lineOf(crash));
    ({ crashes, gaveUp } = verdict);
    const { restartInMs } = verdict;
    nextRestartAtMs = restartInMs === null ? null : clock.now() + restartInMs;
    tell(restartInMs === null ? "crashed-last" : "crashed");
  }

  async function endTree(): Promise<void> {
    const current = run;
    if (current !== undefined) {
      const left = await current.tree.end({ signal: script.killSignal, timeoutMs: script.killTimeout });
      stuck = left.length === 0 ? undefined : left.map((p) => `${p.pid} (${p.comm}, state ${p.state})`).join(", ");
      if (stuck === undefined) await current.over();
      if (closed) return;
      if (run === current) leave();
    }
    ending = false;
    tell("cleared");
  }

  /** Nothing is left of the run. */
  function leave(): void {
    capture?.finish();
    run?.unfollow();
    run?.cgroup?.remove();
    run = undefined;
  }

  function record(): ScriptRecord {
    return {
      format: 1,
      name,
      ...machine,
      bootId: world.processes.bootId() ?? null,
      run: run?.record() ?? null,
      crashes,
      restarts,
      nextRestartAt: nextRestartAtMs === null ? null : timestamp(nextRestartAtMs),
      lastExit,
      captured: capture !== undefined,
      kill: { signal: script.killSignal, timeoutMs: script.killTimeout },
      definition,
    };
  }

  /** The process that was up when the last daemon looked. */
  function follow(): Run | undefined {
    const found = run;
    found?.follow((how) => onEnd(found, how));
    return found;
  }

  return {
    machine: () => machine,
    script: () => script,
    setScript(next) {
      script = next;
    },
    pid: () => (machine.state === "running" ? run?.leader?.pid : undefined),
    tell,
    resetCounts() {
      crashes = 0;
      restarts = 0;
      automatic = false;
      gaveUp = false;
    },
    status: () => statusOf({ name, machine, run, crashes, restarts, lastExit, nextRestartAtMs, problem }),
    problems: () => problemsOf(name, { problem, notes, stuck, unwritten: book.unwritten(), gaveUp, crashes }),
    stuck: () => stuck,
    restore(left, decision, leader) {
      ({ crashes, restarts, lastExit, definition } = left);
      run = left.run === null ? undefined : resumeRun(world, left.run, leader);
      capture = left.captured ? createCapture(world.pipes, name) : undefined;
      switch (decision) {
        case "adopt":
        case "adopt-changed":
          log.info(`script ${name} goes on with pid ${follow()?.leader?.pid}`);
          tell("found-running");
          break;
        case "unseen":
          tell("found-running");
          if (run !== undefined) onEnd(run, { kind: "unobserved" });
          break;
        case "go-on-waiting":
          nextRestartAtMs = left.nextRestartAt === null ? clock.now() : Date.parse(left.nextRestartAt);
          tell("found-waiting");
          break;
        case "go-on-starting":
          follow();
          tell("start");
          break;
        case "go-on-stopping":
        case "remove":
          follow();
          tell("stop");
          break;
        case "stay-crashed":
          gaveUp = script.autoRestart;
          tell("found-crashed");
          break;
        case "stay-stopped":
        case "start":
        case "leave":
        case "forget":
          break;
      }
    },
    hurry: (killAtMs) => run?.tree.hurry(killAtMs),
    close(what) {
      if (closed) return;
      if (what === "next") book.write(record);
      closed = true;
      cancelRestart?.();
      run?.unfollow();
      if (what !== "next") world.records.remove(name);
      if (what === "nothing") (capture ?? createCapture(world.pipes, name)).remove();
      else capture?.close();
    },
    closed: () => closed,
    sample(all) {
      if (run === undefined) return;
      const members = run.sample(all);
      // what a script had left behind when it ended has now ended as well
      if (members > 0 || !run.ended || ending || run.tree.members().length > 0) return;
      leave();
      book.write(record);
    },
  };
}
