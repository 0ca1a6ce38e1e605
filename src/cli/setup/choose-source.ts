/** Which source an application logs as: one that is there, with its token or a new one, or one to be made. */
import { basename } from "node:path";

import type { SourceConfig } from "#src/protocol/config.ts";
import { sourceName as sourceNameSchema } from "#src/protocol/log.ts";
import { type Source, newSource } from "#src/protocol/project.ts";
import { z } from "#src/protocol/schema.ts";

import { CliFault, exitCodes } from "../exit.ts";
import type { HubAddress } from "../hub/address.ts";
import { type HubClient, createHubClient } from "../hub/client.ts";
import { listSources } from "../hub/projects.ts";
import { HubRefusal } from "../hub/refusal.ts";
import type { Interruptible, Undo } from "../interrupt.ts";
import { type ProjectChoice, nameOfChoice, settleProject } from "./project.ts";
import type { Questions } from "./questions.ts";

/** A source that is to be made, one whose token is at hand, or one that gets a new token. */
export type SourceChoice =
  | { readonly state: "new"; readonly name: string }
  | { readonly state: "kept"; readonly name: string; readonly token: string }
  | { readonly state: "rotated"; readonly name: string; readonly source: Source };

export type SourceQuestion = {
  readonly hub: HubClient;
  readonly address: HubAddress;
  readonly project: ProjectChoice;
  readonly before: SourceConfig | undefined;
  readonly folder: string;
  /** the flag `--source-name` */
  readonly given: string | undefined;
  /** the flag `--replace`: a source that is there may get a new token */
  readonly replace: boolean;
};

export async function chooseSource(
  { hub, address, project, before, folder, given, replace }: SourceQuestion,
  questions: Questions,
  { signal }: Interruptible,
): Promise<SourceChoice> {
  const sources = "there" in project ? await listSources(hub, project.there.id, signal) : [];
  const mine = before !== undefined && before.project === nameOfChoice(project) && sameHub(before, address);
  const offer = mine ? before.source : sourceNameFor(folder);
  const name = await pickName(sources, offer, given, questions);
  const source = sources.find((one) => one.name === name);
  if (source === undefined) return { state: "new", name };
  if (mine && before.source === name && (await stillGood(address, before.token)))
    return { state: "kept", name, token: before.token };
  const warning = `Source ${name} is there already, and its token can't be shown again`;
  if (replace || (await questions.insist(`${warning}. Make a new one? The old one stops working at once.`)))
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
  sourceName: string | undefined,
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
export async function settleSource(
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
