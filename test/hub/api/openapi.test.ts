import { Validator } from "@seriousme/openapi-schema-validator";
import addFormats from "ajv-formats";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { type TestHub, startHub } from "#test/hub/kit/hub.ts";

type Json = Readonly<Record<string, unknown>>;
type Operation = {
  readonly operationId: string;
  readonly "x-permission": string;
  readonly security: readonly Json[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Json }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: Json }>> }>
  >;
};
type Document = Json & {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>>; readonly securitySchemes: Json };
};

let hub: TestHub;
let document: Document;
beforeAll(async () => {
  hub = await startHub();
  document = (await (await hub.nobody.get("/api/openapi.json")).json()) as Document;
});
afterAll(async () => await hub[Symbol.asyncDispose]());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, all]) =>
    Object.entries(all).map(([method, operation]) => ({ path, method, operation })),
  );

describe("the OpenAPI document", () => {
  test("is a valid OpenAPI 3.1 document", async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone(document) as Record<string, unknown>);
    expect(result).toMatchObject({ valid: true });
    expect(validator.version).toBe("3.1");
  });

  test("names every parameter of a path, and each operation by a name of its own", () => {
    const names = operations().map(({ operation }) => operation.operationId);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
    for (const { path, operation } of operations()) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "");
      const described = operation.parameters?.filter((one) => one.in === "path").map((one) => one.name) ?? [];
      expect([path, described]).toEqual([path, named]);
    }
  });

  test("refers to nothing that it does not define, and defines nothing that nobody refers to", () => {
    const text = JSON.stringify(document);
    const referred = new Set([...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name ?? ""));
    expect([...referred].sort()).toEqual(Object.keys(document.components.schemas).sort());
    for (const { operation } of operations()) {
      for (const name of operation.security.flatMap(Object.keys)) {
        expect(document.components.securitySchemes).toHaveProperty([name]);
      }
    }
  });

  test("defines a schema once that occurs in several places", () => {
    const { schemas } = document.components;
    expect(Object.keys(schemas)).toContain("ProblemDocument");
    const answer =
      document.paths["/api/servers/{id}"]?.["get"]?.responses["200"]?.content?.["application/json"]?.schema;
    expect(answer).toEqual({ $ref: "#/components/schemas/Server" });
  });

  test("tells what may be left out of a request, and what an answer always has", () => {
    const body = document.paths["/api/projects/{id}/enrolment-tokens"]?.["post"]?.requestBody?.content;
    expect(body?.["application/json"]?.schema?.["required"]).toBeUndefined();
    const query = document.paths["/api/servers"]?.["get"]?.parameters ?? [];
    expect(query.map(({ name, required = false }) => [name, required])).toContainEqual(["limit", false]);
  });

  test("says how to sign in for each route", () => {
    const schemes = (path: string, method: string) =>
      document.paths[path]?.[method]?.security.map((one) => Object.keys(one).join("+"));
    expect(schemes("/healthz", "get")).toEqual([]);
    expect(schemes("/api/servers", "get")).toEqual(["cookie", "session", "apiKey"]);
    expect(schemes("/api/v1/agent/heartbeat", "post")).toEqual(["agentToken+serverId"]);
    expect(schemes("/api/logs", "post")).toEqual(["sourceToken", "apiKey+sourceId"]);
    expect(schemes("/api/enrol", "post")).toEqual(["enrolmentToken"]);
  });

  test("names the cookie that signing in sets", async () => {
    const { cookie } = document.components.securitySchemes as { cookie: { name: string } };
    expect((await hub.owner()).headers["cookie"]).toStartWith(`${cookie.name}=`);
  });

  test("describes a problem for whatever goes wrong", () => {
    for (const { operation } of operations()) {
      expect(Object.keys(operation.responses["default"]?.content ?? {})).toEqual(["application/problem+json"]);
    }
  });

  test("is not sent again to who has it", async () => {
    const tag = (await hub.nobody.get("/api/openapi.json")).headers.get("etag") ?? "";
    const again = await hub.nobody.get("/api/openapi.json", { "if-none-match": tag });
    expect([again.status, await again.text()]).toEqual([304, ""]);
  });
});

describe("answers", () => {
  test("are what the document says of them", async () => {
    const agent = await hub.agent("described");
    await agent.beat({ hostname: "described" });
    const ajv = addFormats.default(new Ajv2020({ strict: false, allErrors: true }));
    ajv.addSchema({ $id: "hub", components: document.components });
    const owner = await hub.owner();
    const paths = operations()
      .filter(({ method, operation }) => method === "get" && operation["x-permission"] !== "agent")
      .map(({ path }) => path)
      .filter((path) => !path.includes("{"));
    for (const path of [...paths, `/api/servers/${agent.id}`, `/api/servers/${agent.id}/agent-status`]) {
      const described = path.replace(agent.id, "{id}");
      const content = document.paths[described]?.["get"]?.responses["200"]?.content;
      const schema = content?.["application/json"]?.schema;
      if (schema === undefined) continue;
      const response = await owner.get(path);
      if (response.status !== 200) continue;
      const whole = JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"hub#/components')) as Json;
      const check = ajv.compile(whole);
      check(await response.json());
      expect([path, check.errors ?? null]).toEqual([path, null]);
    }
  });
});
