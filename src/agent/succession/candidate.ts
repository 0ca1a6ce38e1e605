/** The program that would take over is tried before anything is given up for it. */
import { statSync } from "node:fs";

import { type ProgramOutcome, runProgram } from "#src/lib/program.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Printing its version needs no more than the program itself: a wrong CPU, a missing library or a torn file shows here. */
const versionWithinMs = 5000;
/** Reading settings and scripts, on a machine that is busy. */
const checkWithinMs = 10_000;

const goesOn = "The agent goes on as it is";

/**
 * Runs the program at `path` twice: `--version`, and then with the words that the daemon was started with and `--check`,
 * which reads settings and scripts and does nothing else.
 * @returns its version
 * @throws {Fault} why it can't take over
 */
export async function tryCandidate(path: string, words: readonly string[], env: Environment): Promise<string> {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    throw new Fault("failed", `the program ${path} is not there any more`, {
      hint: "Put it back, or stop the agent and start it from where it is now",
    });
  }
  const quiet = withoutService(env);
  const version = await attempt(path, ["--version"], quiet, versionWithinMs);
  if (version.code !== 0) throw refused(path, "--version", version, versionWithinMs);
  const check = await attempt(path, [...words, "--check"], quiet, checkWithinMs);
  if (check.code !== 0) throw refused(path, "--check", check, checkWithinMs);
  return version.stdout.trim().split(/\s+/).at(-1) ?? "";
}

async function attempt(
  path: string,
  words: readonly string[],
  env: Environment,
  timeoutMs: number,
): Promise<ProgramOutcome> {
  try {
    return await runProgram([path, ...words], { env, timeoutMs });
  } catch (error) {
    throw new Fault("failed", `the program ${path} can't be executed: ${reasonOf(error)}`, {
      cause: error,
      hint: goesOn,
    });
  }
}

function refused(path: string, flag: string, outcome: ProgramOutcome, timeoutMs: number): Fault {
  const said = outcome.stderr.trim().split("\n").at(-1) ?? "";
  const how = outcome.timedOut
    ? `gave no answer to ${flag} within ${timeoutMs / 1000} s`
    : `fails with ${flag} (${outcome.signal ?? `exit code ${outcome.code}`})`;
  return new Fault("failed", `the program ${path} ${how}${said === "" ? "" : `: ${said}`}`, { hint: goesOn });
}

/** The environment without what makes a process speak to the service manager in the daemon's name. */
function withoutService(env: Environment): Environment {
  return { ...env, NOTIFY_SOCKET: undefined, WATCHDOG_USEC: undefined, WATCHDOG_PID: undefined, LISTEN_PID: undefined };
}
