/**
 * The door of the supervisor: all scripts of this machine. Orders to one script are carried out one after the other,
 * different scripts never wait for each other.
 */
import { readFileSync } from "node:fs";

import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { ScriptStatus } from "#src/protocol/heartbeat.ts";
import type { Problem } from "#src/protocol/ipc.ts";
import { check } from "#src/protocol/schema.ts";
import { type Script, script as scriptSchema } from "#src/protocol/scripts.ts";

import { decide } from "./adopt.ts";
import { type CgroupPlace, findCgroupPlace } from "./cgroup-place.ts";
import { createCgroups } from "./cgroup.ts";
import { runMark } from "./environment.ts";
import type { LifeWorld } from "./life-door.ts";
import { rebuildRecords } from "./lost.ts";
import type { CapturePipes } from "./output.ts";
import type { EventPort, LogPort, OutputPort } from "./ports.ts";
import { type ProcessStat, openProcesses } from "./processes.ts";
import { type BrokenRecord, type ScriptRecord, openRecords } from "./state.ts";
import { type Started, type Unit, createUnit } from "./unit.ts";
import { createWatcher } from "./wait.ts";

export type SupervisorWorld = {
  readonly runDir: string;
  /** procfs of the pid namespace that scripts run in: `/proc`, also where a host's procfs is mounted elsewhere */
  readonly procPath: string;
  readonly clock: Clock;
  readonly pipes: CapturePipes;
  readonly output: OutputPort;
  readonly events: EventPort;
  readonly log: LogPort;
  readonly random?: () => number;
  /** variables of the daemon that every script gets, such as PATH and LANG; never secrets */
  readonly inherit?: Readonly<Record<string, string>>;
};

export type Listed = { readonly script: Script; readonly status: ScriptStatus };
/** Names of scripts, by what a reload did to them. */
export type Reloaded = {
  readonly started: readonly string[];
  readonly stopped: readonly string[];
  readonly restarted: readonly string[];
  readonly unchanged: readonly string[];
};

export type Supervisor = {
  /** Adopts what an earlier daemon left and starts the enabled ones; those that can't be started are listed with the reason. */
  start(scripts: readonly Script[]): Promise<void>;
  /** `keep`: every process goes on, for the next daemon. Else all are stopped in parallel, within 12 s. */
  stop(options: { readonly keep: boolean }): Promise<void>;
  list(): readonly Listed[];
  find(name: string): Listed | undefined;
  /** Starts a script; one that runs already is left alone. @throws {Fault} `not-found`, or why it could not be started */
  startScript(name: string): Promise<Started>;
  /** Resolves once nothing of the script's process tree is left. @throws {Fault} */
  stopScript(name: string): Promise<void>;
  restartScript(name: string): Promise<Started>;
  /** @throws {Fault} `conflict` when the name is taken, or why it could not be started; it is listed then all the same */
  add(script: Script, options: { readonly start: boolean }): Promise<void>;
  remove(name: string): Promise<void>;
  /** Starts what is new and enabled, removes what is gone, restarts what changed and was up, leaves the rest alone. */
  reload(scripts: readonly Script[]): Promise<Reloaded>;
  /** Measures CPU and memory of all running scripts. */
  sample(): void;
  problems(): Problem[];
};

/** Of the 15 s in which the agent must end, 2 are left for what resists SIGKILL and 3 for the spool. */
const shutDownKillMs = 10_000;
const shutDownMs = 12_000;

