/**
 * Every route of the OpenAPI document x everybody who may ask: what each is answered. A route without a row fails, and
 * so does a row without a route.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { Scope } from "#src/protocol/access.ts";
import type { DeviceCode, Organization } from "#src/protocol/account.ts";
import type { RegisteredServer } from "#src/protocol/api.ts";
import type { NewSource, Project } from "#src/protocol/project.ts";
import { type TestHub, crash, entries, heartbeat, startHub } from "#test/hub/kit/hub.ts";
import { type Client, createClient, createMember, password, signIn } from "#test/hub/kit/people.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

/** `stranger` is an admin of another organisation; a key is of this organisation with one scope. */
const columns = [
  "nobody",
  "viewer",
  "admin",
  "owner",
  "stranger",
  "view key",
  "manage key",
  "logs key",
  "agent",
  "source",
  "enrolment",
] as const;
type Column = (typeof columns)[number];

/** What a row does: the path, and what is sent; new things for each cell where asking changes something. */
type Ask = {
  readonly path?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** the caller, if it must be another than the column's */
  readonly client?: Client;
};
type Row = readonly [route: string, statuses: string, ask?: (column: Column) => Ask | Promise<Ask>];

let hub: TestHub;
let clients: Record<Column, Client>;
let server: { readonly id: string };
let source: { readonly id: string };
let projectId: string;

const people = { viewer: "viewer@example.com", admin: "admin@example.com", owner: "owner@example.com" } as const;
const isPerson = (column: Column): column is "viewer" | "admin" | "owner" | "stranger" =>
  column in people || column === "stranger";

let made = 0;
const unique = (word: string) => `${word}-${++made}`;

beforeAll(async () => {
  // each cell comes from an address of its own, so that nobody is asked to wait
  hub = await startHub({ settings: { trustProxy: 1 } });
  const key = async (scope: Scope) => {
    const { token } = await hub.hub.operator.createKey({ organization: "Default", name: scope, scopes: [scope] });
    return createClient(hub.url, { authorization: `Bearer ${token}`, "x-source-id": source.id });
  };
  const agent = await hub.agent("first");
  const known = await hub.source("first");
  [server, source] = [agent, known];
  projectId = (await hub.json<{ projects: Project[] }>("/api/projects")).projects[0]!.id;
  const { token } = await hub.hub.operator.createEnrolment({ organization: "Default", name: "all", maxUses: 1000 });
  clients = {
    nobody: hub.nobody,
    viewer: await hub.viewer(),
    admin: await hub.admin(),
    owner: await hub.owner(),
    stranger: await hub.otherOrganizationAdmin(),
    "view key": await key("view:servers"),
    "manage key": await key("manage:servers"),
    "logs key": await key("logs:write"),
    agent: createClient(hub.url, agent.headers),
    source: known,
    enrolment: createClient(hub.url, { authorization: `Bearer ${token}` }),
  };
});
afterAll(async () => await hub[Symbol.asyncDispose]());

const noGroup = "/api/errors/v1:aaaaaaaaaaaaaaaaaaaa";

const newServer = async () =>
  (await (
    await hub.send("POST", "/api/servers", { hostname: unique("host"), project: projectId })
  ).json()) as RegisteredServer;
/** One that can't be reached, which is said soon. */
const newSshServer = async () => {
  const body = { hostname: unique("host"), project: projectId, ssh: { host: "127.0.0.1", port: 1, user: "nobody" } };
  return (await (await hub.send("POST", "/api/servers", body)).json()) as RegisteredServer;
};
const newJob = async () =>
  (await (await hub.send("POST", `/api/servers/${(await newSshServer()).id}/agent/deploy`)).json()) as { id: string };
const newProject = async () =>
  (await (await hub.send("POST", "/api/projects", { name: unique("project") })).json()) as Project;
const newSource = async () =>
  (await (
    await hub.send("POST", `/api/projects/${projectId}/sources`, { name: unique("source") })
  ).json()) as NewSource;
const newEnrolment = async () =>
  (await (await hub.send("POST", `/api/projects/${projectId}/enrolment-tokens`, {})).json()) as { id: string };
const newDevice = async () =>
  (await (
    await createClient(hub.url, { "x-forwarded-for": address() }).send("POST", "/api/auth/device/code", {})
  ).json()) as DeviceCode;

