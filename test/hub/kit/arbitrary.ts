/** Values for properties, made from the JSON Schemas of the OpenAPI document, and values that are almost such. */
import fc from "fast-check";

export type JsonSchema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly format?: string;
};

/** Schemas by name, as in `components.schemas`. */
export type Definitions = Readonly<Record<string, JsonSchema>>;

/** Text that programs stumble over. */
export const oddText = fc.constantFrom(
  "",
  " ",
  "\u0000",
  "\ud800",
  "\u202e",
  "null",
  "undefined",
  "__proto__",
  "constructor",
  "../../etc/passwd",
  "'; DROP TABLE servers; --",
  "<script>alert(1)</script>",
  "%00",
  "x".repeat(5000),
  "é".repeat(300),
  "1e400",
  "-0",
  "9007199254740993",
  "2026-02-30T00:00:00Z",
);

/** Values of the wrong kind. */
export const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  oddText,
  fc.constantFrom(null, true, 0, -1, 0.1, 1e308, -1e308, 2 ** 53, [], {}, [null], [[[[]]]], { __proto__: 1 }),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Values that a schema allows, as far as it says. */
export function valid(schema: JsonSchema, definitions: Definitions, depth = 0): fc.Arbitrary<unknown> {
  const inner = (one: JsonSchema) => valid(one, definitions, depth + 1);
  if (depth > 8) return fc.constant(null);
  if (schema.$ref !== undefined) return inner(definitions[schema.$ref.split("/").at(-1) ?? ""] ?? {});
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined && schema.enum.length > 0) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined && choices.length > 0) return fc.oneof(...choices.map(inner));
  if (schema.allOf !== undefined) {
    return fc.tuple(...schema.allOf.map(inner)).map((parts) => Object.assign({}, ...parts) as unknown);
  }
  const type = typeof schema.type === "string" || schema.type === undefined ? schema.type : schema.type[0];
  switch (type) {
    case "string":
      return text(schema);
    case "integer":
    case "number": {
      const min = Math.ceil(schema.minimum ?? schema.exclusiveMinimum ?? -1000);
      return fc.integer({ min, max: Math.max(min, Math.floor(Math.min(schema.maximum ?? 1e6, 2 ** 31 - 1))) });
    }
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(inner(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 4, (schema.minItems ?? 0) + 4),
      });
    case "object":
      return object(schema, inner);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function object(schema: JsonSchema, inner: (schema: JsonSchema) => fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const properties = Object.fromEntries(Object.entries(schema.properties ?? {}).map(([key, one]) => [key, inner(one)]));
  const known = fc.record(properties, {
    requiredKeys: [...(schema.required ?? [])].filter((key) => key in properties),
  });
  const { additionalProperties: more } = schema;
  if (more === undefined || more === false) return known;
  const value = typeof more === "object" && Object.keys(more).length > 0 ? inner(more) : fc.jsonValue({ maxDepth: 1 });
  return fc
    .tuple(known, fc.dictionary(fc.string({ maxLength: 10 }), value, { maxKeys: 2 }))
    .map(([first, second]) => ({ ...second, ...first }));
}

function text({ pattern, format, minLength, maxLength }: JsonSchema): fc.Arbitrary<string> {
  if (format === "date-time") {
    return fc
      .date({ min: new Date("1990-01-01T00:00:00Z"), max: new Date("2040-01-01T00:00:00Z"), noInvalidDate: true })
      .map((date) => date.toISOString());
  }
  if (pattern !== undefined) {
    try {
      return fc.stringMatching(new RegExp(pattern, "u"), { size: "small" });
    } catch {
      // not every expression can be turned round; the odd text below will do
      return fc.string();
    }
  }
  const least = minLength ?? 0;
  return fc.string({ minLength: least, maxLength: Math.max(least, Math.min(maxLength ?? 30, 200)) });
}

/** A value with one or two of its parts taken out or replaced by something else. */
export function wrecked(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const edit = fc.record({ at: fc.array(fc.nat(20), { maxLength: 4 }), put: oddValue, drop: fc.boolean() });
  return fc
    .tuple(value, fc.array(edit, { minLength: 1, maxLength: 2 }))
    .map(([whole, edits]) => edits.reduce((now: unknown, { at, put, drop }) => replaced(now, at, put, drop), whole));
}

function replaced(value: unknown, at: readonly number[], put: unknown, drop: boolean): unknown {
  const [first, ...rest] = at;
  if (first === undefined || typeof value !== "object" || value === null) return put;
  if (Array.isArray(value)) {
    return value.map((one: unknown, i) => (i === first % value.length ? replaced(one, rest, put, drop) : one));
  }
  const keys = Object.keys(value);
  const key = keys[first % Math.max(1, keys.length)];
  if (key === undefined) return put;
  const { [key]: part, ...others } = value as Record<string, unknown>;
  return drop && rest.length === 0 ? others : { ...others, [key]: replaced(part, rest, put, drop) };
}

/** Good text with a few characters changed, taken out or doubled. */
export function mutated(good: string): fc.Arbitrary<string> {
  const change = fc.tuple(
    fc.nat(good.length),
    fc.nat(6),
    fc.constantFrom("", '"', "{", "[", "\n", "9", "-", "null", "\\u0000", "é"),
  );
  return fc
    .array(change, { minLength: 1, maxLength: 6 })
    .map((edits) => edits.reduce((now, [at, cut, put]) => now.slice(0, at) + put + now.slice(at + cut), good));
}
