/** Picking a project, or naming one that is made later, when nothing can go wrong any more. */
import { type Project, project as projectSchema } from "#src/protocol/project.ts";

import { CliFault, exitCodes } from "../exit.ts";
import type { HubClient } from "../hub/client.ts";
import { findProject, listProjects } from "../hub/projects.ts";
import type { Interruptible, Undo } from "../interrupt.ts";
import { nearest } from "../nearest.ts";
import type { Questions } from "./questions.ts";

/** One that is there, or the name of one to be made. */
export type ProjectChoice = { readonly there: Project } | { readonly name: string };

/** Names of projects, as the hub takes them: see protocol/access.ts `displayName`. */
const validName = /^[^\u0000-\u001f\u007f]{1,100}$/u;

/** @throws {CliFault} the flag names none, and it must not be made unasked */
export async function chooseProject(
  hub: HubClient,
  given: string | undefined,
  questions: Questions,
  { signal }: Interruptible,
): Promise<ProjectChoice> {
  const projects = await listProjects(hub, signal);
  if (given !== undefined) {
    const there = findProject(projects, given);
    if (there !== undefined) return { there };
    if (questions.yes || (await questions.insist(`There is no project "${given}". Make it?`))) return { name: given };
    const names = projects.map(({ name }) => name);
    const guess = nearest(given, names);
    throw new CliFault(
      exitCodes.failed,
      "not-found",
      `there is no project "${given}"`,
      `${guess === undefined ? "" : `Did you mean ${guess}? `}There are: ${names.join(", ") || "none"}; --yes makes it`,
    );
  }
  const options = [
    ...projects.map((there) => ({ value: { there }, label: there.name, hint: contents(there) })),
    { value: undefined, label: "A new project …" },
  ];
  const chosen = await questions.choose<{ readonly there: Project } | undefined>({
    flag: "--project",
    message: "Project",
    options,
    // which of several is meant can't be guessed
    ...(questions.interactive || projects.length === 1 ? { offer: 0 } : {}),
  });
  if (chosen !== undefined) return chosen;
  const name = await questions.text({
    flag: "--project",
    message: "Name of the new project",
    check: (text) =>
      !validName.test(text)
        ? "must be 1 to 100 characters on one line"
        : findProject(projects, text) !== undefined
          ? "is taken"
          : undefined,
  });
  return { name };
}

function contents({ servers, sources }: Project): string {
  const words = (count: number, one: string) => (count === 1 ? `1 ${one}` : `${count} ${one}s`);
  return `${words(servers, "server")}, ${words(sources, "source")}`;
}

export const nameOfChoice = (choice: ProjectChoice): string => ("there" in choice ? choice.there.name : choice.name);

/** The project, made now if it is new; and unmade, should the rest fail. */
export async function settleProject(hub: HubClient, choice: ProjectChoice, control: Undo): Promise<Project> {
  if ("there" in choice) return choice.there;
  const body = { name: choice.name };
  const made = await hub.ask({ method: "POST", path: "/api/projects", body }, projectSchema);
  control.undo(`the new project ${made.name}`, () =>
    hub.order({ method: "DELETE", path: `/api/projects/${made.id}`, withinMs: 10_000 }),
  );
  return made;
}
