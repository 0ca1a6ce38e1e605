/** Who sends a request, and whether the route is for them: one table, every cell decided. */
import { type Scope, type TokenKind, grants, tokenPrefixes } from "#src/protocol/access.ts";
import type { Caller, KeyCaller, PersonCaller, SourceCaller } from "./caller.ts";
import type { Identify, Projects, Servers, Tokens } from "./ports.ts";
import { HttpFault, challenge } from "./problem.ts";
import type { Permission, Route } from "./route.ts";

export type AuthorizeWorld = {
  readonly servers: Pick<Servers, "authenticate">;
  readonly projects: Pick<Projects, "authenticate" | "source" | "get">;
  readonly tokens: Pick<Tokens, "authenticate" | "hasExpired">;
  readonly identify: Identify;
};

/**
 * The caller as whom a route's handler is called. Throws or rejects with HttpFault: 401 for nobody and for a token that
 * is not good (any more), 403 for somebody whom the route is not for. Agents, who come most often, are never waited for.
 */
export type Authorize = (request: Request, route: Route) => Caller | Promise<Caller>;

type Kind = Caller["kind"];
/** May this caller? Decided by kind, or by what the person's role or the key's scopes say. */
type Cell = boolean | "role" | "scopes" | "log as a source";

/**
 * Permission x caller. A person's role and a key's scopes decide where the cell says so; `nobody` is asked to sign in
 * wherever it is not let in.
 */
const table: Readonly<Record<Permission, Readonly<Record<Kind, Cell>>>> = {
  none: { nobody: true, person: true, key: true, agent: true, source: true, enrolment: true },
  agent: { nobody: false, person: false, key: false, agent: true, source: false, enrolment: false },
  source: { nobody: false, person: false, key: "log as a source", agent: false, source: true, enrolment: false },
  enrolment: { nobody: false, person: false, key: false, agent: false, source: false, enrolment: true },
  session: { nobody: false, person: true, key: false, agent: false, source: false, enrolment: false },
  member: { nobody: false, person: true, key: "scopes", agent: false, source: false, enrolment: false },
  "view:servers": { nobody: false, person: "role", key: "scopes", agent: false, source: false, enrolment: false },
  "manage:servers": { nobody: false, person: "role", key: "scopes", agent: false, source: false, enrolment: false },
  "manage:organization": { nobody: false, person: "role", key: false, agent: false, source: false, enrolment: false },
};

/** What a person's role must grant, or a key's scopes hold. Who may manage servers may look at them. */
const needs: Readonly<
  Record<Permission, (method: Route["method"]) => readonly (Scope | "manage:organization")[] | undefined>
> = {
  none: () => undefined,
  agent: () => undefined,
  source: () => ["logs:write"],
  enrolment: () => undefined,
  session: () => undefined,
  member: (method) => (method === "GET" ? ["view:servers", "manage:servers"] : ["manage:servers"]),
  "view:servers": () => ["view:servers", "manage:servers"],
  "manage:servers": () => ["manage:servers"],
  "manage:organization": () => ["manage:organization"],
};

/** What a route's callers come with, for people. */
const wants: Readonly<Record<Permission, string>> = {
  none: "nothing",
  agent: "an agent token",
  source: "a source token",
  enrolment: "an enrolment token",
  session: "a signed-in person",
  member: "a signed-in person or an API key",
  "view:servers": "a signed-in person or an API key",
  "manage:servers": "a signed-in person or an API key",
  "manage:organization": "a signed-in owner",
};

const comesWith: Readonly<Record<Kind, string>> = {
  nobody: "nobody",
  person: "a signed-in person",
  key: "an API key",
  agent: "an agent token",
  source: "a source token",
  enrolment: "an enrolment token",
};

const nobody: Caller = { kind: "nobody" };

