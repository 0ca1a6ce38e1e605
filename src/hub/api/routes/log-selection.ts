/** What a request asks of the log, as the store takes it. */
import type { LogFilter } from "#src/protocol/api.ts";
import type { Stream } from "#src/protocol/log.ts";
import { valueTest } from "#src/protocol/query-match.ts";
import { describeProblem, parseQuery } from "#src/protocol/query-parser.ts";
import type { LogSelection, Query } from "#src/protocol/query.ts";
import type { MemberCaller } from "../caller.ts";
import type { Visible } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import type { Scopes } from "./scope.ts";

/** Ids and hostnames of servers that the caller may see. */
export type Named = () => readonly { readonly id: string; readonly hostname: string }[];

export type Asked = Omit<LogFilter, "project"> & { readonly stream?: Stream | undefined };

/**
 * Makes the selection. Servers that the query names by hostname are looked up.
 * @throws {HttpFault} 400, with the column of what is wrong with the query
 */
export function selectionOf(asked: Asked, scope: Visible, servers: Named): LogSelection {
  const { q, source, server, stream, level, from, to } = asked;
  return {
    scope,
    servers: server === undefined ? null : [server],
    sources: source === undefined ? null : [source],
    streams: stream === undefined ? null : [stream],
    level: level ?? null,
    fromMs: from === undefined ? null : Date.parse(from),
    toMs: to === undefined ? null : Date.parse(to),
    query: q === undefined ? { kind: "all" } : withServers(readQuery(q), servers),
  };
}

/** What a request asks for within what its caller may see; both are worked out anew with each call, for streams. */
export type Selected = (
  asked: Asked & { readonly project?: string | undefined },
  caller: Pick<MemberCaller, "organizationId">,
) => { readonly visible: () => Visible; readonly select: () => LogSelection };

export function createSelected(scopes: Pick<Scopes, "visible" | "servers" | "project">): Selected {
  return (asked, { organizationId }) => {
    const { project } = asked;
    const visible = scopes.visible(organizationId, project);
    const named = () =>
      scopes.servers(organizationId, project === undefined ? undefined : scopes.project(organizationId, project));
    return { visible, select: () => selectionOf(asked, visible(), named) };
  };
}

/** Whether entries of a server or source may be shown. */
export const sees = (visible: Visible, serverId: string): boolean => visible === null || visible.has(serverId);

function readQuery(text: string): Query {
  const parsed = parseQuery(text);
  if (parsed.query !== undefined) return parsed.query;
  throw new HttpFault(400, `q is not valid: ${describeProblem(parsed)}`);
}

/** Whether a query names servers, so that its meaning changes when servers come and go. */
export function namesServers(query: Query): boolean {
  if (query.kind === "and" || query.kind === "or") return query.parts.some(namesServers);
  if (query.kind === "not") return namesServers(query.part);
  return query.kind === "field" && query.path.toLowerCase() === "server";
}

/** The query with ids in the place of what names servers. */
export function withServers(query: Query, servers: Named): Query {
  switch (query.kind) {
    case "and":
    case "or":
      return { kind: query.kind, parts: query.parts.map((part) => withServers(part, servers)) };
    case "not":
      return { kind: "not", part: withServers(query.part, servers) };
    case "field": {
      if (query.path.toLowerCase() !== "server" || query.test.kind === "exists" || query.test.kind === "in")
        return query;
      const stands = valueTest(query.test);
      const named = servers().filter(({ id, hostname }) => stands([id, hostname]));
      // what logs without an agent, and what is gone, has an id only
      const ids = { kind: "field", path: "server", test: { kind: "in", values: named.map(({ id }) => id) } } as const;
      return { kind: "or", parts: [ids, query] };
    }
    default:
      return query;
  }
}
