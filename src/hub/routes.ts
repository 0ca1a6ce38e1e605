/** The table of all routes: every room's, with what each needs plugged in. */
import type { Clock } from "#src/lib/clock.ts";
import type { RedactionOverview } from "#src/protocol/redaction.ts";
import { version } from "#src/protocol/version.ts";
import { accountRoutes } from "./api/routes/account.ts";
import { auditRoutes } from "./api/routes/audit.ts";
import { createTrail } from "./api/audit.ts";
import { deployRoutes } from "./api/routes/deploy.ts";
import { deviceRoutes } from "./api/routes/device.ts";
import { docsRoutes } from "./api/routes/docs.ts";
import { enrolmentRoutes } from "./api/routes/enrolment.ts";
import { errorRoutes } from "./api/routes/error.ts";
import type { ErrorGroups } from "./api/error-ports.ts";
import { eventRoutes } from "./api/routes/event.ts";
import { healthRoutes } from "./api/routes/health.ts";
import { invitationRoutes } from "./api/routes/invitation.ts";
import { jobRoutes } from "./api/routes/job.ts";
import { keyRoutes } from "./api/routes/key.ts";
import { logSearchRoutes } from "./api/routes/log-search.ts";
import { metricRoutes } from "./api/routes/metrics.ts";
import { organizationRoutes } from "./api/routes/organization.ts";
import { projectRoutes } from "./api/routes/project.ts";
import { prometheusRoutes } from "./api/routes/prometheus.ts";
import { redactionRoutes } from "./api/routes/redaction.ts";
import { type Probe, createReadiness, probeOf } from "./api/readiness.ts";
import type { Route } from "./api/route.ts";
import { createScopes } from "./api/routes/scope.ts";
import { serverRoutes } from "./api/routes/server.ts";
import { sessionRoutes } from "./api/routes/session.ts";
import { sshRoutes } from "./api/routes/ssh.ts";
import type { Streams } from "./api/sse.ts";
import { createStillGood } from "./api/routes/still-good.ts";
import { createThrottle } from "./api/throttle.ts";
import { type Disk, diskProblem } from "./disk.ts";
import type { Measures } from "./measures.ts";
import type { Provision } from "./provision.ts";
import type { Rooms } from "./rooms.ts";
import type { BlockStore } from "./store/log-port.ts";

export type RoutesWorld = {
  readonly rooms: Rooms;
  readonly logs: BlockStore;
  /** learns from the database where the log ends; left out: the hub is alone */
  readonly refreshHead?: () => Promise<unknown>;
  readonly measures: Measures;
  readonly errors: ErrorGroups;
  readonly provision: Provision;
  readonly streams: Streams;
  readonly clock: Clock;
  /** the ways in for facts, see api/intake/ingest.ts */
  readonly ingest: readonly Route[];
  readonly publicUrl: string | null;
  readonly disk: Disk;
  /** whether log lines are on it */
  readonly linesOnDisk: boolean;
  /** whether anything is on it that the hub can't do without */
  readonly needsDisk: boolean;
  /** what is kept of projects that say nothing else */
  readonly hubRetention: { readonly days: number; readonly bytes: number };
  readonly redaction: RedactionOverview;
  /** what the hub needs to be ready; its store of state alone unless told */
  readonly probes?: readonly Probe[];
};

export function createRoutes({
  rooms,
  logs,
  refreshHead,
  measures,
  errors,
  provision,
  streams,
  clock,
  ingest,
  publicUrl,
  disk,
  linesOnDisk,
  needsDisk,
  hubRetention,
  redaction,
  probes,
}: RoutesWorld): readonly Route[] {
  const { state: events, servers, projects, tokens, accounts, audit, soleOrganization } = rooms;
  const { identify } = accounts;
  const scopes = createScopes({ servers, projects, soleOrganization });
  const trail = createTrail(audit);
  const stillGood = createStillGood(identify, tokens);
  const throttle = createThrottle(clock);
  const now = () => clock.now();
  const { access, jobs } = provision;
  const check = createReadiness({
    probes: probes ?? [probeOf("the store", () => events.ready(), 0)],
    notices: measures.notices,
    clock,
  });
  const routes: Route[] = [
    ...accountRoutes({ accounts, audit, throttle }),
    ...sessionRoutes({ accounts, audit, throttle }),
    ...deviceRoutes({ accounts, audit, throttle }),
    ...keyRoutes({ tokens, trail, now }),
    ...organizationRoutes({ accounts, tokens, audit }),
    ...invitationRoutes({ accounts, identify, audit, throttle }),
    ...projectRoutes({ projects, tokens, scopes, trail, hubRetention }),
    ...enrolmentRoutes({ servers, tokens, scopes, trail, now }),
    ...serverRoutes({ servers, ssh: access, scopes, trail }),
    ...sshRoutes({ access, keys: provision.keys, check: (id, approve) => provision.check(id, approve), scopes, trail }),
    ...deployRoutes({ jobs, access, scopes, trail }),
    ...jobRoutes({ jobs, scopes, streams, stillGood, trail }),
    ...logSearchRoutes({ logs, events, streams, scopes, servers, stillGood, refreshHead }),
    ...eventRoutes({ events, errors, servers, streams, scopes, stillGood }),
    ...errorRoutes({ groups: errors, projects, scopes, streams, stillGood, trail }),
    ...metricRoutes({ charts: measures.charts, history: measures.history, events, scopes }),
    ...prometheusRoutes({
      scopes,
      servers,
      projectName: (id) => projects.get(id)?.name ?? id,
      expose: measures.expose,
    }),
    ...auditRoutes({ audit }),
    ...redactionRoutes(redaction),
    ...ingest,
    ...healthRoutes({ version, check, disk: () => healthOf(disk, linesOnDisk, needsDisk) }),
    ...docsRoutes(() => routes, { version, url: publicUrl, cookie: accounts.cookieName }),
  ];
  return routes;
}

/** A hub with both its stores elsewhere takes what comes, however full it is: what it notes there can wait in memory. */
function healthOf(disk: Disk, linesOnDisk: boolean, needsDisk: boolean) {
  const state = disk.read();
  return { problem: diskProblem(state, linesOnDisk), full: needsDisk && state.state === "full" };
}
