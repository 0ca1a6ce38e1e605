/**
 * The OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.1), made from the table of routes. Its dialect of JSON Schema is
 * 2020-12, which zod writes itself.
 */
import * as access from "#src/protocol/access.ts";
import * as account from "#src/protocol/account.ts";
import * as api from "#src/protocol/api.ts";
import * as audit from "#src/protocol/audit.ts";
import * as event from "#src/protocol/event.ts";
import * as heartbeat from "#src/protocol/heartbeat.ts";
import * as log from "#src/protocol/log.ts";
import * as project from "#src/protocol/project.ts";
import { z } from "#src/protocol/schema.ts";
import type { Permission, Route } from "./route.ts";

type Json = Readonly<Record<string, unknown>>;
type Schema = z.core.$ZodType;
/** A schema says one thing of what is sent and another of what is answered: defaults are filled in between. */
type Direction = "input" | "output";

/** Schemas that other documents may name. */
const named: readonly (readonly [name: string, schema: Schema])[] = Object.entries({
  ...log,
  ...event,
  ...heartbeat,
  ...access,
  ...account,
  ...project,
  ...audit,
  ...api,
}).flatMap(([name, value]) => (value instanceof z.core.$ZodType ? [[pascal(name), value as Schema] as const] : []));

/** How each permission is proven; several: any of them. */
const security: Readonly<Record<Permission, readonly Json[]>> = {
  none: [],
  agent: [{ agentToken: [], serverId: [] }],
  source: [{ sourceToken: [] }, { apiKey: [], sourceId: [] }],
  enrolment: [{ enrolmentToken: [] }],
  session: [{ cookie: [] }, { session: [] }],
  member: [{ cookie: [] }, { session: [] }, { apiKey: [] }],
  "view:servers": [{ cookie: [] }, { session: [] }, { apiKey: [] }],
  "manage:servers": [{ cookie: [] }, { session: [] }, { apiKey: [] }],
  "manage:organization": [{ cookie: [] }, { session: [] }],
};

const bearer = (description: string): Json => ({ type: "http", scheme: "bearer", description });
const header = (name: string, description: string): Json => ({ type: "apiKey", in: "header", name, description });

function securitySchemes(cookie: string): Json {
  return {
    cookie: { type: "apiKey", in: "cookie", name: cookie, description: "The session of somebody who signed in here" },
    session: bearer("The session of a command line that was approved (RFC 8628)"),
    apiKey: bearer(`An API key, ${access.tokenPrefixes.key}…`),
    agentToken: bearer(`A server's agent token, ${access.tokenPrefixes.agent}…`),
    serverId: header("X-Server-ID", "The id of the server that the agent token is of"),
    sourceToken: bearer(`A source's token, ${access.tokenPrefixes.source}…`),
    sourceId: header("X-Source-ID", "The id of the source that an API key with logs:write writes as"),
    enrolmentToken: bearer(`A token that registers hosts, ${access.tokenPrefixes.enrolment}…`),
  };
}

export type DocumentFacts = {
  readonly version: string;
  /** the address that people use; null: where the document came from */
  readonly url: string | null;
  /** name of the session's cookie */
  readonly cookie: string;
};

/** The whole document as plain data. */
export function createDocument(routes: readonly Route[], { version, url, cookie }: DocumentFacts): Json {
  const names = createNames(routes);
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    (paths[path] ??= {})[route.method.toLowerCase()] = operation(route, names.refer);
  }
  return {
    openapi: "3.1.1",
    jsonSchemaDialect: "https://spec.openapis.org/oas/3.1/dialect/base",
    info: {
      title: "Orion hub",
      version,
      summary: "Servers, their scripts and containers, their logs and crashes",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: url ?? "/" }],
    tags: [...new Set(routes.map((route) => route.group))].map((name) => ({ name })),
    paths,
    components: { schemas: names.components(), securitySchemes: securitySchemes(cookie) },
  };
}

type Refer = (schema: Schema, direction: Direction) => Json;

function operation(route: Route, refer: Refer): Json {
  const { method, permission, group, summary, query, body, answer, status = 200 } = route;
  const parameters = [...pathParameters(route.path), ...(query === undefined ? [] : queryParameters(query))];
  return {
    operationId: operationId(route),
    tags: [group],
    summary,
    "x-permission": permission,
    security: security[permission],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined && route.bodyTypes === undefined ? {} : { requestBody: requestBody(route, refer) }),
    responses: {
      [String(status)]: {
        description: status === 204 ? "Done" : "Success",
        ...(answer === undefined && route.answerType === undefined ? {} : { content: answerContent(route, refer) }),
      },
      ...(method === "GET" && answer !== undefined && permission !== "none"
        ? { "304": { description: "As the client has it already (If-None-Match)" } }
        : {}),
      default: {
        description: "A problem document (RFC 9457)",
        content: { "application/problem+json": { schema: refer(api.problemDocument, "output") } },
      },
    },
  };
}

function requestBody({ body, bodyTypes }: Route, refer: Refer): Json {
  const schema = body === undefined ? {} : { schema: refer(body, "input") };
  const types = bodyTypes ?? ["application/json"];
  return {
    required: true,
    content: Object.fromEntries(types.map((type) => [type, /json\b(?!l)|urlencoded/.test(type) ? schema : {}])),
  };
}

