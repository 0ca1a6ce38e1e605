/** `orion setup --source`: the application in a folder becomes a source, and a script of the agent. */
import { statSync } from "node:fs";
import { basename, resolve } from "node:path";

import type { SourceConfig } from "#src/protocol/config.ts";
import { sourceName as sourceNameSchema } from "#src/protocol/log.ts";
import { type Source, newSource } from "#src/protocol/project.ts";
import { z } from "#src/protocol/schema.ts";
import type { ScriptInput } from "#src/protocol/scripts.ts";

import { CliFault, exitCodes, usageFault } from "../exit.ts";
import { findAccess } from "../hub/access.ts";
import type { HubAddress } from "../hub/address.ts";
import { type HubClient, createHubClient } from "../hub/client.ts";
import { listSources } from "../hub/projects.ts";
import { HubRefusal } from "../hub/refusal.ts";
import type { Interruptible, Undo } from "../interrupt.ts";
import { note, print, printJson } from "../output.ts";
import type { Session } from "../session.ts";
import { findHub } from "./find-hub.ts";
import { guessCommands } from "./guess.ts";
import { ownerOf, sameScript, scriptNameFor } from "./script-words.ts";
import { type ProjectChoice, chooseProject, nameOfChoice, settleProject } from "./project.ts";
import type { Questions } from "./questions.ts";
import { type Registry, openRegistry } from "./script.ts";
import { signInForSetup } from "./sign-in.ts";
import { ignoreInGit, readSourceFile, sourceFilePath, writeSourceFile } from "./source-file.ts";

export type SourceFlags = {
  readonly apiUrl: string | undefined;
  readonly token: string | undefined;
  readonly caFile: string | undefined;
  readonly insecureHttp: boolean;
  readonly project: string | undefined;
  readonly sourceName: string | undefined;
  readonly command: string | undefined;
  readonly cwd: string | undefined;
  readonly user: string | undefined;
  readonly autoRestart: boolean;
  readonly capture: boolean;
  readonly script: boolean;
  readonly replace: boolean;
};

/** A source that is to be made, one whose token is at hand, or one that gets a new token. */
type SourceChoice =
  | { readonly state: "new"; readonly name: string }
  | { readonly state: "kept"; readonly name: string; readonly token: string }
  | { readonly state: "rotated"; readonly name: string; readonly source: Source };

export async function setUpSource(
  session: Session,
  flags: SourceFlags,
  questions: Questions,
  control: Interruptible & Undo,
): Promise<void> {
  const folder = resolve(session.environment.cwd, flags.cwd ?? ".");
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw usageFault(`there is no folder ${folder}`, "Name the application's folder with --cwd, or change to it");
  const before = readSourceFile(folder);
  const registry = flags.script ? await openRegistry(session, "orion setup --source") : undefined;
  const address = await findHub(session, flags, knownHub(session, before), questions, control);
  const signIn = { address, token: flags.token, purpose: "setup-source", enrolment: false } as const;
  const { hub } = await signInForSetup(session, signIn, questions, control);
  const project = await chooseProject(hub, flags.project, questions, control);
  const source = await chooseSource({ hub, address, project, before, folder, flags }, questions, control);
  const plan =
    registry === undefined ? undefined : await planScript({ registry, folder, source, flags }, questions, session);
  control.signal.throwIfAborted();

  const { token, projectName } = await settle(hub, project, source, control);
  control.signal.throwIfAborted();
  writeSourceFile(folder, { token, apiUrl: address.url, project: projectName, source: source.name });
  control.keep();
  const ignored = await ignoreInGit(folder, session.environment.variables);
  if (!session.json) {
    await print(`${sourceFilePath(folder)} is written: source ${source.name} of project ${projectName}\n`);
    if (ignored) await print("Added .orion/ to .gitignore: the token belongs into no repository\n");
  }
  const started =
    plan === undefined || registry === undefined ? undefined : await register(registry, plan, questions, session);
  if (session.json) {
    const script = plan === undefined ? null : { name: plan.script.name, command: plan.script.command, started };
    const answer = { url: address.url, project: projectName, source: source.name, config: sourceFilePath(folder) };
    await printJson({ ...answer, script });
  }
}

/** The hub that is offered: of the folder from before, or of the command line's login. */
function knownHub(session: Session, before: SourceConfig | undefined): HubAddress | undefined {
  const signedIn = findAccess(session)?.address;
  if (before === undefined) return signedIn;
  const url = before.apiUrl.replace(/\/+$/, "");
  return signedIn?.url === url ? signedIn : { url };
}

