/**
 * The API of a hub with two organisations over a real port: real stores, fleet, projects and tokens behind the real
 * handler. Only who a session belongs to is told by the test, so that one can be ended at will.
 */
import { createAudit, createTrail } from "#src/hub/api/audit.ts";
import { auditRoutes } from "#src/hub/api/routes/audit.ts";
import { bearerOf, createAuthorize } from "#src/hub/api/authorize.ts";
import type { PersonCaller } from "#src/hub/api/caller.ts";
import { enrolmentRoutes } from "#src/hub/api/routes/enrolment.ts";
import { eventRoutes } from "#src/hub/api/routes/event.ts";
import { createGuard } from "#src/hub/api/guard.ts";
import { createHandler } from "#src/hub/api/handler.ts";
import { keyRoutes } from "#src/hub/api/routes/key.ts";
import { logSearchRoutes } from "#src/hub/api/routes/log-search.ts";
import { projectRoutes } from "#src/hub/api/routes/project.ts";
import type { Identify } from "#src/hub/api/ports.ts";
import { createScopes } from "#src/hub/api/routes/scope.ts";
import { serverRoutes } from "#src/hub/api/routes/server.ts";
import { createStreams } from "#src/hub/api/sse.ts";
import { createStillGood } from "#src/hub/api/routes/still-good.ts";
import { createReadClient } from "#src/hub/api/trust.ts";
import { createToken, digestOf, matchesToken } from "#src/hub/auth/token.ts";
import { createTokens } from "#src/hub/auth/tokens.ts";
import { createFleet } from "#src/hub/fleet/fleet.ts";
import { createVault } from "#src/hub/auth/vault.ts";
import { createSshAccess } from "#src/hub/ssh/access.ts";
import { createHubKeys } from "#src/hub/ssh/hub-key.ts";
import { createProjects } from "#src/hub/projects/projects.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { openStateStore } from "#src/hub/store/state.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { Role } from "#src/protocol/access.ts";
import { problemDocument } from "#src/protocol/api.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { delivery } from "./delivery.ts";

export type Answer<T> = { readonly status: number; readonly body: T };

/** Somebody who calls the API with a token. */
export type Client = {
  readonly token: string;
  /** JSON in, JSON out; problem documents are checked, an empty answer is null. */
  call<T = unknown>(method: string, path: string, body?: unknown): Promise<Answer<T>>;
  /** The body of a success. */
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T>;
  open(path: string, signal: AbortSignal, headers?: Record<string, string>): Promise<Response>;
};

export type Organisations = AsyncDisposable & Awaited<ReturnType<typeof start>>;

/** How often streams ask whether their reader may still read. */
const recheckMs = 25;

/** Organisations "north" (with the first project, default) and "south" (with one of that name too). */
export async function startOrganisations(): Promise<Organisations> {
  return await start();
}

