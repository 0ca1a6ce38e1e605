/**
 * Whose things a caller may see. An organization sees its own projects, servers and sources, and nothing of others, not
 * even that it exists. What belongs to whom is worked out once for each change of the fleet, not for each request.
 */
import { Fault } from "#src/protocol/fault.ts";
import type { ProjectView, Projects, ServerView, Servers, SourceView, Visible } from "../ports.ts";
import { HttpFault } from "../problem.ts";

export type ScopeWorld = {
  readonly servers: Pick<Servers, "all" | "get" | "revision">;
  readonly projects: Pick<Projects, "of" | "get" | "sources" | "source" | "revision">;
  /** The only organization of this hub; null: there are several, or none. */
  readonly soleOrganization: () => string | null;
};

export type Scopes = {
  /** The organization's project of this id or name (case ignored). Throws HttpFault 404. */
  project(organizationId: string, idOrName: string): ProjectView;
  /** The organization's server. Throws HttpFault 404, also for one of another organization. */
  server(organizationId: string, id: string): ServerView;
  /** The project's source. Throws HttpFault 404. */
  source(project: ProjectView, id: string): SourceView;
  /** Where a registration goes: the named project, or the only one. Throws HttpFault 404, or a Fault that names them. */
  destination(organizationId: string, idOrName: string | undefined): ProjectView;
  /** Servers of an organization, or of one project of it, by hostname, then project. */
  servers(organizationId: string, project?: ProjectView): readonly ServerView[];
  /** How many servers a project has. */
  serverCount(projectId: string): number;
  /**
   * Ids of the servers and sources that an organization may see, of all its projects or of one. A function, because a
   * stream asks again and again. null, which is everything, only while the organization has the hub to itself: then
   * that includes what servers that are gone have left.
   * Throws HttpFault 404 at once when there is no such project; the function itself does not throw.
   */
  visible(organizationId: string, idOrName?: string): () => Visible;
};

/** Project names that an error lists. */
const maxNamed = 20;

/** What belongs to a project or to an organization. */
type Belongings = { readonly servers: readonly string[]; readonly origins: ReadonlySet<string> };

export function createScopes({ servers, projects, soleOrganization }: ScopeWorld): Scopes {
  let revision = "";
  let serversOf = new Map<string, readonly string[]>();
  const known = new Map<string, Belongings>();

  /** Forgets what was worked out before the last change. */
  function refresh(): void {
    const now = `${servers.revision()} ${projects.revision()}`;
    if (now === revision) return;
    revision = now;
    known.clear();
    const groups = Map.groupBy(servers.all(), (server) => server.projectId);
    serversOf = new Map([...groups].map(([id, group]) => [id, group.map((server) => server.id)]));
  }

  function belongings(organizationId: string, projectId: string | undefined): Belongings {
    refresh();
    // a NUL is in no id, so that no two pairs make the same key
    const key = `${organizationId}\u0000${projectId ?? ""}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const own = projects.of(organizationId).filter(({ id }) => projectId === undefined || id === projectId);
    const ids = new Set(own.map(({ id }) => id));
    const list =
      own.length === 1
        ? own.flatMap(({ id }) => serversOf.get(id) ?? [])
        : servers.all().flatMap((server) => (ids.has(server.projectId) ? server.id : []));
    const sources = own.flatMap(({ id }) => projects.sources(id).map((source) => source.id));
    const made = { servers: list, origins: new Set([...list, ...sources]) };
    known.set(key, made);
    return made;
  }

  function project(organizationId: string, idOrName: string): ProjectView {
    const byId = projects.get(idOrName);
    if (byId?.organizationId === organizationId) return byId;
    const name = idOrName.toLowerCase();
    const byName = projects.of(organizationId).find((one) => one.name.toLowerCase() === name);
    if (byName === undefined) throw new HttpFault(404, "there is no such project");
    return byName;
  }

  return {
    project,
    server(organizationId, id) {
      const server = servers.get(id);
      if (server === undefined || projects.get(server.projectId)?.organizationId !== organizationId) {
        throw new HttpFault(404, "there is no such server");
      }
      return server;
    },
    source({ id: projectId }, id) {
      const source = projects.source(id);
      if (source?.projectId !== projectId) throw new HttpFault(404, "there is no such source");
      return source;
    },
    destination(organizationId, idOrName) {
      if (idOrName !== undefined) return project(organizationId, idOrName);
      const own = projects.of(organizationId);
      const [first] = own;
      if (first === undefined) {
        throw new Fault("invalid", "there is no project to register in", { hint: "Make one with POST /api/projects" });
      }
      if (own.length === 1) return first;
      const names = own.slice(0, maxNamed).map(({ name }) => `"${name}"`);
      const more = own.length > maxNamed ? ` and ${own.length - maxNamed} more` : "";
      throw new Fault("invalid", "the body is not valid: project is missing, and there are several", {
        hint: `Give the id or name of one: ${names.join(", ")}${more}`,
      });
    },
    servers(organizationId, only) {
      if (only === undefined && soleOrganization() === organizationId) return servers.all();
      return belongings(organizationId, only?.id).servers.flatMap((id) => servers.get(id) ?? []);
    },
    serverCount(projectId) {
      refresh();
      return serversOf.get(projectId)?.length ?? 0;
    },
    visible(organizationId, idOrName) {
      const only = idOrName === undefined ? undefined : project(organizationId, idOrName).id;
      return () => {
        if (only === undefined && soleOrganization() === organizationId) return null;
        return belongings(organizationId, only).origins;
      };
    },
  };
}
