/** One request from guard to answer. */
import { reasonOf } from "#src/protocol/fault.ts";
import { check } from "#src/protocol/schema.ts";
import { signIn } from "./agent-routes.ts";
import type { Guard } from "./guard.ts";
import type { Servers } from "./ports.ts";
import { HttpFault, problemOf } from "./problem.ts";
import type { Route } from "./route.ts";
import { createRouter } from "./router.ts";

export type Handler = (request: Request, holdOpen: () => void) => Promise<Response>;

export type HandlerWorld = {
  readonly routes: readonly Route[];
  readonly guard: Guard;
  readonly servers: Servers;
  readonly error: (message: string) => void;
};

export function createHandler({ routes, guard, servers, error }: HandlerWorld): Handler {
  const find = createRouter(routes);

  async function answer(request: Request, holdOpen: () => void): Promise<Response> {
    guard(request);
    const url = new URL(request.url);
    const { route, params } = find(request.method, url.pathname);
    const serverId = route.permission === "agent" ? signIn(request, servers) : "";
    const query = route.query === undefined ? undefined : check(route.query, queryOf(url), "the query");
    return await route.handle({ request, params, query, serverId, holdOpen });
  }

  return async (request, holdOpen) => {
    try {
      const response = await answer(request, holdOpen);
      if (request.method !== "HEAD") return response;
      await response.body?.cancel();
      return new Response(null, { status: response.status, headers: response.headers });
    } catch (thrown) {
      const response = problemOf(thrown);
      if (response.status === 500) {
        const stack = thrown instanceof Error && !(thrown instanceof HttpFault) ? (thrown.stack ?? "") : "";
        error(`${request.method} ${new URL(request.url).pathname} failed: ${reasonOf(thrown)} ${stack}`);
      }
      return response;
    }
  };
}

/** The first value of each name; names that are there without a value count as absent. */
function queryOf(url: URL): Record<string, string> {
  const query: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of url.searchParams) if (value !== "" && !(name in query)) query[name] = value;
  return query;
}