export function createAuthorize({ servers, projects, tokens, identify }: AuthorizeWorld): Authorize {
  /** The caller behind a token; undefined when it is not good. */
  function byToken(kind: TokenKind, token: string, request: Request): Caller | undefined {
    switch (kind) {
      case "agent": {
        const serverId = request.headers.get("x-server-id") ?? "";
        return servers.authenticate(serverId, token) ? { kind, serverId } : undefined;
      }
      case "source": {
        const source = projects.authenticate(token);
        return source && { kind, sourceId: source.id, name: source.name, projectId: source.projectId };
      }
      case "key": {
        const view = tokens.authenticate(token);
        if (view?.kind !== "key") return undefined;
        const { id, name, organizationId, scopes } = view;
        return { kind, id, name, organizationId, scopes };
      }
      case "enrolment": {
        const view = tokens.authenticate(token);
        if (view?.kind !== "enrolment" || view.projectId === null) return undefined;
        const { id, name, organizationId, projectId } = view;
        return { kind, id, name, organizationId, projectId };
      }
    }
  }

  /** A key that may write logs names the source to write as. */
  function asSource(key: KeyCaller, request: Request): SourceCaller {
    const id = request.headers.get("x-source-id");
    if (id === null) {
      throw new HttpFault(400, "with an API key, X-Source-ID must name the source (its id) that these logs are of");
    }
    const source = projects.source(id);
    if (source === undefined || projects.get(source.projectId)?.organizationId !== key.organizationId) {
      throw new HttpFault(404, "there is no source of this id");
    }
    return { kind: "source", sourceId: source.id, name: source.name, projectId: source.projectId };
  }

  function decide(caller: Caller, request: Request, route: Route): Caller {
    const { permission, method } = route;
    const cell = table[permission][caller.kind];
    if (cell === true) return caller;
    if (caller.kind === "nobody") throw unauthenticated(permission);
    if (cell === false) {
      throw new HttpFault(403, `this is for ${wants[permission]}, not for ${comesWith[caller.kind]}`);
    }
    if (caller.kind !== "person" && caller.kind !== "key") return caller;
    const enough = needs[permission](method) ?? [];
    const has = caller.kind === "person" ? grants[caller.role] : caller.scopes;
    if (!enough.some((one) => has.some((own) => own === one))) throw forbidden(caller, enough);
    return cell === "log as a source" && caller.kind === "key" ? asSource(caller, request) : caller;
  }

  return (request, route) => {
    const token = bearerOf(request);
    const kind = token === undefined ? undefined : kindOf(token);
    if (token !== undefined && kind !== undefined) {
      const caller = byToken(kind, token, request);
      if (caller !== undefined) return decide(caller, request, route);
      if (route.permission === "none") return nobody;
      throw deadToken(kind, (kind === "key" || kind === "enrolment") && tokens.hasExpired(token));
    }
    if (token === undefined && !request.headers.has("cookie")) return decide(nobody, request, route);
    return identify(request).then((person) => {
      if (person === null && token !== undefined && route.permission !== "none") throw deadToken("session");
      return decide(person ?? nobody, request, route);
    });
  };
}

/** The token of `Authorization: Bearer …` (RFC 6750 section 2.1), which no page of another site can send. */
export function bearerOf(request: Request): string | undefined {
  const header = request.headers.get("authorization");
  return header === null ? undefined : /^Bearer +(\S+)$/i.exec(header)?.[1];
}

const kinds = Object.entries(tokenPrefixes) as readonly (readonly [TokenKind, string])[];

function kindOf(token: string): TokenKind | undefined {
  return kinds.find(([, prefix]) => token.startsWith(prefix))?.[0];
}

const dead: Readonly<Record<TokenKind | "session", string>> = {
  agent: "the agent token is wrong, or it was rotated or revoked",
  source: "the source token is wrong, or it was rotated or revoked",
  key: "the API key is wrong, or it has expired or was revoked",
  enrolment: "the enrolment token is wrong, or it has expired or was revoked",
  session: "the token is not valid, or its session has ended; sign in again",
};

/** RFC 6750 section 3.1. `expired`: that is known to be the reason. */
function deadToken(kind: TokenKind | "session", expired = false): HttpFault {
  const why = expired
    ? `${kind === "key" ? "the API key" : "the enrolment token"} has expired; make another one`
    : dead[kind];
  return new HttpFault(401, why, { "www-authenticate": 'Bearer realm="orion", error="invalid_token"' });
}

function unauthenticated(permission: Permission): HttpFault {
  const detail = permission === "agent" ? dead.agent : `sign in first: this is for ${wants[permission]}`;
  return new HttpFault(401, detail, challenge);
}

function forbidden(caller: PersonCaller | KeyCaller, enough: readonly string[]): HttpFault {
  const has = caller.kind === "person" ? `the role ${caller.role}` : `the API key "${caller.name}"`;
  return new HttpFault(403, `${has} does not have ${enough.join(" or ")}`);
}
