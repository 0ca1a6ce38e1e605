/**
 * The hub's hallway: opens the rooms, plugs them into the routes, listens, and takes it all down in reverse.
 */
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { createAuthorize } from "./api/authorize.ts";
import { createGuard, isLoopback } from "./api/guard.ts";
import { createHandler } from "./api/handler.ts";
import { createIngest } from "./api/intake/ingest.ts";
import { createPages } from "./api/pages.ts";
import { problemOf } from "./api/problem.ts";
import { createStreams } from "./api/sse.ts";
import { createReadClient } from "./api/trust.ts";
import { controlPath, serveControl } from "./control.ts";
import page from "./dashboard/index.html";
import { createDisk, refuseWhenFull } from "./disk.ts";
import { openErrorGroups } from "./error-groups.ts";
import { makeFirstOwner } from "./first-owner.ts";
import { type Listener, listen } from "./listener.ts";
import { openMeasures } from "./measures.ts";
import { refuseOpenAir } from "./open-air.ts";
import { type Origin, originOf } from "./origin.ts";
import { createOperator } from "./operate.ts";

import { createMending } from "./mending.ts";
import type { HubOperator } from "./operator.ts";
import { openProvision } from "./provision.ts";
import { createRedactor, overviewOf } from "./redaction/redaction.ts";
import { createRegrouping } from "./regrouping.ts";
import { startRetention } from "./retention.ts";
import { type Rooms, isSecure, openRooms, shareWithinMs } from "./rooms.ts";
import { createRoutes } from "./routes.ts";
import type { HubSettings } from "./settings.ts";
import { followersOf, startSharing } from "./sharing.ts";
import { type Standing, createStanding } from "./standing.ts";
import { openTelemetry } from "./storage.ts";
import { openLogs } from "./telemetry.ts";
import type { HubWorld } from "./world.ts";
import { databasesInUse, livingDatabases, noteStores } from "./store/whereabouts.ts";
import { startThrift } from "./thrift.ts";
import { startWatching } from "./watching.ts";

export { type Operation, operateHub } from "./operation.ts";
export type { HubOperator } from "./operator.ts";
export { backup } from "./store/backup.ts";
export { type ExportWish, exportLogs } from "./export.ts";
export { repairHub } from "./mending.ts";
export { checkHub } from "./checking.ts";
export {
  type MigrationPlan,
  type MigrationProgress,
  type MigrationReport,
  migrateBack,
  migrateHub,
} from "./migrate.ts";
export { longestCopyMs } from "./store/migration-backup.ts";
export { restore } from "./store/restore.ts";
export { readNames } from "./sender-names.ts";
export { refuseBackup, refuseRestore } from "./whereabouts.ts";

export type { HubWorld } from "./world.ts";

export type Hub = {
  /** Opens everything and listens. Rejects with a Fault that says why it can't. */
  start(): Promise<{ readonly url: string; readonly port: number }>;
  /** Answers open requests, ends live streams, closes the store. Works after half a start, and twice. */
  stop(): Promise<void>;
  /** What the hub's own command line may do. Only between start and stop. */
  readonly operator: HubOperator;
  /** A server of this name in the first project with a new token; the same id whenever it is called again. */
  register(hostname: string): Promise<{ readonly id: string; readonly token: string }>;
};

