/** Projects and their sources, all in memory. Changes are durable when their promises resolve; a failed one is undone. */
import { createRereading } from "#src/lib/rereading.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { ProjectChange, ProjectRecord, ProjectsWorld, Retention, Source } from "./port.ts";
import { type SourceWithToken, createSources } from "./sources.ts";

/** What the first project is called. */
const firstName = "default";
/** Several hubs that are started at once on an empty database make the same one. */
const firstId = "00000000-0000-4000-8000-000000000001";

export type Projects = {
  /** Reads all projects and sources, and makes the project "default" when there is none. */
  open(): Promise<void>;
  /** Writes what is not yet written. */
  close(): Promise<void>;
  /** Reads projects again that another hub has changed; null: all. Rejects when they can't be read now. */
  refresh(ids: readonly string[] | null): Promise<void>;
  /** The same for sources. */
  refreshSources(ids: readonly string[] | null): Promise<void>;
  /**
   * Gives what belongs to nobody to a new organization, which is the first project for the first one; an organization
   * that has none after that gets a project "default".
   */
  adopt(organizationId: string): Promise<void>;
  /** Everybody's, oldest first. */
  all(): readonly ProjectRecord[];
  /** An organization's, by name. */
  of(organizationId: string): readonly ProjectRecord[];
  get(id: string): ProjectRecord | undefined;
  /** Rejects with a Fault `conflict` when the organization has one of that name, case ignored. */
  create(organizationId: string, name: string): Promise<ProjectRecord>;
  /** Changes what is given. Rejects with a Fault `conflict` likewise, `not-found` when there is no such project. */
  change(id: string, change: { readonly name?: string; readonly retention?: Retention }): Promise<ProjectRecord>;
  /** With its sources. Rejects with a Fault `conflict` when servers are in it, `not-found` when it is not there. */
  remove(id: string): Promise<void>;
  /** By name. */
  sources(projectId: string): readonly Source[];
  source(id: string): Source | undefined;
  /** Rejects with a Fault `conflict` when the project has one of that name, `not-found` when there is no project. */
  createSource(projectId: string, name: string): Promise<SourceWithToken>;
  /** A new token; the old one is dead before the promise resolves. Rejects with a Fault `not-found`. */
  rotateSource(id: string): Promise<SourceWithToken>;
  /** Its token is dead at once. Rejects with a Fault `not-found`. */
  removeSource(id: string): Promise<void>;
  /** Whose token this is; notes its use. */
  authenticate(token: string): Source | undefined;
  /** Changes whenever a project or source comes, goes or moves. */
  revision(): number;
};

const noProject = () => new Fault("not-found", "there is no such project");

const byName = (a: ProjectRecord, b: ProjectRecord) =>
  a.name.toLowerCase() < b.name.toLowerCase() || (a.name.toLowerCase() === b.name.toLowerCase() && a.id < b.id)
    ? -1
    : 1;

export function createProjects(world: ProjectsWorld): Projects {
  const { store, clock } = world;
  const projects = new Map<string, ProjectRecord>();
  let revision = 0;
  const changed = () => void revision++;
  const sources = createSources(world, changed);
  const rereading = createRereading<ProjectRecord>({
    clock,
    read: async (ids) => new Map((await store.projects(ids ?? undefined)).map((one) => [one.id, one])),
    known: () => projects.keys(),
    take(id, project) {
      if (Bun.deepEquals(project, projects.get(id))) return;
      if (project === undefined) {
        projects.delete(id);
        sources.forget(id);
      } else projects.set(id, project);
      changed();
    },
  });

  function of(organizationId: string | null): ProjectRecord[] {
    return [...projects.values()].filter((one) => one.organizationId === organizationId).sort(byName);
  }

  function find(id: string): ProjectRecord {
    const project = projects.get(id);
    if (project === undefined) throw noProject();
    return project;
  }

  function refuseTaken(organizationId: string | null, name: string, but?: string): void {
    const wanted = name.toLowerCase();
    const taken = of(organizationId).some((one) => one.id !== but && one.name.toLowerCase() === wanted);
    if (taken) throw new Fault("conflict", `there is a project "${name}" already`, { hint: "Choose another name" });
  }

  /** Puts `project` in memory, then in the store, by `write`; when that fails, memory is as it was. */
  async function put(project: ProjectRecord, write: () => Promise<void>): Promise<ProjectRecord> {
    const before = projects.get(project.id);
    projects.set(project.id, project);
    changed();
    try {
      await rereading.write([project.id], write);
    } catch (error) {
      if (projects.get(project.id) === project) {
        if (before === undefined) projects.delete(project.id);
        else projects.set(project.id, before);
        changed();
      }
      if (error instanceof Fault && error.code === "conflict") {
        // another hub was quicker: it is told as if that had been known
        await rereading.refresh(null);
        refuseTaken(project.organizationId, project.name, project.id);
      }
      throw error;
    }
    return project;
  }

  async function make(organizationId: string | null, name: string, id = crypto.randomUUID()): Promise<ProjectRecord> {
    refuseTaken(organizationId, name);
    const retention = { days: null, bytes: null };
    const project = { id, organizationId, name, createdAtMs: clock.now(), retention };
    return await put(project, () => store.putProject(project));
  }

  /** Changes in the store what is given and nothing else, since other hubs may be changing that. */
  function change(project: ProjectRecord, to: ProjectChange): Promise<ProjectRecord> {
    return put({ ...project, ...to }, async () => {
      if (!(await store.changeProject(project.id, to))) throw noProject();
    });
  }

  return {
    async open() {
      for (const project of await store.projects()) projects.set(project.id, project);
      await sources.open();
      if (projects.size === 0) await make(null, firstName, firstId);
    },
    async close() {
      await sources.close();
      rereading.close();
    },
    refresh: rereading.refresh,
    refreshSources: sources.refresh,
    async adopt(organizationId) {
      // another hub may have given it to another organization
      await rereading.refresh(null);
      for (const project of of(null)) await change(project, { organizationId });
      if (of(organizationId).length === 0) await make(organizationId, firstName);
    },
    all: () => [...projects.values()].sort((a, b) => a.createdAtMs - b.createdAtMs || byName(a, b)),
    of,
    get: (id) => projects.get(id),
    create: (organizationId, name) => make(organizationId, name),
    async change(id, to) {
      find(id);
      // another hub may have just changed the rest of it
      await rereading.refresh([id]);
      const project = find(id);
      if (to.name !== undefined) refuseTaken(project.organizationId, to.name, id);
      return await change(project, to);
    },
    async remove(id) {
      const project = find(id);
      projects.delete(id);
      const takeBack = sources.forget(id);
      changed();
      await rereading.write([id], async () => {
        try {
          await store.deleteProject(id);
        } catch (error) {
          projects.set(id, project);
          takeBack();
          throw error;
        }
      });
    },
    sources: sources.of,
    source: sources.get,
    async createSource(projectId, name) {
      find(projectId);
      return await sources.create(projectId, name);
    },
    rotateSource: sources.rotate,
    removeSource: sources.remove,
    authenticate: sources.authenticate,
    revision: () => revision,
  };
}
