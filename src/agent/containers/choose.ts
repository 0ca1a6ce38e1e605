/** Whose lines are read. Pure. */
import type { ContainerLogs } from "#src/protocol/config.ts";
import type { Container } from "#src/protocol/container-inspect.ts";

/** A choice for a config; `own` is the container that the agent itself runs in, which would read what it writes. */
export function createChoice(
  rules: ContainerLogs,
  own: string | undefined,
): (container: Pick<Container, "id" | "name" | "source" | "image" | "labels">) => boolean {
  const include = rules.include.map(toPattern);
  const exclude = rules.exclude.map(toPattern);
  return ({ id, name, source, image, labels }) => {
    if (id === own) return false;
    const label = labels["orion.logs"]?.trim().toLowerCase();
    if (label === "false" || label === "true") return label === "true";
    const matches = (pattern: RegExp): boolean => [name, source, image].some((text) => pattern.test(text));
    return (include.length === 0 || include.some(matches)) && !exclude.some(matches);
  };
}

function toPattern(glob: string): RegExp {
  return new RegExp(`^${glob.split("*").map(escape).join(".*")}$`);
}

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

/** As engines mount files into a container: `…/containers/<id>/hostname`; in cgroups of v1 the id ends a path. */
const inMounts = /\/(?:[a-z]+-)?containers\/([0-9a-f]{64})\//;
const inCgroups = /(?:\/|docker-|libpod-)([0-9a-f]{64})(?:\.scope)?(?:\/[^\n]*)?$/m;

/** The id of the container that a process runs in, by its /proc/self/mountinfo and /proc/self/cgroup; undefined: none. */
export function ownContainer(mountinfo: string, cgroup: string): string | undefined {
  const mounts = mountinfo.split("\n").filter((line) => / \/etc\/(?:hostname|hosts|resolv\.conf) /.test(line));
  return inMounts.exec(mounts.join("\n"))?.[1] ?? inCgroups.exec(cgroup)?.[1];
}
