/** Filters by where something came from: project, server, and script, container or application. */
import { useMemo } from "preact/hooks";

import type { Server } from "#src/protocol/api.ts";
import type { Project } from "#src/protocol/project.ts";
import { servers } from "../live.ts";
import { useLoad } from "../loading.ts";
import { Pick, Suggest } from "./filters.tsx";

export type Origin = {
  /** ids; empty: all */
  readonly project: string;
  readonly server: string;
  /** what lines are filed under */
  readonly source: string;
};

export function OriginFilters({
  origin: { project, server, source },
  onChange,
}: {
  readonly origin: Origin;
  readonly onChange: (part: Partial<Origin>) => void;
}) {
  const { data, problem } = useLoad<{ readonly projects: readonly Project[] }>("/api/projects");
  const projects = data?.projects ?? [];
  const fleet = servers.value;
  const sources = useMemo(() => sourceNames(fleet), [fleet]);
  // whether there is a choice of projects is not yet known: it would push the others aside
  if (data === undefined && problem === "") return <span class="loading" />;
  return (
    <>
      {(projects.length > 1 || project !== "") && (
        <Pick
          label="Project"
          value={project}
          options={[["", "All projects"], ...projects.map(({ id, name }) => [id, name] as const)]}
          onChange={(id) => onChange({ project: id })}
        />
      )}
      <Suggest
        label="Server"
        value={fleet.find(({ id }) => id === server)?.hostname ?? server}
        names={fleet.map(({ hostname }) => hostname)}
        onChange={(name) => onChange({ server: fleet.find(({ hostname }) => hostname === name)?.id ?? name })}
      />
      <Suggest label="Source" value={source} names={sources} onChange={(name) => onChange({ source: name })} />
    </>
  );
}

/** What the scripts and containers that run now file their lines under, each once. */
export function sourceNames(fleet: readonly Server[]): string[] {
  const names = fleet.flatMap(({ latest }) => [
    ...(latest?.scripts ?? []).map(({ name }) => name),
    ...(latest?.containers ?? []).map(({ source, name }) => source ?? name),
  ]);
  return [...new Set(names)].sort();
}
