/**
 * `state.db`: everything that is no telemetry and no person. Events and the audit trail are numbered and come over while
 * the hub works; the rest is small, changes all the time, and is copied whole once it stands still.
 */
import type { Database } from "bun:sqlite";

import { Fault } from "#src/protocol/fault.ts";
import { type CopiedTable, type Side, type Table, columnsOf, copyAll, copyNew, dropGone, sumTable } from "./tables.ts";
import { type Sums } from "./sums.ts";

/** Parents before what refers to them. */
const whole: readonly Table[] = [
  { name: "projects", key: "id" },
  { name: "sources", key: "id" },
  { name: "servers", key: "id" },
  { name: "tokens", key: "id" },
  { name: "devices", key: "user_code" },
  { name: "ssh", key: "server" },
  { name: "ssh_hub_keys", key: "organization_id" },
  { name: "jobs", key: "id" },
  { name: "pending_tokens", key: "server" },
  { name: "senders", key: "server" },
  { name: "watches", key: "server" },
];
const numbered: readonly Table[] = [
  { name: "events", key: "position" },
  { name: "audit", key: "position" },
];

/** Of which a target that is said to be empty has no rows. */
export const stateTables: readonly string[] = [...whole, ...numbered].map(({ name }) => name);

export type StateCopy = {
  readonly from: Side;
  readonly to: Side;
  readonly copied: (rows: number) => void;
};

/** What has come since the last time. */
export async function copyNumbered({ from, to, copied }: StateCopy): Promise<void> {
  for (const table of await withColumns(from, to, numbered)) await copyNew(from, to, table, copied);
}

/** Everything, once nothing changes any more. @returns what the source has */
export async function copyState(copy: StateCopy): Promise<Sums> {
  const { from, to, copied } = copy;
  const sums = await copyAll(from, to, await withColumns(from, to, whole), copied);
  await copyNumbered(copy);
  for (const table of await withColumns(from, to, numbered)) {
    await dropGone(from, to, table);
    sums.set(table.name, await sumTable(from, table));
  }
  return sums;
}

/**
 * What comes next follows what was ever there, also where the newest has gone since: positions are never given twice.
 * @param source the database itself, which stands still
 */
export async function setPositions({ queries }: Side, source: Database): Promise<void> {
  const last = source.query<{ name: string; seq: number }, []>("SELECT name, seq FROM sqlite_sequence").all();
  for (const { name, seq } of last) {
    await queries.updateTable("positions").set({ position: seq }).where("list", "=", name).execute();
  }
}

/** The same the other way. */
export async function keepPositions({ queries }: Side, target: Database): Promise<void> {
  const rows = await queries.selectFrom("positions").select(["list", "position"]).execute();
  for (const { list, position } of rows) {
    target.run("DELETE FROM sqlite_sequence WHERE name = ?", [list as string]);
    target.run("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [list as string, Number(position)]);
  }
}

/** What the target has, read back. */
export async function sumState(from: Side, to: Side): Promise<Sums> {
  const tables = await withColumns(from, to, [...whole, ...numbered]);
  const sums: Sums = new Map();
  for (const table of tables) sums.set(table.name, await sumTable(to, table));
  return sums;
}

/**
 * Tables with the columns that are copied: all that the source has.
 * @throws {Fault} `conflict`: the target has no place for one of them
 */
export async function withColumns(from: Side, to: Side, tables: readonly Table[]): Promise<readonly CopiedTable[]> {
  const copied: CopiedTable[] = [];
  for (const table of tables) {
    const [source, target] = [await columnsOf(from, table.name), await columnsOf(to, table.name)];
    // what Postgres says of a column's type is what its values are
    const kinds = new Map((from.engine === "postgres" ? source : target).map(({ name, kind }) => [name, kind]));
    const there = new Set(target.map(({ name }) => name));
    const lacking = source.filter(({ name }) => !there.has(name));
    if (source.length === 0 || lacking.length > 0) {
      const what = source.length === 0 ? `no table ${table.name}` : `columns of ${table.name} that are not known`;
      throw new Fault("conflict", `the source is of another version of Orion: it has ${what}`, {
        hint: "Run this with the version that the hub has, or upgrade the hub first",
      });
    }
    const columns = source
      .filter(({ name }) => !isPrivate(table.name, name))
      .map(({ name }) => ({ name, kind: kinds.get(name) ?? ("other" as const) }));
    copied.push({ ...table, columns });
  }
  return copied;
}

/** What is of a hub's life and not of the next one's: which of several is at a job. */
const isPrivate = (table: string, column: string): boolean => table === "jobs" && column === "holder";
