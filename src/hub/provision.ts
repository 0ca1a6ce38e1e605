/** SSH plugged together: how servers are reached, and the jobs that put agents on them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { version } from "#src/protocol/version.ts";
import type { Rooms } from "./rooms.ts";
import { checkAccess } from "./ssh/access-check.ts";
import { createSshAccess } from "./ssh/access.ts";
import { openSession, readHostKey } from "./ssh/connection.ts";
import type { HubAddress } from "./ssh/deploy/address.ts";
import { createDeployPlan, deploySteps } from "./ssh/deploy/deploy.ts";
import { lookAtHost } from "./ssh/deploy/facts.ts";
import { createPrograms, ownProgram } from "./ssh/deploy/program.ts";
import { createReported } from "./ssh/deploy/reported.ts";
import { createUninstallPlan, uninstallSteps } from "./ssh/deploy/uninstall.ts";
import { createHubKeys } from "./ssh/hub-key.ts";
import { type JobsCluster, createJobs } from "./ssh/jobs.ts";

/** Servers that are tried out at once, by people who wait for it; each may hold a connection for the better part of a minute. */
const maxChecks = 32;

export type Provision = Awaited<ReturnType<typeof openProvision>>;

export type ProvisionWorld = {
  readonly rooms: Pick<Rooms, "state" | "servers" | "projects" | "sshVault">;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  /** where agents reach this hub; asked when one is deployed */
  readonly hub: () => HubAddress;
  /** PEM file of the certificate that it shows there; null: it speaks no TLS itself */
  readonly tlsCert: string | null;
  /** the hubs that share the state; left out: this one is alone */
  readonly cluster?: JobsCluster;
  /** What the steps of jobs say reaches the other hubs within this time, milliseconds; left out: there are none. */
  readonly shareWithinMs?: number;
};

/** Reads what is kept. Jobs that an earlier life of the hub has left go on after `jobs.open()`. */
export async function openProvision(world: ProvisionWorld) {
  const { rooms, dataDir, clock, warn, hub, tlsCert, cluster, shareWithinMs } = world;
  const { state, servers, projects, sshVault: vault } = rooms;
  const now = () => clock.now();
  const organizationOf = (serverId: string): string | undefined => {
    const projectId = servers.get(serverId)?.projectId;
    return projectId === undefined ? undefined : (projects.get(projectId)?.organizationId ?? undefined);
  };
  const keys = createHubKeys(state, vault, now, warn);
  const access = createSshAccess({ store: state, vault, keys, organizationOf, clock });
  await access.open();
  const programs = createPrograms({ ...ownProgram(), releaseDir: join(dataDir, "releases") });
  // as it is now: it is renewed while the hub runs
  const certificate = () => (tlsCert === null ? null : readFileSync(tlsCert, "utf8"));
  const lastReport = (id: string) => servers.get(id)?.lastSeenMs ?? null;
  const tokens = { ...servers, lastReport, reported: createReported(servers, clock) };
  const deploy = { targets: access, openSession, tokens, programs, hub, certificate, version };
  const uninstall = { targets: access, openSession, revoke: (id: string) => servers.revoke(id) };
  const jobs = createJobs({
    store: state,
    clock,
    warn,
    ...(cluster === undefined ? {} : { cluster }),
    ...(shareWithinMs === undefined ? {} : { shareWithinMs }),
    plan: {
      deploy: (job) => createDeployPlan(deploy, job),
      uninstall: (job) => createUninstallPlan(uninstall, job),
    },
    stepNames: { deploy: deploySteps, uninstall: uninstallSteps },
  });
  const cancel = servers.onChange((id) => {
    if (servers.get(id) !== undefined) return;
    access.forget(id);
    jobs.forget(id);
  });
  let checking = 0;
  return {
    access,
    keys,
    jobs,
    async check(serverId: string, approve: Parameters<typeof checkAccess>[2]) {
      if (checking >= maxChecks) {
        throw new Fault("limited", `${checking} servers are being tried out already`, {
          hint: "Try again in a minute",
        });
      }
      checking++;
      try {
        return await checkAccess({ access, openSession, readHostKey, look: lookAtHost }, serverId, approve);
      } finally {
        checking--;
      }
    },
    /** Takes up what an earlier life has left, once the hub can be reached by agents. */
    start: () => keep(jobs.open(), (error) => warn(`jobs of before could not be taken up: ${reasonOf(error)}`)),
    async close(): Promise<void> {
      cancel();
      await jobs.close();
      access.close();
    },
  };
}
