/**
 * The command line: words in, exit code out. Only what every command needs is imported here; a command's own file, the
 * help, the agent and the hub are loaded when they are asked for.
 */
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { version } from "#src/protocol/version.ts";

import { parseArguments } from "./arguments.ts";
import { CliFault, type ExitCode, OutputClosed, exitCodes, usageFault } from "./exit.ts";
import { takeGlobals } from "./globals.ts";
import { nearest } from "./nearest.ts";
import { note, print } from "./output.ts";
import { openSession } from "./session.ts";
import { type Node, findNode, tree } from "./tree.ts";

/** Runs one command line (without the program's name) and gives the exit code of the process. Never throws. */
export async function runCommandLine(argv: readonly string[]): Promise<ExitCode> {
  try {
    return await dispatch(argv);
  } catch (error) {
    return await report(error);
  }
}

async function dispatch(argv: readonly string[]): Promise<ExitCode> {
  const globals = takeGlobals(argv);
  if (globals.version) {
    await print(`${globals.json ? JSON.stringify({ version }) : version}\n`);
    return exitCodes.done;
  }
  const words = globals.rest[0] === "help" ? globals.rest.slice(1) : globals.rest;
  const wantsHelp = globals.help || globals.rest.length === 0 || globals.rest[0] === "help";
  const { path, used } = findNode(words);
  const node = path.at(-1);
  const next = words[used];
  if (node?.load === undefined && next !== undefined) throw unknownCommand(path, next);
  if (wantsHelp) {
    const { renderHelp } = await import("./help.ts");
    await print(await renderHelp(path));
    return exitCodes.done;
  }
  if (node?.load === undefined) throw missingCommand(path);
  const name = path.map((step) => step.name).join(" ");
  const command = await node.load();
  const parsed = await parseArguments(name, command.args, words.slice(used));
  return await command.run({ ...parsed, args: parsed.args as never, session: openSession(globals) });
}

function unknownCommand(path: readonly Node[], word: string): CliFault {
  const group = path.map((step) => step.name).join(" ");
  const thing = word.startsWith("-") ? `flag ${word}` : `command "${word}"`;
  const names = (path.at(-1)?.children ?? tree).filter((node) => node.hidden !== true).map((node) => node.name);
  const guess = nearest(word, names);
  const typed = ["orion", ...path.map((step) => step.name)].join(" ");
  return usageFault(
    group === "" ? `there is no ${thing}` : `${group} has no ${thing}`,
    `${guess === undefined ? "" : `Did you mean ${typed} ${guess}? `}See ${typed} --help`,
  );
}

function missingCommand(path: readonly Node[]): CliFault {
  const group = path.map((step) => step.name).join(" ");
  const names = (path.at(-1)?.children ?? tree).map((node) => node.name);
  return usageFault(`${group} needs a command`, `One of: ${names.join(", ")}; see orion ${group} --help`);
}

/** One line on stderr: what failed, why, what to do. */
async function report(error: unknown): Promise<ExitCode> {
  if (error instanceof OutputClosed) return exitCodes.done;
  try {
    await note(`orion: ${error instanceof Fault ? error.oneLine : reasonOf(error)}`);
  } catch {
    // stderr is closed or full: the exit code still tells, and there is no other place to
  }
  return error instanceof CliFault ? error.exitCode : exitCodes.failed;
}
