/** An example of calling an operation, as one pastes it into a shell. */
import { type Document, type Entry, type Schema, contentOf, resolve } from "./openapi.ts";

/** Deeper than any body is; a schema that holds itself ends here. */
const maxDepth = 6;

/** Stands for the token of whoever may call it. */
const tokenOf: Readonly<Record<string, string>> = {
  agent: "oat_…",
  source: "ost_…",
  enrolment: "oet_…",
};

export function curlOf(document: Document, { method, path, operation }: Entry, origin: string): string {
  const permission = operation["x-permission"] ?? "none";
  const query = (operation.parameters ?? [])
    .filter((one) => one.in === "query" && one.required === true)
    .map((one) => `${one.name}=${one.name.toUpperCase()}`);
  const url = origin + path.replace(/\{(\w+)\}/g, (_, name: string) => name.toUpperCase());
  const body = contentOf(operation.requestBody?.content);
  const lines = [
    `curl${method === "GET" ? "" : ` -X ${method}`} '${url}${query.length === 0 ? "" : `?${query.join("&")}`}'`,
    ...(permission === "none" ? [] : [`-H 'Authorization: Bearer ${tokenOf[permission] ?? "oak_…"}'`]),
    ...(permission === "agent" ? ["-H 'X-Server-ID: SERVER'"] : []),
    ...(body === undefined ? [] : [`-H 'Content-Type: ${body.type}'`]),
    ...(body?.schema === undefined ? [] : [`-d '${quoted(JSON.stringify(sampleOf(document, body.schema)))}'`]),
  ];
  return lines.join(" \\\n  ");
}

/** A value that a schema lets through, with what it asks for and nothing else. */
export function sampleOf(document: Document, schema: Schema, depth = 0): unknown {
  const own = resolve(document, schema);
  if (own.default !== undefined) return own.default;
  if (own.const !== undefined) return own.const;
  if (own.enum !== undefined) return own.enum[0] ?? null;
  if (depth > maxDepth) return null;
  const inner = (one: Schema) => sampleOf(document, one, depth + 1);
  const [choice] = own.anyOf ?? own.oneOf ?? [];
  if (choice !== undefined) return inner(choice);
  if (own.allOf !== undefined) return Object.assign({}, ...own.allOf.map(inner)) as unknown;
  switch (Array.isArray(own.type) ? own.type[0] : own.type) {
    case "object": {
      const required = new Set(own.required ?? []);
      const members = Object.entries(own.properties ?? {}).filter(
        ([name, one]) => required.has(name) && one.default === undefined,
      );
      return Object.fromEntries(members.map(([name, one]) => [name, inner(one)]));
    }
    case "array":
      return own.prefixItems?.map(inner) ?? (own.items === undefined ? [] : [inner(own.items)]);
    case "string":
      return own.format === "date-time" ? "2030-01-01T00:00:00.000Z" : "…";
    case "integer":
    case "number":
      return own.minimum !== undefined && own.minimum > Number.MIN_SAFE_INTEGER ? own.minimum : 1;
    case "boolean":
      return true;
    default:
      return null;
  }
}

/** Inside single quotes of a POSIX shell. */
const quoted = (text: string): string => text.replaceAll("'", `'\\''`);