/** A person with a session that this cell may end. */
const again = async (column: Column): Promise<Ask> => {
  if (!isPerson(column)) return {};
  const email = column === "stranger" ? "admin@other.example" : people[column];
  return { client: createClient(hub.url, (await signIn(hub.url, email)).headers) };
};

let hosts = 0;
function address(): string {
  hosts++;
  return `198.18.${hosts >> 8}.${hosts & 255}`;
}

/** Somebody of the organisation whom the owner may do everything to. */
async function someMember(column: Column): Promise<string> {
  const email = column === "owner" ? `${unique("member")}@example.com` : people.viewer;
  if (column === "owner") await createMember(hub.url, await hub.owner(), "viewer", email);
  const { members } = await (await hub.owner()).json<Organization>("/api/organization");
  return members.find((member) => member.email === email)!.id;
}

// The order is that of `columns`:
//   nobody viewer admin owner stranger, keys: view manage logs, tokens: agent source enrolment
const anybody = (status: number) => columns.map(() => status).join(" ");

const rows: readonly Row[] = [
  ["GET /healthz", anybody(200)],
  ["GET /readyz", anybody(200)],
  ["GET /api/openapi.json", anybody(200)],

  ["GET /api/auth/methods", anybody(200)],
  // there is an owner
  ["POST /api/auth/setup", anybody(409), () => ({ body: { token: "x", email: "new@example.com", password } })],
  ["POST /api/auth/sign-in", anybody(401), () => ({ body: { email: `${unique("no")}@example.com`, password } })],
  ["POST /api/auth/second-factor", anybody(401), () => ({ body: { code: "123456" } })],
  // no provider is set
  ["GET /api/auth/oidc", anybody(404)],
  ["GET /api/auth/callback/oidc", anybody(404)],
  ["POST /api/auth/device/code", anybody(200), () => ({ body: {} })],
  [
    "POST /api/auth/device/token",
    anybody(400),
    () => ({ body: { grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code: "none" } }),
  ],

  ["GET /api/auth/session", "401 200 200 200 200  403 403 403  403 403 403"],
  ["PATCH /api/auth/session", "401 404 404 404 404  403 403 403  403 403 403", () => ({ body: { id: "of-another" } })],
  ["GET /api/auth/sessions", "401 200 200 200 200  403 403 403  403 403 403"],
  [
    "DELETE /api/auth/sessions/{id}",
    "401 404 404 404 404  403 403 403  403 403 403",
    () => ({ path: "/api/auth/sessions/x" }),
  ],
  ["PATCH /api/auth/person", "401 200 200 200 200  403 403 403  403 403 403", () => ({ body: { name: "Somebody" } })],
  // past the door the body is looked at
  ["POST /api/auth/two-factor", "401 400 400 400 400  403 403 403  403 403 403", () => ({ body: {} })],
  ["POST /api/auth/two-factor/confirm", "401 400 400 400 400  403 403 403  403 403 403", () => ({ body: {} })],
  ["POST /api/auth/two-factor/disable", "401 400 400 400 400  403 403 403  403 403 403", () => ({ body: {} })],
  ["POST /api/auth/two-factor/backup-codes", "401 400 400 400 400  403 403 403  403 403 403", () => ({ body: {} })],
  ["POST /api/auth/sign-out", "401 204 204 204 204  403 403 403  403 403 403", again],
  [
    "GET /api/auth/device",
    "401 200 200 200 200  403 403 403  403 403 403",
    async () => ({ path: `/api/auth/device?code=${(await newDevice()).user_code}` }),
  ],
  [
    "POST /api/auth/device/approve",
    "401 200 200 200 200  403 403 403  403 403 403",
    async () => ({ body: { userCode: (await newDevice()).user_code } }),
  ],
  [
    "POST /api/auth/device/deny",
    "401 200 200 200 200  403 403 403  403 403 403",
    async () => ({ body: { userCode: (await newDevice()).user_code } }),
  ],

  ["GET /api/auth/keys", "401 200 200 200 200  403 403 403  403 403 403"],
  [
    "POST /api/auth/keys",
    "401 403 201 201 201  403 403 403  403 403 403",
    () => ({ body: { name: "k", scopes: ["manage:servers"] } }),
  ],
  [
    "DELETE /api/auth/keys/{id}",
    "401 404 204 204 404  403 403 403  403 403 403",
    async () => {
      const order = { organization: "Default", name: "gone", scopes: ["logs:write" as const] };
      return { path: `/api/auth/keys/${(await hub.hub.operator.createKey(order)).id}` };
    },
  ],

  ["GET /api/organization", "401 200 200 200 200  403 403 403  403 403 403"],
  ["PATCH /api/organization", "401 403 403 200 403  403 403 403  403 403 403", () => ({ body: { name: "Default" } })],
  [
    "POST /api/organization/invitations",
    "401 403 403 201 403  403 403 403  403 403 403",
    () => ({ body: { email: `${unique("guest")}@example.com`, role: "viewer" } }),
  ],
  [
    "DELETE /api/organization/invitations/{id}",
    "401 403 403 204 403  403 403 403  403 403 403",
    async () => {
      const body = { email: `${unique("guest")}@example.com`, role: "viewer" };
      const { id } = (await (await clients.owner.send("POST", "/api/organization/invitations", body)).json()) as {
        id: string;
      };
      return { path: `/api/organization/invitations/${id}` };
    },
  ],
  [
    "PATCH /api/organization/members/{id}",
    "401 403 403 200 403  403 403 403  403 403 403",
    async (column) => ({ path: `/api/organization/members/${await someMember(column)}`, body: { role: "viewer" } }),
  ],
  [
    "DELETE /api/organization/members/{id}",
    "401 403 403 204 403  403 403 403  403 403 403",
    async (column) => ({ path: `/api/organization/members/${await someMember(column)}` }),
  ],
  ["GET /api/invitations/{token}", anybody(404), () => ({ path: "/api/invitations/none" })],
  ["POST /api/invitations/{token}", anybody(404), () => ({ path: "/api/invitations/none", body: { password } })],

  ["GET /api/projects", "401 200 200 200 200  200 200 403  403 403 403"],
  [
    "POST /api/projects",
    "401 201 201 201 201  403 201 403  403 403 403",
    () => ({ body: { name: unique("project") } }),
  ],
  [
    "GET /api/projects/{id}",
    "401 200 200 200 404  200 200 403  403 403 403",
    () => ({ path: `/api/projects/${projectId}` }),
  ],
  [
    "PATCH /api/projects/{id}",
    "401 403 200 200 404  403 200 403  403 403 403",
    async () => ({ path: `/api/projects/${(await newProject()).id}`, body: { name: unique("renamed") } }),
  ],
  [
    "DELETE /api/projects/{id}",
    "401 403 204 204 404  403 204 403  403 403 403",
    async () => ({ path: `/api/projects/${(await newProject()).id}` }),
  ],
  [
    "GET /api/projects/{id}/sources",
    "401 200 200 200 404  200 200 403  403 403 403",
    () => ({ path: `/api/projects/${projectId}/sources` }),
  ],
  [
    "POST /api/projects/{id}/sources",
    "401 201 201 201 404  403 201 403  403 403 403",
    () => ({ path: `/api/projects/${projectId}/sources`, body: { name: unique("source") } }),
  ],
  [
    "POST /api/projects/{id}/sources/{source}/token",
    "401 403 201 201 404  403 201 403  403 403 403",
    async () => ({ path: `/api/projects/${projectId}/sources/${(await newSource()).id}/token` }),
  ],
  [
    "DELETE /api/projects/{id}/sources/{source}",
    "401 403 204 204 404  403 204 403  403 403 403",
    async () => ({ path: `/api/projects/${projectId}/sources/${(await newSource()).id}` }),
  ],
  [
    "GET /api/projects/{id}/enrolment-tokens",
    "401 403 200 200 404  403 200 403  403 403 403",
    () => ({ path: `/api/projects/${projectId}/enrolment-tokens` }),
  ],
  [
    "POST /api/projects/{id}/enrolment-tokens",
    "401 403 201 201 404  403 201 403  403 403 403",
    () => ({ path: `/api/projects/${projectId}/enrolment-tokens`, body: {} }),
  ],
  [
    "DELETE /api/projects/{id}/enrolment-tokens/{token}",
    "401 403 204 204 404  403 204 403  403 403 403",
    async () => ({ path: `/api/projects/${projectId}/enrolment-tokens/${(await newEnrolment()).id}` }),
  ],

  ["POST /api/enrol", "401 403 403 403 403  403 403 403  403 403 201", () => ({ body: { hostname: unique("host") } })],
  ["GET /api/redaction", "401 200 200 200 200  200 200 403  403 403 403"],
  ["GET /api/fleet/history", "401 200 200 200 200  200 200 403  403 403 403"],
  ["GET /api/servers", "401 200 200 200 200  200 200 403  403 403 403"],
  [
    "POST /api/servers",
    "401 403 201 201 201  403 201 403  403 403 403",
    // a stranger's goes into a project of their own
    (column) => ({ body: { hostname: unique("host"), project: column === "stranger" ? "default" : projectId } }),
  ],
  [
    "GET /api/servers/{id}",
    "401 200 200 200 404  200 200 403  403 403 403",
    () => ({ path: `/api/servers/${server.id}` }),
  ],
  [
    "DELETE /api/servers/{id}",
    "401 403 204 204 404  403 204 403  403 403 403",
    async () => ({ path: `/api/servers/${(await newServer()).id}` }),
  ],
  [
    "GET /api/servers/{id}/agent-status",
    "401 200 200 200 404  200 200 403  403 403 403",
    () => ({ path: `/api/servers/${server.id}/agent-status` }),
  ],
  [
    "POST /api/servers/{id}/agent-token",
    "401 403 201 201 404  403 201 403  403 403 403",
    async () => ({ path: `/api/servers/${(await newServer()).id}/agent-token` }),
  ],
  [
    "DELETE /api/servers/{id}/agent-token",
    "401 403 204 204 404  403 204 403  403 403 403",
    async () => ({ path: `/api/servers/${(await newServer()).id}/agent-token` }),
  ],
  [
    "GET /api/servers/{id}/scripts",
    "401 200 200 200 404  200 200 403  403 403 403",
    () => ({ path: `/api/servers/${server.id}/scripts` }),
  ],
  [
    "GET /api/servers/{id}/containers",
    "401 200 200 200 404  200 200 403  403 403 403",
    () => ({ path: `/api/servers/${server.id}/containers` }),
  ],

  ["GET /api/ssh/public-key", "401 403 200 200 200  403 200 403  403 403 403"],
  [
    "GET /api/servers/{id}/ssh",
    "401 403 200 200 404  403 200 403  403 403 403",
    async () => ({ path: `/api/servers/${(await newSshServer()).id}/ssh` }),
  ],
  [
    "PUT /api/servers/{id}/ssh",
    "401 403 200 200 404  403 200 403  403 403 403",
    () => ({ path: `/api/servers/${server.id}/ssh`, body: { host: "192.0.2.1", user: "root" } }),
  ],
  [
    "DELETE /api/servers/{id}/ssh",
    "401 403 204 204 404  403 204 403  403 403 403",
    async () => ({ path: `/api/servers/${(await newSshServer()).id}/ssh` }),
  ],
  [
    "POST /api/servers/{id}/ssh/check",
    "401 403 200 200 404  403 200 403  403 403 403",
    async () => ({ path: `/api/servers/${(await newSshServer()).id}/ssh/check` }),
  ],
  [
    "POST /api/servers/{id}/agent/deploy",
    "401 403 202 202 404  403 202 403  403 403 403",
    async () => ({ path: `/api/servers/${(await newSshServer()).id}/agent/deploy` }),
  ],
  [
    "POST /api/servers/{id}/agent/uninstall",
    "401 403 202 202 404  403 202 403  403 403 403",
    async () => ({ path: `/api/servers/${(await newSshServer()).id}/agent/uninstall` }),
  ],
  [
    "GET /api/servers/{id}/jobs",
    "401 403 200 200 404  403 200 403  403 403 403",
    () => ({ path: `/api/servers/${server.id}/jobs` }),
  ],
  [
    "GET /api/jobs/{id}",
    "401 403 200 200 404  403 200 403  403 403 403",
    async () => ({ path: `/api/jobs/${(await newJob()).id}` }),
  ],
  ["DELETE /api/jobs/{id}", "401 403 404 404 404  403 404 403  403 403 403", () => ({ path: "/api/jobs/none" })],

  ["GET /api/logs", "401 200 200 200 200  200 200 403  403 403 403"],
  ["GET /api/logs/tail", "401 200 200 200 200  200 200 403  403 403 403"],
  ["GET /api/logs/histogram", "401 200 200 200 200  200 200 403  403 403 403"],
  [
    "GET /api/logs/top",
    "401 200 200 200 200  200 200 403  403 403 403",
    () => ({ path: "/api/logs/top?field=status" }),
  ],
  ["GET /api/logs/export", "401 200 200 200 200  200 200 403  403 403 403"],
  // an entry that is not there: who may ask learns that
  [
    "GET /api/logs/{id}/context",
    "401 404 404 404 404  404 404 403  403 403 403",
    () => ({ path: "/api/logs/999999/context" }),
  ],
  ["GET /api/events", "401 200 200 200 200  200 200 403  403 403 403"],
  ["GET /api/live", "401 200 200 200 200  200 200 403  403 403 403"],
  ["GET /api/errors", "401 200 200 200 200  200 200 403  403 403 403"],
  ["GET /api/errors/live", "401 200 200 200 200  200 200 403  403 403 403"],
  // a group that is not there: who may ask learns that
  ["GET /api/errors/{fingerprint}", "401 404 404 404 404  404 404 403  403 403 403", () => ({ path: noGroup })],
  [
    "GET /api/errors/{fingerprint}/events",
    "401 404 404 404 404  404 404 403  403 403 403",
    () => ({ path: `${noGroup}/events` }),
  ],
  [
    "PATCH /api/errors/{fingerprint}",
    "401 403 404 404 404  403 404 403  403 403 403",
    () => ({ path: noGroup, body: { action: "reopen" } }),
  ],
  ["GET /api/audit", "401 403 200 200 200  403 200 403  403 403 403"],

  ["POST /api/logs", "401 403 403 403 403  403 403 202  403 202 403", () => ({ body: { message: "hello" } })],
  ["POST /v1/logs", "401 403 403 403 403  403 403 200  403 200 403", () => ({ body: { resourceLogs: [] } })],
  ["POST /v1/metrics", "401 403 403 403 403  403 403 200  403 200 403", () => ({ body: { resourceMetrics: [] } })],

  ["GET /metrics", "401 200 200 200 200  200 200 403  403 403 403"],
  [
    "GET /api/servers/{id}/metrics",
    "401 200 200 200 404  200 200 403  403 403 403",
    () => ({ path: `/api/servers/${server.id}/metrics` }),
  ],
  [
    "GET /api/projects/{id}/sources/{source}/metrics",
    "401 200 200 200 404  200 200 403  403 403 403",
    () => ({ path: `/api/projects/${projectId}/sources/${source.id}/metrics` }),
  ],

  [
    "POST /api/v1/agent/heartbeat",
    "401 403 403 403 403  403 403 403  200 403 403",
    () => ({ body: { ...heartbeat(), hostname: "first" } }),
  ],
  [
    "POST /api/v1/agent/logs",
    "401 403 403 403 403  403 403 403  202 403 403",
    () => ({ body: entries(1, 1)[0], headers: { "content-type": "application/x-ndjson" } }),
  ],
  ["POST /api/v1/agent/events", "401 403 403 403 403  403 403 403  202 403 403", () => ({ body: crash() })],
  // let in, and asked for the handshake that is missing
  ["GET /api/v1/agent/stream", "401 403 403 403 403  403 403 403  426 403 403"],

  // the last two, because they end everybody's sessions
  [
    "POST /api/auth/password",
    "401 204 204 204 204  403 403 403  403 403 403",
    async (column) => ({ ...(await again(column)), body: { current: password, new: password } }),
  ],
  ["POST /api/auth/sign-out-everywhere", "401 204 204 204 204  403 403 403  403 403 403", again],
];

describe("who may call what", () => {
  for (const [route, statuses, ask] of rows) {
    const expected = statuses.split(/ +/).map(Number);
    test(route, async () => {
      const [method = "", path = ""] = route.split(" ");
      const got: [Column, number][] = [];
      for (const column of columns) {
        const { client = clients[column], headers, body, ...asked } = (await ask?.(column)) ?? {};
        const response = await client.fetch(asked.path ?? path, {
          method,
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          headers: { "x-forwarded-for": address(), "content-type": "application/json", ...headers },
        });
        got.push([column, response.status]);
        if (response.status >= 400) {
          expect(response.headers.get("content-type")).toMatch(/^application\/(?:problem\+json|json|x-protobuf)/);
        }
        if (response.status === 401) expect(response.headers.get("www-authenticate")).toStartWith("Bearer ");
        await response.body?.cancel();
      }
      expect(got).toEqual(columns.map((column, i) => [column, expected[i] ?? 0]));
    });
  }

  test("every route of the document has a row, and every row a route", async () => {
    const document = (await (await hub.get("/api/openapi.json")).json()) as { paths: Record<string, object> };
    const routes = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(rows.map(([route]) => route).sort()).toEqual(routes.sort());
  });
});
