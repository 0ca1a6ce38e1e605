/**
 * A value of a row on either side. SQLite has no booleans and no times: sign-in keeps them there as 0 and 1, and as text
 * (ISO 8601); Postgres has both. What a value is, the type of its column in Postgres says.
 */

/** What a column holds. `other`: the same on both sides. */
export type Kind = "boolean" | "time" | "number" | "bytes" | "other";

export type Column = { readonly name: string; readonly kind: Kind };
export type Row = Readonly<Record<string, unknown>>;

/** Of a type as information_schema has it (postgresql.org/docs/current/infoschema-columns.html, data_type and udt_name). */
export function kindOf(type: string): Kind {
  const name = type.toLowerCase();
  if (name.startsWith("bool")) return "boolean";
  if (name.startsWith("timestamp") || name === "date") return "time";
  if (name === "bytea") return "bytes";
  return /^(?:int|bigint|smallint|serial|bigserial|float|real|double|numeric)/.test(name) ? "number" : "other";
}

export function toPostgres(kind: Kind, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (kind === "boolean") return value === true || value === 1 || value === "1" || value === "true";
  if (kind === "time") return new Date(timeOf(value));
  if (kind === "bytes") return Buffer.from(value as Uint8Array);
  return value;
}

export function toSqlite(kind: Kind, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (kind === "boolean") return value === true || value === 1 ? 1 : 0;
  if (kind === "time") return new Date(timeOf(value)).toISOString();
  if (kind === "number") return Number(value);
  if (kind === "bytes") return new Uint8Array(value as Uint8Array);
  return value;
}

/** The hash of a row, the same of what either side has. */
export function hashRow(columns: readonly Column[], row: Row): bigint {
  return Bun.hash.xxHash64(JSON.stringify(columns.map(({ name, kind }) => canonical(kind, row[name]))));
}

function canonical(kind: Kind, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (kind === "boolean") return toSqlite(kind, value);
  if (kind === "time") return timeOf(value);
  if (kind === "number") return Number(value);
  if (kind === "bytes") return Buffer.from(value as Uint8Array).toString("hex");
  if (typeof value === "bigint") return Number(value);
  return value;
}

/** Milliseconds since the epoch. */
function timeOf(value: unknown): number {
  if (value instanceof Date) return value.getTime();
  return typeof value === "number" ? value : Date.parse(value as string);
}
