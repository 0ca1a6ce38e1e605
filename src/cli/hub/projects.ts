/** Projects and their sources. */
import { type Project, type Source, projectsPage, sourcesPage } from "#src/protocol/project.ts";

import type { HubClient } from "./client.ts";

/** All projects of the organization, by name. */
export async function listProjects(hub: HubClient, signal?: AbortSignal): Promise<readonly Project[]> {
  const all: Project[] = [];
  let cursor: string | undefined;
  do {
    const ask = { path: "/api/projects", query: { cursor }, ...(signal === undefined ? {} : { signal }) };
    const page = await hub.ask(ask, projectsPage);
    all.push(...page.projects);
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return all;
}

/** All sources of a project, by name. */
export async function listSources(hub: HubClient, projectId: string, signal?: AbortSignal): Promise<readonly Source[]> {
  const all: Source[] = [];
  let cursor: string | undefined;
  do {
    const path = `/api/projects/${projectId}/sources`;
    const ask = { path, query: { cursor }, ...(signal === undefined ? {} : { signal }) };
    const page = await hub.ask(ask, sourcesPage);
    all.push(...page.sources);
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return all;
}

/** The project of this id or name (upper and lower case alike). */
export function findProject(projects: readonly Project[], name: string): Project | undefined {
  const lower = name.toLowerCase();
  return projects.find(({ id }) => id === name) ?? projects.find((project) => project.name.toLowerCase() === lower);
}