function answerContent({ answer, answerType }: Route, refer: Refer): Json {
  const schema = answer === undefined ? {} : { schema: refer(answer, "output") };
  return { [answerType ?? "application/json"]: schema };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function queryParameters(query: Schema): Json[] {
  const { properties = {}, required = [] } = toJson(query, "input") as {
    properties?: Record<string, Json>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    ...(required.includes(name) ? { required: true } : {}),
    schema,
  }));
}

/** `getServersById`. */
function operationId({ method, path }: Route): string {
  const words = path.split("/").filter((part) => part !== "" && part !== "api");
  const text = words.map((part) => (part.startsWith(":") ? `by-${part.slice(1)}` : part)).join("-");
  return (
    method.toLowerCase() +
    text
      .split(/[^a-zA-Z0-9]+/)
      .map(capital)
      .join("")
  );
}

/** What JSON Schema can't say, such as a transformation, is anything. */
function conversion(io: Direction) {
  return {
    io,
    unrepresentable: "any",
    cycles: "ref",
    target: "draft-2020-12",
    override({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }) {
      // the format says it; the pattern is four lines long
      if (jsonSchema.format === "date-time") delete jsonSchema.pattern;
      // an answer may have more members one day
      if (io === "output" && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  } as const;
}

function toJson(schema: Schema, io: Direction): Json {
  const { $schema: _dialect, "~standard": _standard, ...rest } = z.toJSONSchema(schema, conversion(io));
  return rest;
}

/** All schemas of routes, and definitions for those that occur more than once, by which all places refer to them. */
function createNames(routes: readonly Route[]) {
  const ids = new Map<Schema, string>();
  for (const [name, schema] of named) if (!ids.has(schema)) ids.set(schema, name);
  // what a route alone has gets a name that no definition can have
  for (const { body, answer } of routes)
    for (const schema of [body, answer]) if (schema !== undefined && !ids.has(schema)) ids.set(schema, `-${ids.size}`);
  const all = { input: convert(ids, "input"), output: convert(ids, "output") };
  const often = usedOften(routes, ids, all);
  const used = { input: new Set<string>(), output: new Set<string>() };

  /** Where a name means one thing in both directions there is one definition. */
  const definitionOf = (name: string, direction: Direction): string =>
    direction === "input" && JSON.stringify(all.input[name]) !== JSON.stringify(all.output[name])
      ? `${name}Input`
      : name;

  function place(value: unknown, direction: Direction): unknown {
    if (Array.isArray(value)) return value.map((one) => place(one, direction));
    if (typeof value !== "object" || value === null) return value;
    const name = nameIn(value);
    if (name === undefined) return mapValues(value as Json, (inner) => place(inner, direction));
    if (!often.has(name)) return place(all[direction][name], direction);
    used[direction].add(name);
    return { $ref: `#/components/schemas/${definitionOf(name, direction)}` };
  }

  return {
    refer: (schema: Schema, direction: Direction): Json => place({ $ref: ids.get(schema) }, direction) as Json,
    components(): Json {
      const schemas: Record<string, unknown> = {};
      for (const direction of ["output", "input"] as const) {
        // a definition may refer to others: the set grows while it is walked
        for (const name of used[direction])
          schemas[definitionOf(name, direction)] ??= place(all[direction][name], direction);
      }
      return Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
    },
  };
}

type Converted = Readonly<Record<string, Json>>;

/** All schemas, referring to one another by bare id. */
function convert(ids: ReadonlyMap<Schema, string>, io: Direction): Converted {
  const registry = z.registry<{ id?: string }>();
  for (const [schema, id] of ids) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { ...conversion(io), uri: (id) => id });
  return mapValues(schemas as Converted, ({ $schema: _dialect, $id: _id, ...rest }) => rest);
}

/** Ids that more than one place refers to; a problem document is every route's. */
function usedOften(
  routes: readonly Route[],
  ids: ReadonlyMap<Schema, string>,
  all: Readonly<Record<Direction, Converted>>,
): ReadonlySet<string> {
  const counts = new Map([["ProblemDocument", 2]]);
  function count(value: unknown, direction: Direction): void {
    if (typeof value !== "object" || value === null) return;
    const name = Array.isArray(value) ? undefined : nameIn(value);
    if (name === undefined) {
      for (const inner of Object.values(value)) count(inner, direction);
      return;
    }
    const times = (counts.get(name) ?? 0) + 1;
    counts.set(name, times);
    if (times === 1) count(all[direction][name], direction);
  }
  for (const { body, answer } of routes) {
    if (body !== undefined) count({ $ref: ids.get(body) }, "input");
    if (answer !== undefined) count({ $ref: ids.get(answer) }, "output");
  }
  return new Set([...counts].filter(([name, times]) => times > 1 && !name.startsWith("-")).map(([name]) => name));
}

function nameIn(value: object): string | undefined {
  const reference: unknown = "$ref" in value ? value.$ref : undefined;
  return typeof reference === "string" && !reference.startsWith("#") ? reference : undefined;
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

function pascal(name: string): string {
  return name
    .split(/[^a-zA-Z0-9]+/)
    .map(capital)
    .join("");
}

function capital(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}
