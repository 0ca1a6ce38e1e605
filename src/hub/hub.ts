/**
 * The hub's hallway: opens the store, loads the fleet, serves the routes, and takes it all down in reverse.
 */
import { chmodSync } from "node:fs";

import { type Cancel, type Clock } from "#src/lib/clock.ts";
import { makeFolder } from "#src/lib/files.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import { version } from "#src/protocol/version.ts";
import { agentRoutes } from "./api/agent-routes.ts";
import { eventRoutes } from "./api/event-routes.ts";
import { createGuard, isLoopback } from "./api/guard.ts";
import { createHandler } from "./api/handler.ts";
import { healthRoutes } from "./api/health-routes.ts";
import { logRoutes } from "./api/log-routes.ts";
import { problemOf } from "./api/problem.ts";
import { serverRoutes } from "./api/server-routes.ts";
import { createStreams } from "./api/sse.ts";
import { createAgentToken, matchesToken } from "./auth/token.ts";
import page from "./dashboard/index.html";
import { type Fleet, createFleet } from "./fleet/fleet.ts";
import type { HubSettings } from "./settings.ts";
import { lockFolder } from "./store/lock.ts";
import { openLogStore } from "./store/logs.ts";
import type { LogStore, StateStore } from "./store/port.ts";
import { openStateStore } from "./store/state.ts";

export type HubWorld = {
  readonly clock: Clock;
  readonly log: {
    debug(message: string): void;
    info(message: string): void;
    warn(message: string): void;
    error(message: string): void;
  };
};

export type Hub = {
  /** Opens everything and listens. Rejects with a Fault that says why it can't. */
  start(): Promise<{ readonly url: string; readonly port: number }>;
  /** Answers open requests, ends live streams, closes the store. Works after half a start, and twice. */
  stop(): Promise<void>;
  /** A server of this name with a new token; the same id whenever it is called again. Only between start and stop. */
  register(hostname: string): { readonly id: string; readonly token: string };
};

/** Requests that take longer when the hub stops are cut off. */
const stopWithinMs = 5000;
/** Seconds without a byte after which a connection is closed; live streams are exempt. */
const idleSeconds = 60;
/** How often old data is looked for. */
const pruneEveryMs = 10 * 60_000;
const dayMs = 86_400_000;

export function createHub(settings: HubSettings, { clock, log }: HubWorld): Hub {
  const streams = createStreams();
  let logs: LogStore | undefined;
  let state: StateStore | undefined;
  let fleet: Fleet | undefined;
  let server: Bun.Server<undefined> | undefined;
  let cancelPrune: Cancel | undefined;
  let unlock: (() => void) | undefined;

  async function start() {
    refuseWideHost(settings.host);
    unlock = prepareFolder(settings.dataDir);
    const store = (logs = await openLogStore(settings.dataDir, clock));
    const records = (state = await openStateStore(settings.dataDir, clock));
    const tokens = { create: createAgentToken, matches: matchesToken };
    const servers = (fleet = createFleet({ store: records, tokens, clock, warn: (message) => log.warn(message) }));
    await servers.open();
    const handler = createHandler({
      routes: [
        ...agentRoutes({
          servers,
          logs: store,
          events: records,
          now: () => clock.now(),
          heartbeatSeconds: settings.heartbeatInterval,
        }),
        ...serverRoutes(servers),
        ...logRoutes(store, streams),
        ...eventRoutes(records, servers, streams),
        ...healthRoutes(records, version),
      ],
      guard: createGuard(settings.publicUrl),
      servers,
      error: (message) => log.error(message),
    });
    const listening = (server = listen(handler));
    prune(store, records);
    const port = listening.port ?? settings.port;
    const url = `http://${settings.host.includes(":") ? `[${settings.host}]` : settings.host}:${port}`;
    log.info(`hub listens on ${url}, on this machine only because it has no sign-in yet; data in ${settings.dataDir}`);
    return { url, port };
  }

  function listen(handler: ReturnType<typeof createHandler>): Bun.Server<undefined> {
    try {
      return Bun.serve({
        hostname: settings.host,
        port: settings.port,
        development: false,
        // without this, Bun shares the port in production mode, and a second hub would take half of the requests
        reusePort: false,
        idleTimeout: idleSeconds,
        // the routes bound bodies themselves, with an answer that says so
        maxRequestBodySize: 1024 * 1024 * 1024,
        routes: { "/": page },
        fetch: (request, self) => handler(request, () => self.timeout(request, 0)),
        error(error) {
          log.error(`a request failed: ${reasonOf(error)}`);
          return problemOf(error);
        },
      });
    } catch (error) {
      const taken = errnoOf(error) === "EADDRINUSE";
      const why = taken ? "another program has this port" : reasonOf(error);
      throw new Fault("failed", `can't listen on ${settings.host} port ${settings.port}: ${why}`, {
        hint: taken ? "Stop that program, or choose another port with --port" : "Check host and port",
        cause: error,
      });
    }
  }

  function prune(store: LogStore, records: StateStore): void {
    const { days, bytes } = settings.retention.logs;
    const before = clock.now() - days * dayMs;
    const work = async () => {
      const lines = await store.prune(before, bytes);
      const events = await records.prune(before);
      if (lines + events > 0) log.info(`retention deleted ${lines} log lines and ${events} events`);
    };
    keep(work(), (error) => log.warn(`retention failed, it is tried again: ${reasonOf(error)}`));
    cancelPrune = clock.after(pruneEveryMs, () => prune(store, records));
  }

  async function stop(): Promise<void> {
    cancelPrune?.();
    streams.close();
    if (server !== undefined) {
      const listening = server;
      server = undefined;
      const cutOff = clock.after(stopWithinMs, () => keep(listening.stop(true), (error) => log.warn(reasonOf(error))));
      await listening.stop();
      cutOff();
    }
    await fleet?.close();
    fleet = undefined;
    logs?.close();
    logs = undefined;
    state?.close();
    state = undefined;
    unlock?.();
    unlock = undefined;
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
    register(hostname) {
      if (fleet === undefined) throw new Fault("unavailable", "the hub is not running, so no server can be registered");
      const registered = fleet.register(hostname);
      keep(registered.stored, (error) => log.error(`server ${hostname} was not stored: ${reasonOf(error)}`));
      return { id: registered.server.id, token: registered.token };
    },
  };
}

function refuseWideHost(host: string): void {
  if (isLoopback(host)) return;
  throw new Fault("denied", `the hub can't listen on ${host}: it has no sign-in yet, so it serves this machine only`, {
    hint: "Use host 127.0.0.1, and reach it through an SSH tunnel (ssh -L 8420:127.0.0.1:8420)",
  });
}

/** Makes the data folder ours. @returns gives it back */
function prepareFolder(folder: string): () => void {
  try {
    makeFolder(folder, 0o700);
    // logs may hold secrets of applications
    chmodSync(folder, 0o700);
    return lockFolder(folder);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("failed", `can't use the data folder ${folder}: ${reasonOf(error)}`, {
      hint: "Choose one that this user may write with --data-dir",
      cause: error,
    });
  }
}