type SourceQuestion = {
  readonly hub: HubClient;
  readonly address: HubAddress;
  readonly project: ProjectChoice;
  readonly before: SourceConfig | undefined;
  readonly folder: string;
  readonly flags: SourceFlags;
};

async function chooseSource(
  { hub, address, project, before, folder, flags }: SourceQuestion,
  questions: Questions,
  { signal }: Interruptible,
): Promise<SourceChoice> {
  const sources = "there" in project ? await listSources(hub, project.there.id, signal) : [];
  const mine = before !== undefined && before.project === nameOfChoice(project) && sameHub(before, address);
  const offer = mine ? before.source : sourceNameFor(folder);
  const name = await pickName(sources, offer, flags, questions);
  const source = sources.find((one) => one.name === name);
  if (source === undefined) return { state: "new", name };
  if (mine && before.source === name && (await stillGood(address, before.token)))
    return { state: "kept", name, token: before.token };
  const warning = `Source ${name} is there already, and its token can't be shown again`;
  if (flags.replace || (await questions.insist(`${warning}. Make a new one? The old one stops working at once.`)))
    return { state: "rotated", name, source };
  throw new CliFault(
    exitCodes.failed,
    "conflict",
    `${warning.slice(0, 1).toLowerCase()}${warning.slice(1)}`,
    "For a new token, upon which the old one stops working: --replace; or choose another --source-name",
  );
}

const sameHub = (before: SourceConfig, { url }: HubAddress): boolean => before.apiUrl.replace(/\/+$/, "") === url;

async function pickName(
  sources: readonly Source[],
  offer: string,
  { sourceName }: SourceFlags,
  questions: Questions,
): Promise<string> {
  if (sourceName === undefined && sources.length > 0 && questions.interactive && !questions.yes) {
    const there = sources.map(({ name }) => ({ value: name, label: name, hint: "is there already" }));
    const isThere = sources.some(({ name }) => name === offer);
    const chosen = await questions.choose<string | undefined>({
      flag: "--source-name",
      message: "Source",
      options: [{ value: undefined, label: "A new source …" }, ...there],
      offer: isThere ? 1 + sources.findIndex(({ name }) => name === offer) : 0,
    });
    if (chosen !== undefined) return chosen;
  }
  return await questions.text({
    flag: "--source-name",
    message: "Name of the source",
    given: sourceName,
    offer,
    check: (text) =>
      z.core.safeParse(sourceNameSchema, text).success ? undefined : "must be 1 to 128 characters without spaces",
  });
}

/** A name made of the folder's. */
function sourceNameFor(folder: string): string {
  const name = basename(folder)
    .replace(/[\s\u0000-\u001f\u007f]+/g, "-")
    .slice(0, 128);
  return name === "" ? "app" : name;
}

/** Whether the hub still takes a source's token. */
async function stillGood(address: HubAddress, token: string): Promise<boolean> {
  try {
    // no entries: nothing is stored, whatever the answer
    await createHubClient(address, { token }).order({ method: "POST", path: "/api/logs", body: [] });
    return true;
  } catch (error) {
    if (!(error instanceof HubRefusal)) throw error;
    return error.status !== 401 && error.status !== 403;
  }
}

/** What was chosen comes true on the hub; and is taken back, should the rest fail. */
async function settle(
  hub: HubClient,
  choice: ProjectChoice,
  source: SourceChoice,
  control: Undo,
): Promise<{ readonly token: string; readonly projectName: string }> {
  const project = await settleProject(hub, choice, control);
  if (source.state === "kept") return { token: source.token, projectName: project.name };
  const path = `/api/projects/${project.id}/sources`;
  if (source.state === "rotated") {
    const { token } = await hub.ask({ method: "POST", path: `${path}/${source.source.id}/token` }, newSource);
    return { token, projectName: project.name };
  }
  const { id, token } = await hub.ask({ method: "POST", path, body: { name: source.name } }, newSource);
  control.undo(`the new source ${source.name}`, () =>
    hub.order({ method: "DELETE", path: `${path}/${id}`, withinMs: 10_000 }),
  );
  return { token, projectName: project.name };
}

type ScriptPlan = {
  readonly script: ScriptInput;
  /** the one of this name that is there is taken out first */
  readonly replaces: boolean;
  /** it is there as it should be */
  readonly same: boolean;
};

async function planScript(
  {
    registry,
    folder,
    source,
    flags,
  }: {
    readonly registry: Registry;
    readonly folder: string;
    readonly source: SourceChoice;
    readonly flags: SourceFlags;
  },
  questions: Questions,
  session: Session,
): Promise<ScriptPlan> {
  const name = scriptNameFor(source.name);
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

/** @returns whether it runs now */
async function register(
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
