/** `orion setup --source`: the application in a folder becomes a source, and a script of the agent. */
import { statSync } from "node:fs";
import { resolve } from "node:path";

import type { SourceConfig } from "#src/protocol/config.ts";

import { usageFault } from "../exit.ts";
import { findAccess } from "../hub/access.ts";
import type { HubAddress } from "../hub/address.ts";
import type { Interruptible, Undo } from "../interrupt.ts";
import { print, printJson } from "../output.ts";
import type { Session } from "../session.ts";
import { chooseSource, settleSource } from "./choose-source.ts";
import { type HubFlags, findHub } from "./find-hub.ts";
import { type ScriptFlags, planScript, registerScript } from "./plan-script.ts";
import { chooseProject } from "./project.ts";
import type { Questions } from "./questions.ts";
import { openRegistry } from "./script.ts";
import { signInForSetup } from "./sign-in.ts";
import { ignoreInGit, readSourceFile, sourceFilePath, writeSourceFile } from "./source-file.ts";

export type SourceFlags = HubFlags &
  ScriptFlags & {
    readonly token: string | undefined;
    readonly project: string | undefined;
    readonly sourceName: string | undefined;
    readonly cwd: string | undefined;
    /** false: the agent is to run nothing */
    readonly script: boolean;
  };

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
  const source = await chooseSource(
    { hub, address, project, before, folder, given: flags.sourceName, replace: flags.replace },
    questions,
    control,
  );
  const plan =
    registry === undefined
      ? undefined
      : await planScript({ registry, folder, source: source.name, flags }, questions, session);
  control.signal.throwIfAborted();

  const { token, projectName } = await settleSource(hub, project, source, control);
  control.signal.throwIfAborted();
  writeSourceFile(folder, { token, apiUrl: address.url, project: projectName, source: source.name });
  control.keep();
  const ignored = await ignoreInGit(folder, session.environment.variables);
  if (!session.json) {
    await print(`${sourceFilePath(folder)} is written: source ${source.name} of project ${projectName}\n`);
    if (ignored) await print("Added .orion/ to .gitignore: the token belongs into no repository\n");
  }
  const started =
    plan === undefined || registry === undefined ? undefined : await registerScript(registry, plan, questions, session);
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
