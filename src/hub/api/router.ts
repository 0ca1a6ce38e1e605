/** From a request to its route: exact paths by a map, paths with parameters by their segments. */
import { HttpFault } from "./problem.ts";
import type { Method, Route } from "./route.ts";

/** A route and what its `:name` parts stand for. */
export type Match = { readonly route: Route; readonly params: Readonly<Record<string, string>> };

/**
 * Finds routes. Throws HttpFault 404 when no route has the path, 405 with `Allow` when one has but not the method.
 * HEAD is answered by GET.
 */
export type Router = (method: string, path: string) => Match;

type Entry = { readonly segments: readonly string[]; readonly methods: Map<string, Route> };

export function createRouter(routes: readonly Route[]): Router {
  const exact = new Map<string, Entry>();
  const patterns: Entry[] = [];
  for (const route of routes) {
    const known = exact.get(route.path) ?? { segments: route.path.split("/"), methods: new Map<Method, Route>() };
    if (known.methods.size === 0) {
      exact.set(route.path, known);
      if (route.path.includes("/:")) patterns.push(known);
    }
    known.methods.set(route.method, route);
  }
  for (const pattern of patterns) exact.delete(pattern.segments.join("/"));

  return (method, path) => {
    const found = exact.get(path);
    if (found !== undefined) return { route: pick(found, method, path), params: {} };
    const segments = path.split("/");
    for (const pattern of patterns) {
      const params = bind(pattern.segments, segments);
      if (params !== undefined) return { route: pick(pattern, method, path), params };
    }
    throw new HttpFault(404, `there is nothing at ${path.slice(0, 200)}`);
  };
}

function pick(entry: Entry, method: string, path: string): Route {
  const route = entry.methods.get(method === "HEAD" ? "GET" : method);
  if (route !== undefined) return route;
  const allow = [...entry.methods.keys()].flatMap((one) => (one === "GET" ? ["GET", "HEAD"] : [one])).join(", ");
  throw new HttpFault(405, `${path.slice(0, 200)} takes ${allow}`, { allow });
}

function bind(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, wanted] of pattern.entries()) {
    const got = segments[i] ?? "";
    if (wanted.startsWith(":")) {
      const value = decode(got);
      if (value === undefined || value === "") return undefined;
      params[wanted.slice(1)] = value;
    } else if (wanted !== got) return undefined;
  }
  return params;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // a malformed escape names nothing that exists
    return undefined;
  }
}
