/** A daemon that is killed, replaced in place and upgraded while its applications go on. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

import type { PingAnswer } from "#src/protocol/ipc.ts";
import { orionBinary } from "#test/kit/binary.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

import type { Disturbance } from "./disturbances.ts";
import { type System, createSystem, isRoot } from "./orion.ts";

/** Puts a program, or a shell script when it is text with a `#!`, at `path` in one step. */
export function install(path: string, program: string): void {
  const fresh = `${path}.fresh`;
  if (program.startsWith("#!")) writeFileSync(fresh, program);
  else copyFileSync(program, fresh);
  chmodSync(fresh, 0o755);
  renameSync(fresh, path);
}

/** Who answers at the agent's socket; undefined when nobody does. */
export async function whoAnswers(system: System): Promise<PingAnswer | undefined> {
  const answer = await system.ask({ cmd: "ping" }).catch(() => undefined);
  return answer?.ok === true ? (answer.data as PingAnswer) : undefined;
}

/** Has the daemon replaced in place and waits until its successor serves, not for the end of a probation. */
export async function replace(system: System): Promise<PingAnswer> {
  const before = await until(() => whoAnswers(system), "the daemon before");
  const answer = await system.ask({ cmd: "agent:reexec" });
  if (!answer.ok) throw new Error(`the successor was refused: ${answer.error}`);
  const is = await until(async () => {
    const now = await whoAnswers(system);
    return now !== undefined && now.startedAt !== before.startedAt && now;
  }, "the successor").catch((error: unknown) => {
    throw new Error(`${String(error)}; the daemon said:\n${system.agent.said().slice(-4000)}`);
  });
  if (is.pid !== before.pid) throw new Error(`not replaced in place: ${JSON.stringify([before, is])}`);
  return is;
}

/** Memory cgroups of the first kind, where a process that allocates past the limit is killed at once. */
const memoryGroups = "/sys/fs/cgroup/memory";

/** Whether the kernel can be made to kill a process for its memory. */
export function canRunOutOfMemory(): boolean {
  return isRoot && existsSync(`${memoryGroups}/memory.limit_in_bytes`);
}

/** Moves a process into a group with next to no memory; its next pages are its end. */
async function runOutOfMemory(pid: number): Promise<void> {
  const group = `${memoryGroups}/orion-test-${pid}`;
  mkdirSync(group);
  try {
    writeFileSync(`${group}/memory.limit_in_bytes`, "1M");
    const kills = (): boolean => /^oom_kill [1-9]/m.test(readFileSync(`${group}/memory.oom_control`, "utf8"));
    writeFileSync(`${group}/cgroup.procs`, String(pid));
    await until(kills, "the kernel's kill");
  } finally {
    await until(() => readFileSync(`${group}/cgroup.procs`, "utf8") === "", "an empty group");
    rmdirSync(group);
  }
}

/**
 * What happens to a daemon whose program lies at `program` and is exchanged for one of `versions` in turn. One that was
 * killed is started again, as systemd does it.
 */
export function replacements(
  system: System,
  program: string,
  versions: readonly string[],
  upgradesWeigh = 2,
): Disturbance[] {
  const { agent } = system;
  let upgrades = 0;
  const killed =
    (kill: () => Promise<unknown>): Disturbance["run"] =>
    async (random) => {
      await kill();
      await Bun.sleep(random() * 500);
      await agent.start();
    };
  const all: Disturbance[] = [
    { kind: "kill -9", what: "agent", weight: 4, run: killed(() => agent.end("SIGKILL")) },
    { kind: "re-executed", what: "agent", weight: 4, run: async () => void (await replace(system)) },
    {
      kind: "upgraded",
      what: "agent",
      weight: upgradesWeigh,
      async run() {
        const version = versions[upgrades++ % versions.length] ?? "";
        mkdirSync(dirname(program), { recursive: true });
        install(program, version);
        const now = await replace(system);
        if (!now.began.startsWith("upgraded from ")) throw new Error(`not upgraded: ${JSON.stringify(now)}`);
      },
    },
  ];
  if (canRunOutOfMemory()) {
    const kill = async (): Promise<void> => {
      await runOutOfMemory(agent.pid());
      await until(() => !agent.running(), "the daemon's end");
    };
    all.push({ kind: "out of memory", what: "agent", weight: 1, run: killed(kill) });
  }
  return all;
}

/** A system whose agent's program is a file of its own. */
export type Replaceable = AsyncDisposable & {
  readonly place: Folder;
  readonly program: string;
  readonly system: System;
  /** pid of the one script, `web` */
  webPid(): Promise<number | null | undefined>;
};

/** Starts one, with a script that runs. */
export async function startReplaceable(): Promise<Replaceable> {
  const place = temporaryFolder("orion-replace-");
  const program = place.at("orion");
  install(program, await orionBinary());
  const system = await createSystem({ scripts: [{ name: "web", command: "exec sleep 1000" }], program });
  await system.start();
  return {
    place,
    program,
    system,
    webPid: async () => (await system.status()).scripts.find(({ name }) => name === "web")?.pid,
    async [Symbol.asyncDispose]() {
      await system[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
}
