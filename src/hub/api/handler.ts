/** One request from guard to answer. */
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { check } from "#src/protocol/schema.ts";
import type { Authorize } from "./authorize.ts";
import { withTag } from "./etag.ts";
import type { Caller } from "./caller.ts";
import type { Guard } from "./guard.ts";
import type { Pages } from "./pages.ts";
import { HttpFault, problemOf } from "./problem.ts";
import { endToEnd } from "./security.ts";
import type { Call, Route } from "./route.ts";
import { type Exchange, type Peer, createRouter } from "./router.ts";
import type { ReadClient } from "./trust.ts";

export type Handler = (request: Request, peer: Peer) => Response | Promise<Response>;

export type HandlerWorld = {
  readonly routes: readonly Route[];
  readonly guard: Guard;
  readonly authorize: Authorize;
  readonly pages: Pages;
  /** what proxies say, as far as it counts */
  readonly readClient: ReadClient;
  /** whether the hub itself serves TLS */
  readonly tls: boolean;
  readonly log: { debug(message: string): void; error(message: string): void };
  readonly now: () => number;
  /** Resolves once what other hubs have changed before the call is known here; left out: there are no others. */
  readonly catchUp?: () => Promise<void>;
};

/** What a client may call its request; anything else would let it write what it likes into our log. */
const saneRequestId = /^[\w.=+-]{1,128}$/;

export function createHandler(world: HandlerWorld): Handler {
  const { guard, authorize, pages, readClient, tls, log, now, catchUp } = world;

  /**
   * Does `work`, and once more where it found nothing or nobody: another hub may have made that a moment ago, and the same
   * client comes here next. What has read the request's body is not done again.
   */
  async function twice<T>(request: Request, work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (catchUp === undefined || request.bodyUsed || !mayBeNews(error, request)) throw error;
      await catchUp();
      return await work();
    }
  }

  async function answer(route: Route, exchange: Exchange, call: Omit<Call, "query" | "caller">): Promise<Response> {
    const { request } = exchange;
    guard(request);
    const caller = await twice(request, () => authorize(request, route));
    const query = route.query === undefined ? undefined : check(route.query, queryOf(request), "the query");
    const asked = Object.assign(call, { query, caller }) as Call;
    const response = await twice(request, () => route.handle(asked));
    const tagged = route.method === "GET" && route.answer !== undefined && route.permission !== "none";
    return tagged && response.status === 200 && isJson(response)
      ? await withTag(request, response, nameOf(caller))
      : response;
  }

  /** Runs `work`, and makes of whatever comes out an answer that may leave the hub. */
  async function serve(
    exchange: Exchange,
    // as the table has it: what stands in a path may be a secret, such as an invitation's token
    route: Pick<Route, "path" | "permission" | "refuse">,
    work: (requestId: string) => Response | Promise<Response>,
  ) {
    const { request, peer } = exchange;
    const busy = route.permission === "agent";
    const requestId = requestIdOf(request);
    const started = busy ? 0 : now();
    let response: Response;
    try {
      response = await work(requestId);
    } catch (thrown) {
      response = route.refuse?.(request, thrown) ?? problemOf(thrown, { requestId });
      if (response.status === 500) {
        const stack = thrown instanceof Error && !(thrown instanceof HttpFault) ? (thrown.stack ?? "") : "";
        log.error(`${request.method} ${route.path} [${requestId}] failed: ${reasonOf(thrown)} ${stack}`);
      }
    }
    if (request.method === "HEAD") {
      await response.body?.cancel();
      response = new Response(null, { status: response.status, headers: response.headers });
    }
    response.headers.set("x-request-id", requestId);
    if (busy) return response;
    endToEnd(response.headers, tls || readClient(request.headers, peer.address()).https);
    log.debug(
      `${request.method} ${route.path} [${requestId}]: ${response.status} in ${Math.round(now() - started)} ms`,
    );
    return response;
  }

  return createRouter({
    routes: world.routes,
    serve: (route, exchange) =>
      serve(exchange, route, (requestId) => answer(route, exchange, createCall(exchange, requestId, readClient))),
    page: (exchange) =>
      serve(exchange, { path: "(page)", permission: "none" }, () => {
        guard(exchange.request);
        return pages.answer(exchange.request, exchange.path);
      }),
    lost: (exchange, allow) =>
      serve(exchange, { path: "(nothing)", permission: "none" }, () => {
        guard(exchange.request);
        const path = exchange.path.slice(0, 200);
        if (allow === undefined) {
          if (isForPeople(exchange)) return pages.lost(exchange.request);
          throw new HttpFault(404, `there is nothing at ${path}`);
        }
        throw new HttpFault(405, `${path} takes ${allow}`, { allow });
      }),
  });
}

/** Unknown here; known to another hub, perhaps. */
function mayBeNews(error: unknown, { headers }: Request): boolean {
  const status = error instanceof HttpFault ? error.status : error instanceof Fault ? error.code : undefined;
  if (status === 404 || status === "not-found") return true;
  // who shows nothing is nobody anywhere
  return (status === 401 || status === "unauthenticated") && (headers.has("authorization") || headers.has("cookie"));
}

function createCall({ request, params, peer }: Exchange, requestId: string, readClient: ReadClient) {
  return {
    request,
    params,
    requestId,
    holdOpen: peer.holdOpen,
    // few routes ask
    get address() {
      return readClient(request.headers, peer.address()).address;
    },
  };
}

/** Who asks, and as what. */
function nameOf(caller: Caller): string {
  switch (caller.kind) {
    case "nobody":
      return "nobody";
    case "person":
      return `person ${caller.id} ${caller.organizationId}`;
    case "agent":
      return `agent ${caller.serverId}`;
    case "source":
      return `source ${caller.sourceId}`;
    case "key":
    case "enrolment":
      return `${caller.kind} ${caller.id}`;
  }
}

/** A browser that was sent somewhere, and not to the API. */
function isForPeople({ request, path }: Exchange): boolean {
  const reads = request.method === "GET" || request.method === "HEAD";
  return reads && !/^\/(?:api|v1)\//.test(path) && (request.headers.get("accept") ?? "").includes("text/html");
}

function requestIdOf(request: Request): string {
  const given = request.headers.get("x-request-id");
  return given !== null && saneRequestId.test(given) ? given : crypto.randomUUID();
}

const isJson = (response: Response): boolean =>
  response.headers.get("content-type")?.startsWith("application/json") === true;

/** The first value of each name; names that are there without a value count as absent. */
function queryOf(request: Request): Record<string, string> {
  const query: Record<string, string> = Object.create(null) as Record<string, string>;
  const start = request.url.indexOf("?");
  if (start === -1) return query;
  for (const [name, value] of new URLSearchParams(request.url.slice(start)))
    if (value !== "" && !(name in query)) query[name] = value;
  return query;
}
