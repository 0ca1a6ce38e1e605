/** Where this process may make control groups that limit memory. Pure; see cgroups(7), proc_pid_mountinfo(5). */

export type CgroupPlace = {
  readonly version: 1 | 2;
  /** absolute path of the folder below which groups are made */
  readonly folder: string;
};

/**
 * The place for the groups of scripts, from the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`; undefined when
 * memory is controlled by no mounted hierarchy.
 *
 * It is beside this process's own group if that is a unit of systemd or of cgroup v2, and below it otherwise. Beside: a
 * v2 group that hands memory on to groups below it may hold no process of its own, and systemd could not start a unit again in such a group.
 */
export function findCgroupPlace(mountinfo: string, ownCgroups: string): CgroupPlace | undefined {
  const own = parseOwnCgroups(ownCgroups);
  const mounts = parseCgroupMounts(mountinfo);
  const version = own.memory === undefined ? 2 : 1;
  const path = own.memory ?? own.unified;
  const mount = mounts.find((m) => m.version === version && (version === 2 || m.controllers.includes("memory")));
  if (mount === undefined || path === undefined) return undefined;
  const within = relativeTo(mount.root, path);
  if (within === undefined) return undefined;
  const beside = within.endsWith(".service") || (version === 2 && within !== "/");
  const folder = beside ? within.slice(0, within.lastIndexOf("/")) : within;
  return { version, folder: `${mount.point}${folder === "/" ? "" : folder}` };
}

/** `hierarchy-ID:controller-list:path` a line; the v2 hierarchy is `0::path`. */
function parseOwnCgroups(text: string): { readonly memory: string | undefined; readonly unified: string | undefined } {
  let memory: string | undefined;
  let unified: string | undefined;
  for (const line of text.split("\n")) {
    const [id, controllers, ...rest] = line.split(":");
    if (controllers === undefined || rest.length === 0) continue;
    const path = rest.join(":");
    if (id === "0" && controllers === "") unified = path;
    else if (controllers.split(",").includes("memory")) memory = path;
  }
  return { memory, unified };
}

type CgroupMount = {
  readonly version: 1 | 2;
  readonly root: string;
  readonly point: string;
  readonly controllers: readonly string[];
};

function parseCgroupMounts(text: string): CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of text.split("\n")) {
    const [front, back] = line.split(" - ");
    const [, , , root, point] = front?.split(" ") ?? [];
    const [type, , options] = back?.split(" ") ?? [];
    if (root === undefined || point === undefined) continue;
    if (type === "cgroup2") mounts.push({ version: 2, root, point, controllers: [] });
    if (type === "cgroup") mounts.push({ version: 1, root, point, controllers: options?.split(",") ?? [] });
  }
  return mounts;
}

/** `path` as seen from a mount that shows the hierarchy from `root` on. */
function relativeTo(root: string, path: string): string | undefined {
  // outside of what this cgroup namespace shows
  if (path.startsWith("/..") || root.startsWith("/..")) return undefined;
  if (root === "/") return path;
  if (path === root) return "/";
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}
