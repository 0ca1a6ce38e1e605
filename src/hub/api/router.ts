/** From a request to its route, by Hono's router. */
import { Hono } from "hono";

import { pagePaths } from "./pages.ts";
import type { Method, Route } from "./route.ts";

/** What the listener knows of a connection. */
export type Peer = {
  /** the address at the other end; null when it is gone or has none */
  readonly address: () => string | null;
  /** keeps the connection open however long nothing is sent */
  readonly holdOpen: () => void;
};

/** One request on its way. */
export type Exchange = {
  readonly request: Request;
  readonly path: string;
  /** the `:name` parts of the path, decoded */
  readonly params: Readonly<Record<string, string>>;
  readonly peer: Peer;
};

export type RouterWorld = {
  readonly routes: readonly Route[];
  readonly serve: (route: Route, exchange: Exchange) => Promise<Response>;
  /** a page, or a file of one */
  readonly page: (exchange: Exchange) => Promise<Response>;
  /** no route has the path, or with `allow` not the method */
  readonly lost: (exchange: Exchange, allow: string | undefined) => Promise<Response>;
};

const noParams = {};
const reads: ReadonlySet<string> = new Set(["GET", "HEAD"]);
/** What a page's document may refer to. */
const pageFile = /^\/[^/]+\.(?:js|css|svg|png|ico|woff2)$/;
const methods: readonly Method[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/** HEAD is answered by GET. */
export function createRouter({ routes, serve, page, lost }: RouterWorld) {
  const app = new Hono<{ Bindings: Peer }>();
  // a handler for each route and none before it: a chain would cost every request more than finding its route does
  for (const route of routes) {
    const named = route.path.includes("/:");
    app.on(route.method, route.path, ({ req, env }) =>
      serve(route, { request: req.raw, path: req.path, params: named ? req.param() : noParams, peer: env }),
    );
  }
  for (const path of pagePaths) {
    app.get(path, ({ req, env }) => page({ request: req.raw, path: req.path, params: noParams, peer: env }));
  }
  app.notFound(({ req, env }) => {
    const taken = methods.filter((method) => app.router.match(method, req.path)[0].length > 0);
    const allow = taken.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ");
    const exchange = { request: req.raw, path: req.path, params: noParams, peer: env };
    // a pattern for these among the routes would keep Hono from its fast router
    if (allow === "" && pageFile.test(req.path) && reads.has(req.method)) return page(exchange);
    return lost(exchange, allow === "" ? undefined : allow);
  });
  return (request: Request, peer: Peer): Response | Promise<Response> => app.fetch(located(request), peer);
}

/** Bun makes no whole URL of a request without Host (HTTP/1.0), as load balancers send them. */
function located(request: Request): Request {
  return request.url.startsWith("/") ? new Request(`http://nameless${request.url}`, request) : request;
}
