/** `orion upgrade`: fetches a release, puts it in place, and has the running daemon replaced by it. */
import { chmodSync } from "node:fs";

import { removeIfThere } from "#src/lib/files.ts";
import { runProgram } from "#src/lib/program.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { PingAnswer } from "#src/protocol/ipc.ts";
import { version as ownVersion } from "#src/protocol/version.ts";

import { command } from "../command.ts";
import { CliFault, exitCodes } from "../exit.ts";
import { note, print, printJson } from "../output.ts";
import { askWho, replaceDaemon } from "../replacement.ts";
import type { Session } from "../session.ts";
import { oldProcesses } from "../upgrade/leftover.ts";
import { makeRoom, ownProgram, swap, swapBack } from "../upgrade/place.ts";
import { platformOf, readMachine } from "../upgrade/platform.ts";
import { checksumOf, defaultBase, fetchRelease, findRelease } from "../upgrade/release.ts";

/** For the new program to say its version: a wrong C library, CPU or a noexec mount shows here. */
const versionWithinMs = 5000;

export const upgrade = command({
  args: {
    version: { type: "string", valueHint: "version", description: "that release instead of the newest" },
    url: { type: "string", valueHint: "url", description: "where releases are (ORION_DOWNLOAD_URL)" },
  },
  about: "The running daemon is replaced in place: applications go on. If the new one fails, the one before goes on.",
  async run({ args, session }) {
    const program = ownProgram();
    const wanted = args.version?.replace(/^v/, "");
    const base = args.url ?? session.environment.variables["ORION_DOWNLOAD_URL"] ?? defaultBase;
    const release = await findRelease(base, wanted, platformOf(readMachine()));
    if (release.checksum === (await checksumOf(program))) {
      await tell(
        session,
        { from: ownVersion, to: ownVersion, changed: false, daemon: null },
        `${ownVersion} is installed already`,
      );
      return exitCodes.done;
    }
    const fresh = makeRoom(program);
    let to: string;
    try {
      if (!session.json) await note(`fetching ${release.url}`);
      await fetchRelease(release, fresh);
      to = await tryProgram(fresh, wanted);
      swap(program, fresh);
    } finally {
      removeIfThere(fresh);
    }
    const daemon = await replaceRunning(session, program);
    const at = daemon === null ? "no daemon of it runs" : `the daemon goes on with it, pid ${daemon.pid}`;
    await tell(session, { from: ownVersion, to, changed: true, daemon }, `upgraded from ${ownVersion} to ${to}; ${at}`);
    for (const old of oldProcesses(program))
      await note(`still with the program before, restart it when it suits: ${old}`);
    return exitCodes.done;
  },
});

/** @returns its version. @throws {CliFault} */
async function tryProgram(fresh: string, wanted: string | undefined): Promise<string> {
  chmodSync(fresh, 0o755);
  const refuse = (why: string): CliFault =>
    new CliFault(exitCodes.failed, "failed", `the new program can't be used: ${why}`, "Nothing was changed");
  let outcome: Awaited<ReturnType<typeof runProgram>>;
  try {
    outcome = await runProgram([fresh, "--version"], { env: {}, timeoutMs: versionWithinMs });
  } catch (error) {
    throw refuse(`it does not run on this machine (${reasonOf(error)})`);
  }
  const { code, signal, timedOut, stdout, stderr } = outcome;
  if (timedOut) throw refuse(`it gave no answer to --version within ${versionWithinMs / 1000} s`);
  if (code !== 0)
    throw refuse(`it does not run on this machine (${stderr.trim().split("\n")[0] || signal || `exit code ${code}`})`);
  const version = stdout.trim().split(/\s+/).at(-1) ?? "";
  if (wanted !== undefined && version !== wanted) throw refuse(`version ${wanted} was asked for, and it is ${version}`);
  return version;
}

/** The daemon of this machine, replaced by the new program; null when none runs, or one from somewhere else. */
async function replaceRunning(session: Session, program: string): Promise<PingAnswer | null> {
  let before: PingAnswer;
  try {
    before = await askWho(session.paths.socket);
  } catch (error) {
    if (error instanceof CliFault && error.exitCode === exitCodes.noDaemon) return null;
    throw error;
  }
  if (before.program !== program) return null;
  try {
    return await replaceDaemon(session.paths);
  } catch (error) {
    swapBack(program);
    throw new CliFault(
      exitCodes.failed,
      "failed",
      `the upgrade was taken back, and the daemon goes on with version ${before.version}: ${reasonOf(error)}`,
      "Applications were not touched",
      error,
    );
  }
}

type Result = {
  readonly from: string;
  readonly to: string;
  readonly changed: boolean;
  readonly daemon: PingAnswer | null;
};

async function tell(session: Session, result: Result, words: string): Promise<void> {
  if (session.json) await printJson(result);
  else await print(`${words}\n`);
}