async function start() {
  const folder = temporaryFolder();
  const clock = systemClock;
  const said: string[] = [];
  const warn = (message: string) => void said.push(message);
  const state = await openStateStore(folder.path, clock);
  const logs = await openBlockStore(folder.path, clock, (error) => warn(reasonOf(error)));
  const tokenKind = (kind: "agent" | "source") => ({
    create: () => createToken(kind),
    digestOf,
    matches: matchesToken,
  });
  const servers = createFleet({ store: state, tokens: tokenKind("agent"), clock, warn });
  const projects = createProjects({ store: state, tokens: tokenKind("source"), clock, warn });
  const tokens = createTokens({ store: state, clock, warn });
  await servers.open();
  await projects.open();
  await tokens.open();
  await projects.adopt("north");
  await projects.adopt("south");

  const sessions = new Map<string, PersonCaller>();
  const identify: Identify = async (request) => {
    const who = sessions.get(bearerOf(request) ?? "");
    return who === undefined ? null : { ...who };
  };
  const hub = { sole: null as string | null };
  const soleOrganization = () => hub.sole;
  const audit = createAudit({ store: state, clock, warn, soleOrganization });
  const trail = createTrail(audit);
  const scopes = createScopes({ servers, projects, soleOrganization });
  const streams = createStreams({ recheckMs });
  const stillGood = createStillGood(identify, tokens);
  const now = () => clock.now();
  const vault = await createVault(new Uint8Array(32));
  const organizationOf = (id: string) => projects.get(servers.get(id)?.projectId ?? "")?.organizationId ?? undefined;
  const keys = createHubKeys(state, vault, now, warn);
  const access = createSshAccess({ store: state, vault, keys, organizationOf, clock });
  const hubRetention = { days: 14, bytes: 10 * 1024 ** 3 };
  const handler = createHandler({
    routes: [
      ...serverRoutes({ servers, ssh: access, scopes, trail }),
      ...projectRoutes({ projects, tokens, scopes, trail, hubRetention }),
      ...enrolmentRoutes({ tokens, servers, scopes, trail, now }),
      ...keyRoutes({ tokens, trail, now }),
      ...auditRoutes({ audit }),
      ...logSearchRoutes({ logs, events: state, streams, scopes, servers, stillGood }),
      ...eventRoutes({
        events: state,
        errors: { fingerprintsOf: () => new Map() },
        servers,
        streams,
        scopes,
        stillGood,
      }),
    ],
    guard: createGuard({ host: "127.0.0.1", publicUrl: null }),
    authorize: createAuthorize({ servers, projects, tokens, identify }),
    pages: {
      answer: async () => new Response(null, { status: 404 }),
      lost: async () => new Response(null, { status: 404 }),
    },
    readClient: createReadClient(0),
    tls: false,
    log: { debug: () => undefined, error: warn },
    now,
  });
  const listener = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) =>
      handler(request, {
        address: () => self.requestIP(request)?.address ?? null,
        holdOpen: () => self.timeout(request, 0),
      }),
  });
  const url = `http://127.0.0.1:${listener.port}`;

  function client(token: string): Client {
    const headers = { authorization: `Bearer ${token}`, "user-agent": "tests/1" };
    const call = async <T>(method: string, path: string, body?: unknown): Promise<Answer<T>> => {
      const content =
        body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { ...headers, "content-type": "application/json" } };
      const response = await fetch(url + path, { method, headers, ...content });
      const text = await response.text();
      const value: unknown = text === "" ? null : JSON.parse(text);
      if (!response.ok) problemDocument.parse(value);
      return { status: response.status, body: value as T };
    };
    const good = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
      const answer = await call<T>(method, path, body);
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body;
    };
    return {
      token,
      call,
      get: (path) => good("GET", path),
      post: (path, body) => good("POST", path, body),
      open: (path, signal, more = {}) => fetch(url + path, { headers: { ...headers, ...more }, signal }),
    };
  }

  let people = 0;
  return {
    hub,
    url,
    said,
    state,
    servers,
    projects,
    tokens,
    audit,
    streams,
    client,
    /** A person of this role, signed in. */
    person(organizationId: string, role: Role): Client & { readonly who: PersonCaller; leave(): void } {
      const id = `person-${++people}`;
      const who: PersonCaller = {
        kind: "person",
        id,
        email: `${id}@${organizationId}.example`,
        name: id,
        organizationId,
        role,
        sessionId: `session-${people}`,
      };
      const token = `session-token-${people}`;
      sessions.set(token, who);
      return Object.assign(client(token), { who, leave: () => void sessions.delete(token) });
    },
    /** A server of a project that has stored these entries. */
    async server(organizationId: string, hostname: string, entries: readonly LogEntry[] = []) {
      const projectId = projects.of(organizationId)[0]?.id ?? "";
      const { server } = await servers.register({ projectId, hostname });
      if (entries.length > 0) await log(server.id, entries);
      return server;
    },
    log,
    async [Symbol.asyncDispose]() {
      streams.close();
      await listener.stop(true);
      await servers.close();
      await projects.close();
      await tokens.close();
      logs.close();
      state.close();
      await folder[Symbol.asyncDispose]();
    },
  };

  async function log(serverId: string, entries: readonly LogEntry[]): Promise<void> {
    await logs.append(delivery(serverId, entries));
  }
}
