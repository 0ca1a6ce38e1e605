import { describe, expect, test } from "bun:test";

import {
  type Document,
  type Schema,
  groupsOf,
  limitsText,
  shapesOf,
  typeText,
} from "#src/hub/dashboard/pages/docs/openapi.ts";
import { curlOf, sampleOf } from "#src/hub/dashboard/pages/docs/sample.ts";

const document: Document = {
  info: { title: "t", version: "1" },
  paths: {
    "/api/things/{id}": {
      get: { operationId: "getThing", tags: ["Things"], summary: "One thing", "x-permission": "view:servers" },
      post: {
        tags: ["Things"],
        summary: "Change a thing",
        "x-permission": "agent",
        requestBody: { content: { "application/json": { schema: { $ref: "#/components/schemas/Thing" } } } },
      },
    },
    "/healthz": { get: { tags: ["Health"], summary: "Alive", "x-permission": "none" } },
  },
  components: {
    schemas: {
      Thing: {
        type: "object",
        required: ["name", "kind", "inner"],
        properties: {
          name: { type: "string" },
          kind: { enum: ["it's", "not"] },
          inner: { anyOf: [{ $ref: "#/components/schemas/Thing" }, { type: "null" }] },
          since: { type: "string", format: "date-time" },
        },
      },
    },
  },
};

describe("operations", () => {
  test("stand in groups, and are found by every word", () => {
    const names = (search: string) =>
      groupsOf(document, search).map(({ name, entries }) => [name, ...entries.map((one) => one.method)]);
    expect(names("")).toEqual([
      ["Things", "GET", "POST"],
      ["Health", "GET"],
    ]);
    expect(names("thing post")).toEqual([["Things", "POST"]]);
    expect(names("nothing of this")).toEqual([]);
  });

  test("have an example that a shell takes as it is", () => {
    const [things] = groupsOf(document, "post");
    const [entry] = things?.entries ?? [];
    if (entry === undefined) throw new Error("no operation was found");
    expect(curlOf(document, entry, "https://hub").split(" \\\n  ")).toEqual([
      "curl -X POST 'https://hub/api/things/ID'",
      "-H 'Authorization: Bearer oat_…'",
      "-H 'X-Server-ID: SERVER'",
      "-H 'Content-Type: application/json'",
      expect.stringContaining(`-d '{"name":"…","kind":"it'\\''s"`),
    ]);
  });
});

describe("schemas", () => {
  const rows: readonly (readonly [schema: Schema, text: string])[] = [
    [{ type: "string", format: "date-time" }, "string (date-time)"],
    [{ $ref: "#/components/schemas/Thing" }, "Thing"],
    [{ type: "array", items: { $ref: "#/components/schemas/Thing" } }, "array of Thing"],
    [{ anyOf: [{ type: "string" }, { type: "null" }] }, "string | null"],
    [{ enum: ["a", "b"] }, '"a" | "b"'],
    [{ const: 1 }, "1"],
    [{ type: ["string", "null"] }, "string | null"],
    [{}, "anything"],
  ];
  for (const [schema, text] of rows) test(`read as ${text}`, () => expect(typeText(schema)).toBe(text));

  test("tell their limits, without those of a number itself", () => {
    expect(limitsText({ minLength: 1, maxLength: 100 })).toBe("1 to 100 characters");
    expect(limitsText({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, default: 3 })).toBe("at least 1, default 3");
    expect(limitsText({ type: "string" })).toBe("");
  });

  test("that hold themselves are opened step by step, and their samples end", () => {
    const thing: Schema = { $ref: "#/components/schemas/Thing" };
    expect(shapesOf(document, thing)).toHaveLength(1);
    expect(JSON.stringify(sampleOf(document, thing)).length).toBeLessThan(1000);
  });
});
