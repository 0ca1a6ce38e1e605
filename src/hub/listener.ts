/**
 * The hub's door: one address, and under TLS the certificate that is there now. Bun can't exchange the certificate of
 * a server, so a renewal opens a second one on the same port (SO_REUSEPORT, socket(7)) and lets the first one end with
 * the connections that it has.
 */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import { type Pair, type PairFiles, readPair, validUntil, watchPair } from "./certificate.ts";

/** Seconds without a byte after which a connection is closed; live streams are exempt. */
const idleSeconds = 60;
/** Requests that take longer when the hub stops are cut off. */
const stopWithinMs = 5000;
/** Days before its end from which on a certificate is warned of. */
const warnDays = 7;
const dayMs = 86_400_000;

type Server<Socket> = Bun.Server<Socket>;

export type ListenerWorld<Socket> = {
  readonly host: string;
  readonly port: number;
  readonly tls: PairFiles | null;
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void; error(message: string): void };
  fetch(request: Request, server: Server<Socket>): Response | undefined | Promise<Response | undefined>;
  /** the answer to what `fetch` could not answer */
  error(error: unknown): Response;
  readonly websocket: Bun.WebSocketHandler<Socket>;
};

export type Listener = {
  readonly url: string;
  readonly port: number;
  /** Answers open requests, within a time. */
  stop(): Promise<void>;
};

/** Listens. Throws a Fault that says why it can't. */
export function listen<Socket>(world: ListenerWorld<Socket>): Listener {
  const { tls, clock, log } = world;
  const first = tls === null ? null : readPair(tls);
  // a port that is shared by intention must be known to be nobody else's
  const port = first === null ? world.port : reserve(world);
  let current = serve(world, port, first);
  const ending = new Set<Server<Socket>>();
  const cancelWatch = tls === null || first === null ? undefined : watchPair(tls, first, clock, { renewed, failed });
  if (first !== null) warnOfEnd(first);

  function renewed(pair: Pair): void {
    try {
      const next = serve(world, current.port ?? port, pair);
      const former = current;
      current = next;
      ending.add(former);
      // Connections that wait to be accepted are lost with the socket that they wait at: first let it take them. One
      // that is made in that very moment may still be reset, and is made again by whoever wants it.
      clock.after(0, () => clock.after(0, () => end(former)));
      log.info(`new connections get the renewed TLS certificate, valid until ${dateOf(pair)}`);
      warnOfEnd(pair);
    } catch (error) {
      log.error(`the renewed TLS certificate can't be used, the former one stays: ${reasonOf(error)}`);
    }
  }

  function end(former: Server<Socket>): void {
    keep(
      former.stop().finally(() => ending.delete(former)),
      (error) => log.warn(reasonOf(error)),
    );
  }

  function failed(error: unknown): void {
    log.error(`the TLS certificate was changed, but the former one stays: ${reasonOf(error)}`);
  }

  function warnOfEnd(pair: Pair): void {
    const days = Math.floor((validUntil(pair) - clock.now()) / dayMs);
    if (days < 0) log.warn(`the TLS certificate has ended on ${dateOf(pair)}: clients will refuse it`);
    else if (days < warnDays) log.warn(`the TLS certificate ends on ${dateOf(pair)}`);
  }

  const host = world.host.includes(":") ? `[${world.host}]` : world.host;
  const listening = current.port ?? port;
  return {
    url: `${first === null ? "http" : "https"}://${host}:${listening}`,
    port: listening,
    async stop() {
      cancelWatch?.();
      const all = [current, ...ending];
      const cutOff: Cancel = clock.after(stopWithinMs, () => {
        for (const server of all) keep(server.stop(true), (error) => log.warn(reasonOf(error)));
      });
      await Promise.all(all.map((server) => server.stop()));
      cutOff();
    },
  };
}

function dateOf(pair: Pair): string {
  return new Date(validUntil(pair)).toISOString().slice(0, 10);
}

/** A port that nobody listens on: the one that is asked for, or a free one. */
function reserve<Socket>(world: ListenerWorld<Socket>): number {
  const probe = guarded(world, () =>
    Bun.serve({ hostname: world.host, port: world.port, reusePort: false, fetch: () => new Response() }),
  );
  const port = probe.port ?? world.port;
  keep(probe.stop(true), (error) => world.log.warn(reasonOf(error)));
  return port;
}

function serve<Socket>(world: ListenerWorld<Socket>, port: number, pair: Pair | null): Server<Socket> {
  return guarded(world, () =>
    Bun.serve<Socket>({
      hostname: world.host,
      port,
      development: false,
      // without this, Bun shares the port in production mode, and a second hub would take half of the requests
      reusePort: pair !== null,
      idleTimeout: idleSeconds,
      // the routes bound bodies themselves, with an answer that says so
      maxRequestBodySize: 1024 * 1024 * 1024,
      ...(pair === null ? {} : { tls: { cert: pair.cert, key: pair.key } }),
      fetch: (request, self) => world.fetch(request, self),
      error: (error) => world.error(error),
      websocket: world.websocket,
    }),
  );
}

function guarded<T>({ host, port }: { readonly host: string; readonly port: number }, open: () => T): T {
  try {
    return open();
  } catch (error) {
    const taken = errnoOf(error) === "EADDRINUSE";
    const denied = errnoOf(error) === "EACCES";
    const why = taken ? "another program has this port" : reasonOf(error);
    const hint = taken
      ? "Stop that program, or choose another port with --port"
      : denied
        ? "Ports below 1024 need root or CAP_NET_BIND_SERVICE"
        : "Check host and port";
    throw new Fault("failed", `can't listen on ${host} port ${port}: ${why}`, { hint, cause: error });
  }
}
