/** A supervisor over real processes, real pipes and a folder of its own; everything is gone at the end of the test. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import type { OutputChunk } from "#src/agent/supervisor/ports.ts";
import { type Supervisor, createSupervisor } from "#src/agent/supervisor/supervisor.ts";
import { createCapturePipes } from "#src/agent/supervisor/pipe.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { AgentEvent } from "#src/protocol/event.ts";
import { Fault } from "#src/protocol/fault.ts";
import { type Script, type ScriptInput, script as schema } from "#src/protocol/scripts.ts";
import { check } from "#src/protocol/schema.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

const programs = join(import.meta.dir, "../../fixtures/programs");

/** A whole script from what a test cares about. */
export const scriptOf = (input: ScriptInput): Script => check(schema, input, "the test's script");

/** The command that runs a fixture program. */
export const program = (name: string): string => `${programs}/${name}`;

export type Rig = AsyncDisposable & {
  readonly folder: Folder;
  readonly supervisor: Supervisor;
  readonly events: AgentEvent[];
  readonly logged: string[];
  /** lines of a script so far, both streams */
  lines(name: string): string[];
  /** The pid of a script that runs. */
  pidOf(name: string): number;
  state(name: string): string | undefined;
  crashes(name: string): Extract<AgentEvent, { type: "script.crashed" }>[];
  /** Lets go, as a daemon that is replaced does, and gives a new supervisor over the same folder. */
  replace(): Rig;
};

/** A rig that is not started yet. */
export function createRig(folder: Folder = temporaryFolder(), random: () => number = () => 0): Rig {
  const events: AgentEvent[] = [];
  const logged: string[] = [];
  const lines = new Map<string, string[]>();
  const positions = new Map<string, number>();
  const output = {
    take({ source, stream, bytes, end }: OutputChunk): boolean {
      positions.set(`${source}/${stream}`, end);
      const text = new TextDecoder().decode(bytes);
      lines.set(source, [...(lines.get(source) ?? []), ...text.replace(/\n$/, "").split("\n")].slice(-10_000));
      return true;
    },
    ready: () => true,
    position: (source: string, stream: string) => positions.get(`${source}/${stream}`),
    forget: (source: string, stream: string) => void positions.delete(`${source}/${stream}`),
    tail: (source: string, count: number) => (lines.get(source) ?? []).slice(-count),
  };
  const keepLine = (message: string): void => void logged.push(message);
  const log = { debug: keepLine, info: keepLine, warn: keepLine, error: keepLine };
  const pipes = createCapturePipes({ runDir: folder.path, output, clock: systemClock, log });
  const supervisor = createSupervisor({
    runDir: folder.path,
    procPath: "/proc",
    clock: systemClock,
    pipes,
    output,
    events: { emit: (event) => void events.push(event) },
    log,
    random,
    inherit: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
  });
  const stop = async (keep: boolean): Promise<void> => {
    await supervisor.stop({ keep });
    pipes.stop();
  };
  return {
    folder,
    supervisor,
    events,
    logged,
    lines: (name) => lines.get(name) ?? [],
    pidOf(name) {
      const pid = supervisor.find(name)?.status.pid ?? undefined;
      if (pid === undefined) throw new Error(`script ${name} does not run`);
      return pid;
    },
    state: (name) => supervisor.find(name)?.status.state,
    crashes: (name) =>
      events.filter((event) => event.type === "script.crashed").filter((event) => event.script === name),
    replace() {
      void stop(true);
      return createRig(folder, random);
    },
    async [Symbol.asyncDispose]() {
      await stop(false);
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The fault that a promise is rejected with. */
export async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

/** Living processes whose command line or environment holds `text`. */
export function processesWith(text: string): number[] {
  const pids = readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid);
  return pids.filter((pid) =>
    `${readSync(`/proc/${pid}/cmdline`)}\n${readSync(`/proc/${pid}/environ`)}`.includes(text),
  );
}

/** Resolves when `pid` is gone, a zombie counted as gone. */
export async function gone(pid: number): Promise<void> {
  await until(() => !/^\d+ \(.*\) [^ZX] /s.test(readSync(`/proc/${pid}/stat`)), `the end of process ${pid}`);
}

function readSync(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // the process ended
    return "";
  }
}
