/** A store of jobs in memory that can be made to fail; what the real ones do with several hubs, it does. */
import type { JobRecord, JobsStore } from "#src/hub/ssh/jobs.ts";
import { Fault } from "#src/protocol/fault.ts";

export function jobsStoreOn(
  rows: Map<string, JobRecord>,
  failing: { readonly puts: boolean } = { puts: false },
  changed: (id: string) => void = () => undefined,
): JobsStore {
  const set = (id: string, to: Partial<JobRecord>) => {
    const row = rows.get(id);
    if (row === undefined) return false;
    rows.set(id, { ...row, ...to });
    changed(id);
    return true;
  };
  return {
    job: async (id) => rows.get(id),
    jobsOf: async (serverId) => [...rows.values()].filter((row) => row.serverId === serverId),
    openJobs: async (ids) => [...rows.values()].filter(({ id, over }) => !over && ids?.includes(id) !== false),
    async putJob({ holder, ...record }) {
      if (failing.puts) throw new Error("disk full");
      const before = rows.get(record.id);
      if (before === undefined) rows.set(record.id, { holder: holder ?? null, cancelled: false, ...record });
      else if (before.holder !== (holder ?? before.holder)) throw new Fault("conflict", "it is done by another hub");
      else rows.set(record.id, { ...before, ...record });
      changed(record.id);
    },
    async claimJob(id, hub) {
      const row = rows.get(id);
      if (row === undefined || row.over || (row.holder ?? hub) !== hub) return false;
      for (const other of rows.values()) {
        if (other.serverId === row.serverId && !other.over && other.holder !== null && other.id !== id) return false;
      }
      return set(id, { holder: hub });
    },
    async endJob({ id, body }) {
      const row = rows.get(id);
      return row !== undefined && !row.over && row.holder === null && set(id, { over: true, body });
    },
    async releaseJobs(hub) {
      const held = [...rows.values()].filter(({ holder, over }) => holder === hub && !over).map(({ id }) => id);
      for (const id of held) set(id, { holder: null });
      return held;
    },
    cancelJob: async (id) => rows.get(id)?.over === false && set(id, { cancelled: true }),
  };
}
