/** Reading an OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.1), as far as a page shows it. */

/** JSON Schema 2020-12. */
export type Schema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly additionalProperties?: boolean | Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly format?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
};

export type Parameter = {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: Schema;
};

type Content = Readonly<Record<string, { readonly schema?: Schema }>>;

type Body = { readonly required?: boolean; readonly content?: Content };
type Answer = { readonly description?: string; readonly content?: Content };

export type Operation = {
  readonly operationId?: string;
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly description?: string;
  readonly "x-permission"?: string;
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Body;
  readonly responses?: Readonly<Record<string, Answer>>;
};

export type Document = {
  readonly info: { readonly title: string; readonly version: string; readonly summary?: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: {
    readonly schemas?: Readonly<Record<string, Schema>>;
    readonly securitySchemes?: Readonly<Record<string, SecurityScheme>>;
  };
};

export type SecurityScheme = {
  readonly type: string;
  readonly in?: string;
  readonly name?: string;
  readonly scheme?: string;
  readonly description?: string;
};

/** An operation with where it is. */
export type Entry = {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
};

export type Group = { readonly name: string; readonly entries: readonly Entry[] };

/** Operations under their first tag, both in the document's order; those that hold every word of `search`. */
export function groupsOf(document: Document, search = ""): readonly Group[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const groups = new Map<string, Entry[]>();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const [name = "Other"] = operation.tags ?? [];
      const text = [method, path, operation.summary, operation["x-permission"], name].join(" ").toLowerCase();
      if (!words.every((word) => text.includes(word))) continue;
      const entry = { id: operation.operationId ?? `${method}-${path}`, method: method.toUpperCase(), path, operation };
      groups.set(name, [...(groups.get(name) ?? []), entry]);
    }
  }
  return [...groups].map(([name, entries]) => ({ name, entries }));
}

/** The name of a definition that a schema refers to. */
export const nameOf = ({ $ref }: Schema): string | undefined => $ref?.split("/").at(-1);

/** What a schema refers to; a reference that leads nowhere is anything. */
export function resolve(document: Document, schema: Schema): Schema {
  const name = nameOf(schema);
  return name === undefined ? schema : (document.components?.schemas?.[name] ?? {});
}

/** `string (date-time)`, `array of Server`, `"owner" | "admin"`. */
export function typeText(schema: Schema): string {
  const name = nameOf(schema);
  if (name !== undefined) return name;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return [...new Set(choices.map(typeText))].join(" | ");
  if (schema.allOf !== undefined) return schema.allOf.map(typeText).join(" & ");
  if (schema.prefixItems !== undefined) return `[${schema.prefixItems.map(typeText).join(", ")}]`;
  if (schema.type === "array") return schema.items === undefined ? "array" : `array of ${typeText(schema.items)}`;
  const type = typeof schema.type === "string" ? schema.type : schema.type?.join(" | ");
  return `${type ?? "anything"}${schema.format === undefined ? "" : ` (${schema.format})`}`;
}

/** `1 to 100 characters, default "enrolment"`; empty: anything of its type. */
export function limitsText(schema: Schema): string {
  const parts = [
    span(schema.minimum, schema.maximum, ""),
    span(schema.minLength, schema.maxLength, " characters"),
    span(schema.minItems, schema.maxItems, " items"),
    schema.default === undefined ? "" : `default ${JSON.stringify(schema.default)}`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}

/** The parts that a reader may open: members of an object, of the objects of a list, or of one of several shapes. */
export function shapesOf(document: Document, schema: Schema): readonly Schema[] {
  const own = resolve(document, schema);
  const parts = own.anyOf ?? own.oneOf ?? own.allOf;
  if (parts !== undefined) return parts.flatMap((one) => shapesOf(document, one));
  if (own.type === "array" && own.items !== undefined) return shapesOf(document, own.items);
  if (own.properties !== undefined) return [own];
  return typeof own.additionalProperties === "object" ? shapesOf(document, own.additionalProperties) : [];
}

/** The first schema of a body or an answer, with its media type. */
export function contentOf(
  content: Content | undefined,
): { readonly type: string; readonly schema?: Schema } | undefined {
  const [first] = Object.entries(content ?? {});
  return first === undefined ? undefined : { type: first[0], ...first[1] };
}

function span(from: number | undefined, to: number | undefined, unit: string): string {
  // integers carry the bounds of a double, which tell nobody anything
  const top = to !== undefined && to >= Number.MAX_SAFE_INTEGER ? undefined : to;
  const bottom = from !== undefined && from <= Number.MIN_SAFE_INTEGER ? undefined : from;
  if (bottom === undefined && top === undefined) return "";
  if (bottom === undefined) return `at most ${top}${unit}`;
  if (top === undefined) return `at least ${bottom}${unit}`;
  return bottom === top ? `${bottom}${unit}` : `${bottom} to ${top}${unit}`;
}