export function createHub(settings: HubSettings, world: HubWorld): Hub {
  const { clock, log } = world;
  // what takes down what start has put up, the newest first
  const ends: (() => void | Promise<void>)[] = [];
  let serving: { readonly rooms: Rooms; readonly operator: HubOperator } | undefined;
  let origin: Origin = { origin: "", guessed: false };
  const warn = (message: string) => log.warn(message);

  async function start() {
    refuseOpenAir(settings);
    const rooms = await openRooms(settings, world);
    ends.push(rooms.close);
    const { state, servers, projects, tokens, accounts, cluster, postgres } = rooms;
    const clickhouse = await openTelemetry(settings, world, postgres);
    if (clickhouse !== null) ends.push(() => clickhouse.close());
    const stores = { postgres: postgres?.address ?? null, clickhouse: clickhouse?.address ?? null };
    noteStores(settings.dataDir, stores);
    const telemetry = await openLogs(settings, clickhouse, rooms, world, ends);
    const store = telemetry.logs;
    const { heartbeatInterval: heartbeatSeconds, publicUrl, rateLimits } = settings;
    const streams = createStreams();
    let standing: Standing | undefined;
    const disk = createDisk(settings.dataDir, settings.minFreeBytes);
    const measures = await openMeasures({
      settings,
      databases: databasesInUse(stores),
      clock,
      warn,
      logs: telemetry.linesOnDisk ? refuseWhenFull(store, disk) : store,
      openStreams: () => streams.count(),
      disk,
      servers,
      clickhouse,
      cluster,
      told: () => standing?.told() ?? [],
    });
    ends.push(() => measures.close());
    const provision = await openProvision({
      rooms,
      dataDir: settings.dataDir,
      clock,
      warn,
      hub: () => ({ url: origin.origin, guessed: origin.guessed }),
      tlsCert: settings.tlsCert,
      ...(postgres === null ? {} : { cluster, shareWithinMs }),
    });
    ends.push(() => provision.close());
    const followers = [
      ...followersOf(rooms, provision),
      { kinds: ["person"], refresh: () => accounts.refresh() },
    ] as const;
    const sharing = postgres === null ? undefined : startSharing({ cluster, followers, clock, log });
    if (sharing !== undefined) {
      rooms.share(sharing);
      ends.push(sharing.close);
    }
    const errors = await openErrorGroups({
      dataDir: settings.dataDir,
      logs: store,
      events: state,
      servers,
      projects,
      clock,
      warn,
      sharing: postgres === null ? undefined : { postgres, cluster, refreshHead: telemetry.refreshHead },
    });
    ends.push(errors.close);
    standing = createStanding({ rooms, telemetry, clickhouse, errors: errors.groups });
    const redactor = createRedactor(settings.redaction);
    const ingest = createIngest({
      servers,
      logs: {
        ...measures.logs,
        append(batch) {
          const columns = redactor.redact(batch.columns, batch.serverId);
          return measures.logs.append(columns === batch.columns ? batch : { ...batch, columns, zstd: null });
        },
      },
      events: {
        appendEvents: (batch) => state.appendEvents({ ...batch, events: redactor.redactValue(batch.events) }),
      },
      metrics: measures.intake,
      clock,
      log,
      heartbeatSeconds,
      rateLimits,
      ...(sharing === undefined ? {} : { catchUp: sharing.catchUp }),
    });
    const handler = createHandler({
      routes: createRoutes({
        rooms,
        logs: store,
        refreshHead: telemetry.refreshHead,
        measures,
        errors: errors.groups,
        provision,
        streams,
        clock,
        ingest: ingest.routes,
        disk,
        linesOnDisk: telemetry.linesOnDisk,
        needsDisk: livingDatabases(stores).length > 0,
        hubRetention: settings.retention.logs,
        redaction: overviewOf(settings.redaction),
        publicUrl,
        probes: standing.probes,
      }),
      guard: createGuard(settings),
      authorize: createAuthorize({ servers, projects, tokens, identify: accounts.identify }),
      pages: createPages(page),
      readClient: createReadClient(settings.trustProxy),
      tls: settings.tlsCert !== null,
      log,
      now: () => clock.monotonic(),
      ...(sharing === undefined ? {} : { catchUp: sharing.catchUp }),
    });
    const operator = createOperator({
      rooms,
      now: () => clock.now(),
      setupUrl: () => `${origin.origin}/setup`,
      regrouping: createRegrouping(async () => errors.groups),
      mending: createMending(() => store.repair()),
    });
    await makeFirstOwner(settings, rooms.accounts, operator, log);
    const listening = listen({
      host: settings.host,
      port: settings.port,
      tls:
        settings.tlsCert === null || settings.tlsKey === null ? null : { cert: settings.tlsCert, key: settings.tlsKey },
      clock,
      log,
      fetch: (request, server) =>
        ingest.stream.asks(request)
          ? ingest.stream.upgrade(request, server)
          : handler(request, {
              address: () => server.requestIP(request)?.address ?? null,
              holdOpen: () => server.timeout(request, 0),
            }),
      error(error) {
        log.error(`a request failed: ${reasonOf(error)}`);
        return problemOf(error);
      },
      websocket: ingest.stream.websocket,
    });
    ends.push(() => listening.stop());
    ends.push(() => ingest.stream.close());
    origin = originOf(settings, listening.url);
    accounts.setOrigin(origin.origin);
    openControl(operator);
    ends.push(() => streams.close());
    ends.push(
      startRetention({
        logs: store,
        events: state,
        projects,
        servers,
        limits: settings.retention.logs,
        followers: [errors.prune],
        disk,
        linesOnDisk: telemetry.linesOnDisk,
        cluster,
        clock,
        log,
      }),
    );
    tellWhere(listening, rooms);
    provision.start();
    const { recordPolled: record } = measures.intake;
    ends.push(startWatching({ rooms, targets: provision.access, record, clock, log, cluster }));
    ends.push(startThrift(log));
    if (postgres !== null) ends.push(() => postgres.leave());
    serving = { rooms, operator };
    return { url: listening.url, port: listening.port };
  }

  /** A hub without it serves all the same; only its own command line can't reach it. */
  function openControl(operator: HubOperator): void {
    try {
      ends.push(serveControl(controlPath(settings.dataDir), operator, (message) => log.error(message)));
    } catch (error) {
      log.warn(`orion hub admin can't reach this hub while it runs: ${reasonOf(error)}`);
    }
  }

  function tellWhere({ url }: Listener, { accounts }: Rooms): void {
    const reach = isLoopback(settings.host) ? ", on this machine only" : "";
    const plain = isSecure(settings) || isLoopback(settings.host) ? "" : "; without TLS, passwords travel in the open";
    log.info(`hub listens on ${url}${reach}${plain}; data in ${settings.dataDir}`);
    const { origin: address, guessed } = origin;
    if (guessed) log.warn(`links lead to ${address}; set publicUrl to the address that people reach this hub by`);
    const token = accounts.setupToken();
    if (token !== null) log.info(`nobody has an account yet; make the first owner at ${address}/setup#${token}`);
  }

  function running() {
    if (serving === undefined) throw new Fault("unavailable", "the hub is not running");
    return serving;
  }

  async function stop(): Promise<void> {
    serving = undefined;
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end();
  }

  return {
    async start() {
      try {
        return await start();
      } catch (error) {
        await stop();
        throw error;
      }
    },
    stop,
    get operator() {
      return running().operator;
    },
    async register(hostname) {
      const { projects, servers } = running().rooms;
      const [first] = projects.all();
      if (first === undefined) throw new Fault("not-found", "the hub has no project");
      const { server, token } = await servers.register({ hostname, projectId: first.id });
      return { id: server.id, token };
    },
  };
}
