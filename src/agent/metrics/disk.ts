/** The filesystem at one path, with the figures of df(1). */
import { type StatsFs, statfs, statfsSync } from "node:fs";
import type { Clock } from "#src/lib/clock.ts";
import type { SystemMetrics } from "#src/protocol/heartbeat.ts";
import { diskUsage } from "#src/procfs/disk-usage.ts";
import { filesystemTypeAt } from "#src/procfs/mountinfo.ts";
import { type Reading, absent, failed, value } from "#src/procfs/reading.ts";
import { errnoOf, reasonOf } from "#src/protocol/fault.ts";
import type { Collector, World } from "./collector.ts";
import type { TextFiles } from "./text-files.ts";

type Disk = SystemMetrics["disk"];

/** Filesystems that ask a server or another program, which may never answer; statfs(2) waits for it without a limit. */
const remote =
  /^(nfs\d?|cifs|smb3?|smbfs|ceph|9p|afs|coda|ncpfs|lustre|gfs2|ocfs2|glusterfs|virtiofs|autofs|fuse(\..*)?)$/;
/** How long a remote filesystem may take before it is called a failure: several round trips of a slow line. */
const remotePatienceMs = 10_000;
/** What lies at a path changes rarely; looking once a minute costs nothing. */
const mountsKnownMs = 60_000;

export function createDiskCollector({ diskPath, clock, files }: World): Collector<Disk> {
  const isRemote = createRemoteCheck(diskPath, clock, files);
  const readRemote = createRemoteReader(diskPath, clock);
  return {
    what: "disk",
    blank: { path: diskPath, total: null, used: null, usage: null },
    open: () => () => (isRemote() ? readRemote() : readLocal(diskPath)),
  };
}

function readLocal(path: string): Reading<Disk> {
  try {
    return figures(path, statfsSync(path));
  } catch (error) {
    return refused(path, error);
  }
}

function figures(path: string, stats: StatsFs & { readonly frsize?: number }): Reading<Disk> {
  // blocks are counted in fragments, statvfs(3); only FUSE ever tells a bsize of another size
  const unitBytes = stats.frsize !== undefined && stats.frsize > 0 ? stats.frsize : stats.bsize;
  const usage = diskUsage({ unitBytes, blocks: stats.blocks, free: stats.bfree, available: stats.bavail });
  return usage === undefined ? absent : value({ path, ...usage });
}

function refused(path: string, error: unknown): Reading<never> {
  const reason = errnoOf(error) ?? reasonOf(error);
  return failed(`${path} can't be measured: ${reason}`, "set DISK_PATH to a mounted path that this user may look at");
}

/** Whether the filesystem at the path may make statfs(2) wait. The mounts of this process count, wherever PROC_PATH is. */
function createRemoteCheck(path: string, clock: Clock, files: TextFiles): () => boolean {
  let checkedAt = Number.NEGATIVE_INFINITY;
  let isRemote = false;
  return () => {
    // if the root does not answer, nothing does
    if (path === "/") return false;
    if (clock.monotonic() - checkedAt >= mountsKnownMs) {
      checkedAt = clock.monotonic();
      const mounts = files.read("/proc/self/mountinfo");
      isRemote = mounts.kind === "value" && remote.test(filesystemTypeAt(mounts.value, path) ?? "");
    }
    return isRemote;
  };
}

/**
 * Asks in the background and gives the newest answer, so that a dead file server never stops the agent: as old as the
 * reading before, absent before the first. One question at a time: each waits in a thread of the pool.
 */
function createRemoteReader(path: string, clock: Clock): () => Reading<Disk> {
  let newest: Reading<Disk> = absent;
  let askedAt: number | undefined;
  return () => {
    if (askedAt === undefined) {
      askedAt = clock.monotonic();
      statfs(path, (error, stats) => {
        newest = error === null ? figures(path, stats) : refused(path, error);
        askedAt = undefined;
      });
    } else if (clock.monotonic() - askedAt > remotePatienceMs) {
      return failed(
        `the file server behind ${path} does not answer`,
        "check the server, or set DISK_PATH to a local path",
      );
    }
    return newest;
  };
}
