/**
 * Bodies and queries made from the OpenAPI document, right ones and almost right ones, for every route: a success or a
 * problem document of ours, never a failure of the hub. ORION_SOAK=1: 10,000 for each route.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { type Definitions, type JsonSchema, mutated, oddText, valid, wrecked } from "#test/hub/kit/arbitrary.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { type Client, createClient, signIn } from "#test/hub/kit/people.ts";

const soak = process.env["ORION_SOAK"] === "1";
const perRoute = soak ? 10_000 : 60;
/** Each of these hashes a password, which takes a twentieth of a second by intention. */
const slow = new Set(["POST /api/auth/sign-in", "POST /api/auth/password", "POST /api/auth/two-factor"]);
const perSlowRoute = soak ? 500 : 8;

setDefaultTimeout(soak ? 3_600_000 : 60_000);

type Parameter = { readonly name: string; readonly in: string; readonly schema: JsonSchema };
type Operation = {
  readonly "x-permission": string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: JsonSchema }>> };
};
type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Definitions };
};

/** What a request is made of. */
type Shot = {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array<ArrayBuffer> | undefined;
  readonly type: string;
};

let hub: TestHub;
let document: Document;
let ids: readonly string[];
let callers: Record<string, Client>;

beforeAll(async () => {
  // each request comes from an address of its own, so that nobody is asked to wait
  hub = await startHub({ settings: { trustProxy: 1 } });
  document = await hub.json<Document>("/api/openapi.json");
  const agent = await hub.agent();
  const source = await hub.source();
  const { projects } = await hub.json<{ projects: readonly { id: string }[] }>("/api/projects");
  ids = [agent.id, source.id, ...projects.map((project) => project.id), "default"];
  callers = {
    agent: createClient(hub.url, agent.headers),
    source,
    enrolment: await enrolment(),
  };
});
afterAll(async () => await hub[Symbol.asyncDispose]());

async function enrolment(): Promise<Client> {
  const order = { organization: "Default", name: "many", maxUses: 100_000 };
  const { token } = await hub.hub.operator.createEnrolment(order);
  return createClient(hub.url, { authorization: `Bearer ${token}` });
}

/** The one who may do most with a route; people sign in anew, because some routes end their session. */
async function callerOf(permission: string): Promise<Client> {
  if (permission in callers) return callers[permission] ?? hub;
  if (permission === "session" || permission === "manage:organization")
    return await signIn(hub.url, "owner@example.com");
  return permission === "none" ? hub.nobody : hub;
}

function shots(path: string, { parameters = [], requestBody }: Operation): fc.Arbitrary<Shot> {
  const { schemas } = document.components;
  const part = fc.oneof(fc.constantFrom(...ids), oddText, fc.string({ maxLength: 20 }));
  const names = parameters.filter((one) => one.in === "path").map((one) => one.name);
  const paths = fc
    .tuple(...names.map(() => part))
    .map((parts) => names.reduce((now, name, i) => now.replace(`{${name}}`, encode(parts[i] ?? "")), path));
  const queries = parameters
    .filter((one) => one.in === "query")
    .map((one) => [one.name, fc.oneof(valid(one.schema, schemas).map(String), oddText, fc.string())] as const);
  const query = fc
    .record(Object.fromEntries(queries), { requiredKeys: [] })
    .map((values) => values as Readonly<Record<string, string>>);
  const contents = Object.entries(requestBody?.content ?? {});
  const body =
    contents.length === 0
      ? fc.constant({ type: "application/json", body: undefined })
      : fc.oneof(...contents.map(([type, { schema }]) => bodies(type, schema ?? {}, schemas)));
  return fc.record({ path: paths, query, sent: body }).map(({ sent, ...rest }) => ({ ...rest, ...sent }));
}

/** A text that no percent-encoding exists for is left out. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed()) || "-";
}

type Sent = Pick<Shot, "body" | "type">;

function bodies(type: string, schema: JsonSchema, schemas: Definitions): fc.Arbitrary<Sent> {
  const good = valid(schema, schemas);
  const text = (value: unknown) => JSON.stringify(value) ?? "";
  const form = (value: unknown) => new URLSearchParams(flat(value)).toString();
  const write = type.includes("urlencoded") ? form : text;
  const odd = fc.oneof(
    good.map(write),
    wrecked(good).map(write),
    good.chain((value) => mutated(write(value))),
    fc.string({ unit: "binary" }),
    fc.uint8Array().map((bytes) => new Uint8Array(bytes)),
  );
  const types = fc.oneof(
    { arbitrary: fc.constant(type), weight: 9 },
    {
      arbitrary: fc.constantFrom("", "text/plain", "application/x-www-form-urlencoded", "application/json"),
      weight: 1,
    },
  );
  return fc.record({ body: odd, type: types });
}

function flat(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, String(one).toWellFormed()]));
}

let hosts = 0;
function address(): string {
  hosts++;
  return `2001:db8:${(hosts >>> 16).toString(16)}:${(hosts & 65_535).toString(16)}::1`;
}

describe("no body and no query makes the hub fail", () => {
  test("on any route", async () => {
    const calls = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([verb, operation]) => ({ path, method: verb.toUpperCase(), operation })),
    );
    const failures: unknown[] = [];
    for (const { path, method, operation } of calls) {
      const caller = await callerOf(operation["x-permission"]);
      const result = await fc.check(
        fc.asyncProperty(shots(path, operation), async (shot) => {
          const query = new URLSearchParams(shot.query).toString();
          const response = await caller.fetch(`${shot.path}${query === "" ? "" : `?${query}`}`, {
            method,
            ...(shot.body === undefined ? {} : { body: shot.body }),
            headers: { "x-forwarded-for": address(), ...(shot.type === "" ? {} : { "content-type": shot.type }) },
          });
          const type = response.headers.get("content-type") ?? "";
          await response.body?.cancel();
          if (response.status < 400) return;
          expect(response.status).toBeLessThan(500);
          // OTLP has errors of its own form
          expect(type).toMatch(
            path === "/v1/logs" || path === "/v1/metrics"
              ? /^application\/(?:json|x-protobuf)/
              : /^application\/problem\+json/,
          );
        }),
        { numRuns: slow.has(`${method} ${path}`) ? perSlowRoute : perRoute },
      );
      if (result.failed) failures.push({ route: `${method} ${path}`, input: result.counterexample, seed: result.seed });
    }
    expect(failures).toEqual([]);
    expect(hub.said.filter((line) => line.startsWith("error"))).toEqual([]);
  });
});
