/** Orders to scripts. Each has a connection of its own: one that takes its time to stop holds up no other. */
import type { IpcRequestInput } from "#src/protocol/ipc.ts";

import { type Daemon, answerTimeoutMs, connectDaemon } from "./daemon.ts";
import { CliFault, type ExitCode, exitCodes, usageFault } from "./exit.ts";
import { note, print, printJson } from "./output.ts";
import type { Session } from "./session.ts";

export type Verb = "start" | "stop" | "restart" | "remove";

/** Connections at once; far below what the daemon takes. */
const atOnce = 32;

const done: Record<Verb, string> = { start: "started", stop: "stopped", restart: "restarted", remove: "removed" };

type Outcome = { readonly name: string; readonly pid?: number | null } & (
  { readonly ok: true } | { readonly ok: false; readonly error: CliFault }
);

/** Gives the order to every named script (or all), and tells each outcome. Exit code 1 when any failed. */
export async function orderScripts(
  verb: Verb,
  names: readonly string[],
  all: boolean,
  session: Session,
): Promise<ExitCode> {
  if (all && names.length > 0)
    throw usageFault("--all and names exclude each other", `Write one of them; see orion script ${verb} --help`);
  if (!all && names.length === 0) throw usageFault(`script ${verb} needs a script's name`, "Or --all for every script");
  const daemon = await connectDaemon(session.paths.socket);
  const targets = all ? await allNames(daemon) : [...new Set(names)];
  if (!all) await daemon.request({ cmd: "ping" });
  daemon.close();

  const outcomes: Outcome[] = [];
  const queue = targets.entries();
  const worker = async () => {
    for (const [index, name] of queue) outcomes[index] = await give(verb, name, session);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, targets.length) }, worker));
  return await tell(verb, outcomes, session);
}

async function allNames(daemon: Daemon): Promise<string[]> {
  const answer = (await daemon.request({ cmd: "script:list" })) as { scripts: { script: { name: string } }[] };
  return answer.scripts.map(({ script }) => script.name);
}

async function give(verb: Verb, name: string, session: Session): Promise<Outcome> {
  try {
    const daemon = await connectDaemon(session.paths.socket);
    try {
      const request: IpcRequestInput = { cmd: `script:${verb}`, name };
      // a stop may take the script's whole kill timeout, which only the daemon knows
      const data = (await daemon.request(request, verb === "start" ? 6 * answerTimeoutMs : 0)) as
        { pid?: unknown } | undefined;
      return { name, ok: true, ...(typeof data?.pid === "number" ? { pid: data.pid } : {}) };
    } finally {
      daemon.close();
    }
  } catch (error) {
    if (error instanceof CliFault) return { name, ok: false, error };
    throw error;
  }
}

async function tell(verb: Verb, outcomes: readonly Outcome[], session: Session): Promise<ExitCode> {
  const failed = outcomes.filter((outcome) => !outcome.ok);
  if (session.json) {
    const scripts = outcomes.map((outcome) =>
      outcome.ok
        ? { name: outcome.name, ok: true, ...(outcome.pid === undefined ? {} : { pid: outcome.pid }) }
        : { name: outcome.name, ok: false, error: outcome.error.oneLine },
    );
    await printJson({ scripts });
  }
  for (const outcome of outcomes) {
    if (!outcome.ok) await note(`orion: could not ${verb} ${outcome.name}: ${outcome.error.oneLine}`);
    else if (!session.json)
      await print(`${outcome.name} ${done[verb]}${outcome.pid === undefined ? "" : `, pid ${outcome.pid}`}\n`);
  }
  if (outcomes.length === 0) await note("There are no scripts. Add one: orion script add NAME COMMAND");
  return failed.length === 0 ? exitCodes.done : exitCodes.failed;
}
