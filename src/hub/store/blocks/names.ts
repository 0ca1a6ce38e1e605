/** Ids of names in a table; ids that a transaction gives are forgotten with its rollback. */
import type { Database } from "bun:sqlite";

/** Most names whose ids are kept in memory. */
const mostKnown = 50_000;

export type Names = {
  /** The id of a name, given if it has none. */
  id(name: string): number;
  forget(): void;
};

export function createNames(database: Database, table: "origins" | "sources"): Names {
  const find = database.prepare<{ id: number }, [string]>(`SELECT id FROM ${table} WHERE name = ?`);
  const add = database.prepare<unknown, [string]>(`INSERT INTO ${table} (name) VALUES (?)`);
  const known = new Map<string, number>();
  return {
    id(name) {
      let id = known.get(name) ?? find.get(name)?.id;
      if (id === undefined) id = Number(add.run(name).lastInsertRowid);
      if (known.size >= mostKnown) known.clear();
      known.set(name, id);
      return id;
    },
    forget: () => known.clear(),
  };
}
