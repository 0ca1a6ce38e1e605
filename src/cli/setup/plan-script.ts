/** The script that runs an application: what it is, whether it may take another's place, and starting it. */
import type { ScriptInput } from "#src/protocol/scripts.ts";

import { CliFault, exitCodes } from "../exit.ts";
import { note, print } from "../output.ts";
import type { Session } from "../session.ts";
import { guessCommands } from "./guess.ts";
import type { Questions } from "./questions.ts";
import { ownerOf, sameScript, scriptNameFor } from "./script-words.ts";
import type { Registry } from "./script.ts";

/** What the flags say of the script. */
export type ScriptFlags = {
  readonly command: string | undefined;
  readonly user: string | undefined;
  readonly autoRestart: boolean;
  readonly capture: boolean;
  readonly replace: boolean;
};

export type ScriptPlan = {
  readonly script: ScriptInput;
  /** the one of this name that is there is taken out first */
  readonly replaces: boolean;
  /** it is there as it should be */
  readonly same: boolean;
};

export async function planScript(
  {
    registry,
    folder,
    source,
    flags,
  }: {
    readonly registry: Registry;
    readonly folder: string;
    /** the source's name */
    readonly source: string;
    readonly flags: ScriptFlags;
  },
  questions: Questions,
  session: Session,
): Promise<ScriptPlan> {
  const name = scriptNameFor(source);
  const there = await registry.find(name);
  const command = await askCommand(folder, flags.command, there?.cwd === folder ? there.command : undefined, questions);
  const ask = async (flag: boolean, message: string) =>
    !flag || questions.yes || !questions.interactive ? flag : await questions.confirm({ message, offer: true });
  const autoRestart = await ask(flags.autoRestart, "Start it again when it crashes?");
  const captureOutput = await ask(flags.capture, "Keep what it prints, as log entries?");
  const user = flags.user ?? ownerOf(folder, session);
  const script: ScriptInput = {
    name,
    command,
    cwd: folder,
    ...(autoRestart ? {} : { autoRestart }),
    ...(captureOutput ? {} : { captureOutput }),
    ...(user === undefined ? {} : { user }),
  };
  if (there === undefined) return { script, replaces: false, same: false };
  if (sameScript(there, script)) return { script, replaces: false, same: true };
  const warning = `Script ${name} is there already: ${there.command}${there.cwd === undefined ? "" : ` in ${there.cwd}`}`;
  if (flags.replace || (await questions.insist(`${warning}. Stop and replace it?`)))
    return { script, replaces: true, same: false };
  throw new CliFault(
    exitCodes.failed,
    "conflict",
    `${warning.slice(0, 1).toLowerCase()}${warning.slice(1)}`,
    "To stop and replace it: --replace; or choose another --source-name",
  );
}

async function askCommand(
  folder: string,
  given: string | undefined,
  before: string | undefined,
  questions: Questions,
): Promise<string> {
  const guesses = guessCommands(folder);
  const offers = [
    ...(before === undefined ? [] : [{ command: before, from: "as registered" }]),
    ...guesses.filter(({ command }) => command !== before),
  ];
  let offer = offers[0]?.command;
  if (given === undefined && offers.length > 1 && questions.interactive && !questions.yes) {
    const chosen = await questions.choose<string | undefined>({
      flag: "--command",
      message: "What starts the application?",
      options: [
        ...offers.map(({ command, from }) => ({ value: command, label: command, hint: from })),
        { value: undefined, label: "Another command …" },
      ],
      offer: 0,
    });
    if (chosen !== undefined) return chosen;
    offer = undefined;
  }
  return await questions.text({
    flag: "--command",
    message: "What starts the application? (run by sh -c in its folder)",
    given,
    ...(offer === undefined ? {} : { offer }),
    check: (text) => (text.trim() === "" ? "is empty" : text.length > 65_536 ? "is too long" : undefined),
  });
}

/** Registers what was planned, and offers to start it. @returns whether it runs now */
export async function registerScript(
  registry: Registry,
  { script, replaces, same }: ScriptPlan,
  questions: Questions,
  session: Session,
): Promise<boolean> {
  const { name } = script;
  if (replaces) await registry.remove(name);
  if (!same) await registry.add(script);
  const who = script.user === undefined ? "" : `, as user ${script.user}`;
  if (!session.json) {
    await print(
      same ? `Script ${name} is registered already\n` : `Script ${name} is registered: ${script.command}${who}\n`,
    );
  }
  if (!registry.daemon) {
    await note("No agent runs here; it starts the script when it does: sudo systemctl enable --now orion-agent");
    return false;
  }
  if (!(await questions.confirm({ message: `Start ${name} now?`, offer: true }))) {
    await note(`Start it: orion script start ${name}`);
    return false;
  }
  const pid = await registry.start(name);
  if (!session.json)
    await print(`${name} is started${pid === undefined ? "" : `, pid ${pid}`}. See it: orion logs ${name} -f\n`);
  return true;
}