/** The supervisor of one run folder. Writes nothing before `start`. */
export function createSupervisor(world: SupervisorWorld): Supervisor {
  const { clock, log } = world;
  const processes = openProcesses(world.procPath);
  const records = openRecords(world.runDir);
  const instance = new Bun.CryptoHasher("sha256").update(world.runDir).digest("hex").slice(0, 8);
  const cgroups = createCgroups(readCgroupPlace(world.procPath), instance);
  const units = new Map<string, Unit>();
  const retiring = new Set<Unit>();
  const lifeWorld: LifeWorld = {
    ...world,
    processes,
    records,
    cgroups,
    watcher: createWatcher(processes, clock),
    instance,
    random: world.random ?? Math.random,
    inherit: world.inherit ?? {},
  };
  let broken: readonly BrokenRecord[] = [];
  let closed = false;

  const unitOf = (name: string): Unit => {
    const unit = units.get(name);
    if (unit !== undefined) return unit;
    throw new Fault("not-found", `script ${name} does not exist`, { hint: "See: orion script list" });
  };
  const list = (): readonly Listed[] =>
    [...units.values()].map((unit) => ({ script: unit.script(), status: unit.status() }));

  /** A start that fails is already in the script's status, its log line and its alert. */
  const begin = async (unit: Unit): Promise<boolean> => {
    try {
      await unit.start();
      return true;
    } catch (error) {
      if (error instanceof Fault) return false;
      throw error;
    }
  };

  function create(script: Script): Unit {
    const unit = createUnit(lifeWorld, script);
    units.set(script.name, unit);
    return unit;
  }

  /** The process that a record speaks of, or of one without a pid, the one that was spawned just before a kill. */
  function findLeader(record: ScriptRecord | undefined): ProcessStat | undefined {
    const run = record?.run ?? undefined;
    if (run === undefined) return undefined;
    if (run.pid !== null) return processes.read(run.pid);
    const mark = runMark(run.id);
    return processes.all().find((stat) => stat.session === stat.pid && processes.carries(stat.pid, mark));
  }

  async function takeUp(script: Script | undefined, record: ScriptRecord | undefined): Promise<void> {
    const leader = findLeader(record);
    const decision = decide({ script, record, bootId: processes.bootId(), process: leader, self: process.pid });
    const name = script?.name ?? record?.name ?? "";
    if (record !== undefined)
      log.info(`script ${name}: an earlier agent left it ${record.state}; decision: ${decision}`);
    if (script === undefined) {
      if (decision === "remove" && record !== undefined) retire(record, leader);
      else records.remove(name);
      return;
    }
    const unit = create(script);
    if (decision === "start") await begin(unit);
    if (decision === "start" || decision === "leave" || record === undefined) return;
    unit.restore(record, decision, leader);
    if (decision === "adopt-changed") keep(unit.restart(), (error) => log.warn(reasonOf(error)));
  }

  /** Ends and deletes a script that was removed while no agent was there; in the background, since it may take its time. */
  function retire(record: ScriptRecord, leader: ProcessStat | undefined): void {
    const { name, kill } = record;
    const rest = { name, command: "true", killSignal: kill.signal, killTimeout: kill.timeoutMs };
    const unit = createUnit(lifeWorld, check(scriptSchema, rest, "the removed script"));
    retiring.add(unit);
    unit.restore(record, "remove", leader);
    const removal = unit.remove().finally(() => retiring.delete(unit));
    keep(removal, (error) => log.warn(reasonOf(error)));
  }

  return {
    async start(scripts) {
      const found = records.readAll();
      broken = found.broken;
      for (const { path, why } of broken) log.error(`state of a script set aside as ${path}: ${why}`);
      const left = new Map(found.records.map((record) => [record.name, record]));
      const unknown = scripts.filter((script) => !left.has(script.name));
      for (const record of rebuildRecords(processes, instance, unknown, clock)) left.set(record.name, record);
      const wanted = new Set(scripts.map((script) => script.name));
      const gone = found.records.filter((record) => !wanted.has(record.name));
      await Promise.all([
        ...gone.map((record) => takeUp(undefined, record)),
        ...scripts.map((script) => takeUp(script, left.get(script.name))),
      ]);
    },
    async stop({ keep: leave }) {
      if (closed) return;
      closed = true;
      const all = [...units.values(), ...retiring];
      if (leave) {
        for (const unit of all) unit.letGo();
        return;
      }
      const killAtMs = clock.monotonic() + shutDownKillMs;
      const stops = all.map(async (unit) => {
        try {
          await unit.shutDown(killAtMs);
        } catch (error) {
          log.error(reasonOf(error));
        }
      });
      const late = Promise.withResolvers<"late">();
      const cancel = clock.after(shutDownMs, () => late.resolve("late"));
      const outcome = await Promise.race([Promise.all(stops), late.promise]);
      cancel();
      if (outcome === "late") log.error("not every script could be stopped in time");
      await cgroups.close();
    },
    list,
    find: (name) => {
      const unit = units.get(name);
      return unit === undefined ? undefined : { script: unit.script(), status: unit.status() };
    },
    startScript: async (name) => unitOf(name).start(),
    stopScript: async (name) => unitOf(name).stop(),
    restartScript: async (name) => unitOf(name).restart(),
    async add(script, { start }) {
      if (units.has(script.name)) {
        const hint = `Remove it first: orion script remove ${script.name}`;
        throw new Fault("conflict", `script ${script.name} exists already`, { hint });
      }
      const unit = create(script);
      if (start) await unit.start();
    },
    async remove(name) {
      const unit = unitOf(name);
      await unit.remove();
      if (units.get(name) === unit) units.delete(name);
    },
    async reload(scripts) {
      const done = {
        started: [] as string[],
        stopped: [] as string[],
        restarted: [] as string[],
        unchanged: [] as string[],
      };
      const wanted = new Set(scripts.map((script) => script.name));
      const gone = [...units].filter(([name]) => !wanted.has(name));
      const removals = gone.map(async ([name, unit]) => {
        await unit.remove();
        if (units.get(name) === unit) units.delete(name);
        done.stopped.push(name);
      });
      const changes = scripts.map(async (script) => {
        const unit = units.get(script.name);
        if (unit === undefined) {
          const fresh = create(script);
          if (script.enabled && (await begin(fresh))) done.started.push(script.name);
          return;
        }
        const changed = await unit.change(script);
        (changed ? done.restarted : done.unchanged).push(script.name);
      });
      const results = await Promise.allSettled([...removals, ...changes]);
      for (const result of results) if (result.status === "rejected") log.warn(`reload: ${reasonOf(result.reason)}`);
      for (const names of Object.values(done)) names.sort();
      return done;
    },
    sample() {
      let all: readonly ProcessStat[] | undefined;
      for (const unit of units.values()) unit.sample(() => (all ??= processes.all()));
    },
    problems: () => [
      ...broken.map(({ path, why }) => ({
        what: "the state of a script could not be read",
        why: `${path}: ${why}`,
        todo: "its processes were looked for by their marks and taken up; delete the file once it was looked at",
      })),
      ...[...units.values()].flatMap((unit) => unit.problems()),
    ],
  };
}

/** undefined where procfs does not tell: scripts then run without control groups. */
function readCgroupPlace(procPath: string): CgroupPlace | undefined {
  try {
    return findCgroupPlace(
      readFileSync(`${procPath}/self/mountinfo`, "utf8"),
      readFileSync(`${procPath}/self/cgroup`, "utf8"),
    );
  } catch {
    // no procfs, or hidden: a memory limit that is asked for is then reported as not possible
    return undefined;
  }
}
