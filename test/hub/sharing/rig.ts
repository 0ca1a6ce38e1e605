/** Hubs' rooms over one store: what each keeps in memory, plugged together as the hub does it. */
import { createToken, digestOf, matchesToken } from "#src/hub/auth/token.ts";
import { createTokens } from "#src/hub/auth/tokens.ts";
import { createVault } from "#src/hub/auth/vault.ts";
import { createFleet } from "#src/hub/fleet/fleet.ts";
import { silencesIn } from "#src/hub/fleet/turns.ts";
import { createProjects } from "#src/hub/projects/projects.ts";
import { type Sharing, followersOf, startSharing } from "#src/hub/sharing.ts";
import { createSshAccess } from "#src/hub/ssh/access.ts";
import { createHubKeys } from "#src/hub/ssh/hub-key.ts";
import { type JobPlan, createJobs } from "#src/hub/ssh/jobs.ts";
import type { Cluster } from "#src/hub/store/cluster/port.ts";
import type { OpenedState } from "#src/hub/store/state.ts";
import { type Clock, timestamp } from "#src/lib/clock.ts";
import type { Job } from "#src/protocol/job.ts";

export type RoomsOptions = {
  readonly clock: Clock;
  /** what a job does; left out: nothing */
  readonly plan?: (job: Job) => JobPlan;
  readonly shareWithinMs?: number;
};

export type TestRooms = Awaited<ReturnType<typeof openTestRooms>>;

const none = null;
/** A host that can tell nothing of itself. */
const system = {
  cpu: { usage: none, cores: none },
  memory: { total: none, used: none, available: none, usage: none },
  disk: { path: "/", total: none, used: none, usage: none },
  network: { rxBytes: none, txBytes: none, rxRate: none, txRate: none },
  load: none,
  uptime: none,
};

const nothing = (): JobPlan => ({ steps: [], undo: async () => undefined, close: () => undefined });

/** Opens the rooms of one hub, which follows the others from then on. */
export async function openTestRooms(
  { store, cluster }: { readonly store: OpenedState; readonly cluster: Cluster },
  { clock, plan = nothing, shareWithinMs = 500 }: RoomsOptions,
) {
  const said: string[] = [];
  const warn = (message: string) => void said.push(message);
  const log = { debug: warn, info: warn, warn };
  let sharing: Sharing | undefined;
  const servers = createFleet({
    store,
    tokens: { create: () => createToken("agent"), matches: matchesToken },
    clock,
    warn,
    silences: () => silencesIn(store),
    shared: { shareWithinMs, hears: () => sharing?.isCurrent() ?? false },
  });
  const sourceTokens = { create: () => createToken("source"), digestOf, matches: matchesToken };
  const projects = createProjects({ store, tokens: sourceTokens, clock, warn });
  const tokens = createTokens({ store, clock, warn });
  const rooms = [projects, servers, tokens];
  for (const room of rooms) await room.open();
  const vault = await createVault(new Uint8Array(32));
  const access = createSshAccess({
    store,
    vault,
    keys: createHubKeys(store, vault, () => clock.now(), warn),
    organizationOf: (id) => (servers.get(id) === undefined ? undefined : "o1"),
    clock,
  });
  await access.open();
  const stepNames = ["one", "two"];
  const jobs = createJobs({
    store,
    clock,
    plan: { deploy: plan, uninstall: plan },
    stepNames: { deploy: stepNames, uninstall: stepNames },
    warn,
    cluster,
    shareWithinMs,
  });
  const cancel = servers.onChange((id) => {
    if (servers.get(id) !== undefined) return;
    access.forget(id);
    jobs.forget(id);
  });
  sharing = startSharing({
    cluster,
    followers: followersOf({ projects, servers, tokens }, { access, jobs }),
    clock,
    log,
  });

  let beats = 0;
  return {
    servers,
    projects,
    tokens,
    access,
    jobs,
    sharing,
    said,
    log,
    /** Takes a heartbeat of the agent of a server. */
    beat(id: string, hostname = "web-1") {
      const startedAt = "2026-01-01T00:00:00.000Z";
      const agent = { version: "1.0.0", startedAt };
      const heartbeat = JSON.stringify({ at: timestamp(clock.now()), hostname, agent, system, beat: ++beats });
      servers.beat(id, { version: agent.version, heartbeat, hostname, startedAt });
    },
    async close() {
      await sharing.close();
      cancel();
      await jobs.close();
      access.close();
      for (const room of rooms.toReversed()) await room.close();
    },
  };
}
