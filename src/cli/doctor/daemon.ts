/** Is the daemon there, does it answer, and what does it complain of? */
import { readFileSync, statSync } from "node:fs";

import { Fault } from "#src/protocol/fault.ts";
import type { StatusAnswer } from "#src/protocol/ipc.ts";
import { endsWithItsContainer } from "#src/lib/container.ts";
import { version } from "#src/protocol/version.ts";

import { connectDaemon } from "../daemon.ts";
import { type Finding, type Patient, fail, ok, warn } from "./finding.ts";

/** Milliseconds for the answer of a daemon that is well. */
const answerWithinMs = 3000;

export type DaemonCheck = { readonly findings: readonly Finding[]; readonly status: StatusAnswer | undefined };

export async function checkDaemon({ paths, dir }: Patient): Promise<DaemonCheck> {
  const rights = checkSocketRights(paths.socket, dir === undefined);
  try {
    const daemon = await connectDaemon(paths.socket);
    try {
      const status = (await daemon.request({ cmd: "status" }, answerWithinMs)) as StatusAnswer;
      return {
        findings: [
          ok("daemon", `running, pid ${status.pid}, version ${status.version}`),
          ...rights,
          ...checkOutliving(status.pid),
          ...complaints(status),
        ],
        status,
      };
    } finally {
      daemon.close();
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const holder = lockHolder(`${paths.runDir}/agent.lock`);
    const why = holder === undefined ? error.message : `${error.message}; process ${holder} holds its lock`;
    return { findings: [fail("daemon", why, error.hint ?? "Start it: orion agent"), ...rights], status: undefined };
  }
}

/** In a container without an init of its own, the end of the daemon is the end of everything. */
function checkOutliving(pid: number): Finding[] {
  if (!endsWithItsContainer(pid)) return [ok("outliving", "applications go on when the daemon ends by accident")];
  return [
    warn(
      "outliving",
      "the daemon is all that keeps its container running: when it ends, so do its applications",
      "Install Orion on the host for applications that must not; docs/outliving.md says more",
    ),
  ];
}

function complaints(status: StatusAnswer): Finding[] {
  const found: Finding[] = status.problems.map(({ what, why, todo }) => warn("daemon", `${what}: ${why}`, todo));
  if (status.version !== version) {
    found.push(
      warn(
        "version",
        `the daemon is ${status.version}, this command is ${version}`,
        "Have it replaced in place, applications go on: sudo orion agent reexec",
      ),
    );
  }
  const { dropped } = status.delivery.ledger;
  if (dropped > 0) {
    found.push(
      warn(
        "delivery",
        `${dropped} log entries were dropped at a limit`,
        "Bring the hub back, or raise buffer.maxEntries in the config file",
      ),
    );
  }
  return found;
}

/** Who may connect: the owner and, `shared` by the whole host, a group; never everybody. */
function checkSocketRights(socket: string, shared: boolean): Finding[] {
  try {
    const stat = statSync(socket, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isSocket()) return [];
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    if ((stat.mode & 0o002) !== 0) {
      return [fail("socket", `everybody may use ${socket} (mode ${mode})`, `sudo chmod 0660 ${socket}`)];
    }
    if (shared && stat.uid === 0 && (stat.mode & 0o060) === 0) {
      return [
        warn(
          "socket",
          `only root may use ${socket} (mode ${mode})`,
          "For others: sudo groupadd -f orion, sudo usermod -aG orion USER, then restart the daemon",
        ),
      ];
    }
    return [ok("socket", `${socket}, mode ${mode}, user ${stat.uid}, group ${stat.gid}`)];
  } catch {
    // its folder is closed to this user, which the daemon's own finding says already
    return [];
  }
}

/** The pid in a lock file, when that process is alive. */
function lockHolder(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "utf8").trim());
    if (!Number.isInteger(pid) || pid <= 0) return undefined;
    return statSync(`/proc/${pid}`, { throwIfNoEntry: false }) === undefined ? undefined : pid;
  } catch {
    // no lock, or not for this user to read: then nobody is named
    return undefined;
  }
}
