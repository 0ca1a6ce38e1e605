/** What systemd is about to do with the service that this process is. */
import { readFileSync } from "node:fs";

import { runProgram } from "#src/lib/program.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** It answers in 10 ms; a stop must not wait for one that hangs. */
const answerWithinMs = 2000;

/**
 * Whether the stop that was just asked for belongs to a restart: `systemctl restart` is one job of that type until the
 * old process has ended. The signal is the same in both cases, so systemd is asked. false when it can't be.
 */
export async function isRestart(env: Environment): Promise<boolean> {
  if ((env["NOTIFY_SOCKET"] ?? "") === "") return false;
  const unit = unitOf(readFileSync("/proc/self/cgroup", "utf8"));
  if (unit === undefined) return false;
  try {
    const command = ["systemctl", "list-jobs", "--no-legend", "--plain", "--no-pager"];
    const { stdout } = await runProgram(command, { env, timeoutMs: answerWithinMs });
    return jobOf(stdout, unit) === "restart";
  } catch {
    // no systemctl: then a stop is what was asked for
    return false;
  }
}

/** The service that a process belongs to, from /proc/PID/cgroup: `orion-agent.service`. See cgroups(7). */
export function unitOf(cgroups: string): string | undefined {
  for (const line of cgroups.split("\n")) {
    const [, hierarchy, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (hierarchy !== "" && hierarchy !== "name=systemd") continue;
    const unit = path?.split("/").findLast((part) => part.endsWith(".service"));
    if (unit !== undefined) return unit;
  }
  return undefined;
}

/** The type of a unit's job in what `systemctl list-jobs` prints: number, unit, type, state. */
export function jobOf(list: string, unit: string): string | undefined {
  for (const line of list.split("\n")) {
    const [, name, type] = line.trim().split(/\s+/);
    if (name === unit) return type;
  }
  return undefined;
}
