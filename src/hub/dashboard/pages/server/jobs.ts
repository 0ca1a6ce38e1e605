/** What the hub has done to a server in the background, and which of it is shown. */
import { useEffect, useMemo } from "preact/hooks";

import type { Job, jobsPage } from "#src/protocol/job.ts";
import type { z } from "#src/protocol/schema.ts";
import type { Mark } from "../../charts/marks.ts";
import { address } from "../../client.ts";
import { type Loaded, useLoad } from "../../loading.ts";
import { navigate, usePlace } from "../../router.ts";

type JobsPage = z.infer<typeof jobsPage>;

export type ServerJobs = {
  readonly list: Loaded<JobsPage>;
  /** as marks for charts, those that are over */
  readonly marks: readonly Mark[];
  /** id; empty: none */
  readonly shown: string;
  /** Opens one, or none: its address can be kept and sent. */
  readonly show: (id: string) => void;
};

const none: readonly Mark[] = [];

export const isOver = ({ state }: Pick<Job, "state">): boolean => state !== "queued" && state !== "running";

/** Only who manages servers may see them. */
export function useJobs(serverId: string, manages: boolean): ServerJobs {
  const { path, query } = usePlace();
  const list = useLoad<JobsPage>(manages ? address("/api/servers/:id/jobs", { id: serverId }) : null);
  const shown = manages ? (query.get("job") ?? "") : "";
  // one that is not listed yet has only just been asked for
  useEffect(() => {
    if (shown !== "") list.reload();
  }, [shown]);
  const marks = useMemo(() => (list.data === undefined ? none : list.data.jobs.flatMap(marksOf)), [list.data]);
  return {
    list,
    marks,
    shown,
    show(id) {
      const search = new URLSearchParams(query);
      if (id === "") search.delete("job");
      else search.set("job", id);
      navigate(search.size === 0 ? path : `${path}?${search}`, { keepScroll: true });
    },
  };
}

function marksOf({ id, kind, state, serverId, finishedAt }: Job): Mark[] {
  if (finishedAt === null) return [];
  const href = address("/servers/:id", { id: serverId }, { job: id });
  return [{ id, at: finishedAt, type: `${kind}.${state}`, subject: null, href }];
}
