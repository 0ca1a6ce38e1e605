/** The agent's service under systemd: whether it is there, and starting it. */
import { existsSync } from "node:fs";

import { runProgram } from "#src/lib/program.ts";

import type { Environment } from "../environment.ts";
import { CliFault, exitCodes } from "../exit.ts";

const unit = "orion-agent.service";
/** Milliseconds for systemd's own work; the unit is given 20 s to start. */
const withinMs = 60_000;

export type Service = {
  readonly active: boolean;
  readonly enabled: boolean;
};

/** The service as it is now; undefined: systemd does not run here, or has no such unit. sd_booted(3). */
export async function findService({ variables: env }: Environment): Promise<Service | undefined> {
  if (!existsSync("/run/systemd/system") || Bun.which("systemctl", { PATH: env["PATH"] ?? "" }) === null)
    return undefined;
  const ask = async (...words: string[]) =>
    (await runProgram(["systemctl", ...words, unit], { env, timeoutMs: withinMs })).code === 0;
  if (!(await ask("cat"))) return undefined;
  return { active: await ask("is-active", "--quiet"), enabled: await ask("is-enabled", "--quiet") };
}

/** `systemctl enable --now`. @throws {CliFault} systemd could not, in its own words */
export async function startService({ variables: env }: Environment): Promise<void> {
  const { code, stderr, timedOut } = await runProgram(["systemctl", "enable", "--now", unit], {
    env,
    timeoutMs: withinMs,
  });
  if (code === 0) return;
  const why = timedOut ? "systemd did not answer in time" : (stderr.trim().split("\n")[0] ?? "");
  throw new CliFault(
    exitCodes.failed,
    "failed",
    `this host is registered, but its service did not start: ${why}`,
    "See why: journalctl -u orion-agent; start it again: sudo systemctl enable --now orion-agent",
  );
}
